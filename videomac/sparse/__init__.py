"""Sparse feature maps on which stock ConvNets run unchanged."""

from .backends import MaskedDense, Minkowski, PatchSparse, SparseBackend
from .masked_tensor import MaskedTensor
from .minkowski import MinkowskiMap
from .patch_grid import PatchGrid, grid_shape
from .patch_tensor import PatchTensor
from .sparse_map import SparseMap, UnsupportedOperationError

__all__ = [
    'MaskedDense',
    'MaskedTensor',
    'Minkowski',
    'MinkowskiMap',
    'PatchGrid',
    'PatchSparse',
    'PatchTensor',
    'SparseBackend',
    'SparseMap',
    'UnsupportedOperationError',
    'grid_shape',
]
