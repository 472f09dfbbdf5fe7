"""Meaning of torch operations on :class:`~videomac.sparse.masked_tensor.MaskedTensor`.

Importing the package fills the table of handlers. Everything is written the plain way,
and apart from the checks of arguments shares nothing with ``videomac/sparse/ops``.
"""

from ..composite_ops import COMPOSITE_OPS
from ..masked_tensor import MaskedTensor
from . import conv, elementwise, layout, norm, pool, reduce

__all__ = ['conv', 'elementwise', 'layout', 'norm', 'pool', 'reduce']

MaskedTensor.handlers |= COMPOSITE_OPS
