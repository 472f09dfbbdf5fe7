"""Synchronised BatchNorm on sparse maps: visible cells of all processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import SyncBatchNorm

from .masked_tensor import MaskedTensor
from .patch_tensor import PatchTensor
from .sparse_map import SparseMap, UnsupportedOperationError

__all__ = ['sync_batch_norms', 'synchronised']

_forward = SyncBatchNorm.forward


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, group: Any) -> Tensor:
        """Add up the values of all processes."""
        ctx.group = group
        total = value.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Add up the gradients of all processes."""
        total = grads[0].contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None


def synchronised(
    values: Tensor, layer: SyncBatchNorm, factor: float, group: Any
) -> Tensor:
    """Normalise with the statistics of the values of all processes.

    Args:
        values: Visible cells of this process, shape [M, C]; M may differ between
            processes and be zero.
        layer: Its parameters are used and its running statistics updated.
        factor: Share of the new statistics in the running ones.
        group: Processes that take part.

    Returns:
        Shape [M, C].
    """
    exact = values.float() if values.dtype in (torch.half, torch.bfloat16) else values
    count = exact.new_full((1,), float(len(exact)))
    sums = _SumOverProcesses.apply(torch.cat([exact.sum(0), count]), group)
    total = sums[-1].detach()
    mean = sums[:-1] / total
    centred = exact - mean
    variance = _SumOverProcesses.apply(centred.square().sum(0), group) / total
    if layer.running_mean is not None and layer.running_var is not None:
        unbiased = variance.detach() * (total / (total - 1).clamp(min=1))
        for running, new in (
            (layer.running_mean, mean.detach()),
            (layer.running_var, unbiased),
        ):
            running.lerp_(new.to(running.dtype), factor)
    out = centred * (variance + layer.eps).rsqrt()
    if layer.affine:
        out = out * layer.weight + layer.bias
    return out.to(values.dtype)


def _of_cells(x: SparseMap, layer: SyncBatchNorm, factor: float, group: Any) -> SparseMap:
    """Normalise the visible cells of a map of any kind."""
    if isinstance(x, PatchTensor):
        cells = synchronised(x.data.flatten(0, 2), layer, factor, group)
        return x.like(cells.view(x.data.shape))
    if isinstance(x, MaskedTensor):
        return x.of_visible(lambda cells: synchronised(cells, layer, factor, group))
    raise UnsupportedOperationError.of('sync_batch_norm', x, 'in more than one process')


def _forward_sparse(self: SyncBatchNorm, x: Any) -> Any:
    """Stand in for ``SyncBatchNorm.forward``."""
    if not isinstance(x, SparseMap):
        return _forward(self, x)
    x.require_layout('sync_batch_norm', channels_last=False)
    several = dist.is_available() and dist.is_initialized()
    group = self.process_group or (dist.group.WORLD if several else None)
    by_batch = self.training or (self.running_mean is None and self.running_var is None)
    factor = 0.0 if self.momentum is None else self.momentum
    if self.training and self.num_batches_tracked is not None:
        self.num_batches_tracked.add_(1)
        if self.momentum is None:
            factor = 1.0 / float(self.num_batches_tracked)
    if self.training and several and dist.get_world_size(group) > 1:
        return _of_cells(x, self, factor, group)
    keeps = not self.training or self.track_running_stats
    return torch.nn.functional.batch_norm(
        x,  # type: ignore[arg-type]
        self.running_mean if keeps else None,
        self.running_var if keeps else None,
        self.weight,
        self.bias,
        by_batch,
        factor,
        self.eps,
    )


@contextlib.contextmanager
def sync_batch_norms() -> Iterator[None]:
    """Let ``torch.nn.SyncBatchNorm`` understand sparse maps inside the block.

    It hands its input to an autograd function of its own, which torch offers no way to
    override by the argument's class, and takes tensors on a GPU only. Inside the block
    maps go another way, on any device; tensors go the old one.
    """
    saved = SyncBatchNorm.forward
    SyncBatchNorm.forward = _forward_sparse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        SyncBatchNorm.forward = saved  # type: ignore[method-assign]
