"""Meaning of torch operations on :class:`~videomac.sparse.masked_tensor.MaskedTensor`.

Importing the package fills the table of handlers. Everything is written the plain way,
and apart from the checks of arguments shares nothing with ``videomac/sparse/ops``.
"""

from . import conv, elementwise, layout, norm, pool, reduce

__all__ = ['conv', 'elementwise', 'layout', 'norm', 'pool', 'reduce']
