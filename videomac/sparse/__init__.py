"""Sparse feature maps on which stock ConvNets run unchanged."""

from .backends import MaskedDense, PatchSparse, SparseBackend
from .masked_tensor import MaskedTensor
from .patch_grid import PatchGrid, grid_shape
from .patch_tensor import PatchTensor
from .sparse_map import SparseMap, UnsupportedOperationError

__all__ = [
    'MaskedDense',
    'MaskedTensor',
    'PatchGrid',
    'PatchSparse',
    'PatchTensor',
    'SparseBackend',
    'SparseMap',
    'UnsupportedOperationError',
    'grid_shape',
]
