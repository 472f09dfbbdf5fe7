"""Meaning of torch operations on :class:`~videomac.sparse.patch_tensor.PatchTensor`.

Importing the package fills the table of handlers: one file for each family.
"""

from ..composite_ops import COMPOSITE_OPS
from ..patch_tensor import PatchTensor
from . import affine, conv, elementwise, layout, norm, pad, pool, reduce

__all__ = ['affine', 'conv', 'elementwise', 'layout', 'norm', 'pad', 'pool', 'reduce']

PatchTensor.handlers |= COMPOSITE_OPS
