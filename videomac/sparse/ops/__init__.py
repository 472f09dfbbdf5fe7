"""Meaning of torch operations on :class:`~videomac.sparse.patch_tensor.PatchTensor`.

Importing the package fills the table of handlers: one file for each family.
"""

from . import conv, elementwise, layout, norm, pad, pool, reduce

__all__ = ['conv', 'elementwise', 'layout', 'norm', 'pad', 'pool', 'reduce']
