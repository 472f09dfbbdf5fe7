"""Compares synchronised BatchNorm in two processes with BatchNorm of the whole batch.

Run by ``torchrun`` with the name of a backend; exits with an error where they differ.
"""

import copy
import sys
from typing import Any

import torch
import torch.distributed as dist
from mmengine.model import convert_sync_batchnorm
from torch import Tensor, nn

from videomac.sparse import MaskedDense, PatchGrid, PatchSparse, SparseBackend
from videomac.utils.distributed import end_processes

BACKENDS: dict[str, SparseBackend] = {'patches': PatchSparse(), 'masked': MaskedDense()}
#: Visible patches of the two images of each process: different numbers, one without any.
VISIBLE = (
    ((1, 0, 1, 1, 0, 1), (0, 1, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 1, 1), (0, 0, 0, 0, 0, 0)),
)


def make_network(momentum: float | None) -> Any:
    """Make a network with two BatchNorms, the second without parameters."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 4, 4, bias=False),
        nn.BatchNorm2d(4, momentum=momentum),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, 2, 1),
        nn.BatchNorm2d(5, affine=False),
    ]
    network: Any = nn.Sequential(*layers).double()
    network[1].weight.data.uniform_(0.5, 1.5)
    network[1].bias.data.normal_()
    return network


def step(
    network: nn.Module, backend: SparseBackend, images: Tensor, mask: Tensor, first: int
) -> Tensor:
    """Latent of images, after the backward pass of a loss that weights each of them."""
    latent = backend.encode(network, images, PatchGrid.from_mask(mask, 8))
    places = torch.arange(
        first * latent[0].numel(), (first + len(images)) * latent[0].numel()
    )
    (latent.flatten() * places.double().sin()).sum().backward()
    return latent.detach()


def compare(backend: SparseBackend, momentum: float | None, in_eval: bool) -> None:
    """Compare latents, gradients and running statistics over two steps."""
    rank = dist.get_rank()
    masks = torch.tensor(VISIBLE, dtype=torch.bool).view(4, 2, 3)
    plain: Any = make_network(momentum)
    synced: Any = convert_sync_batchnorm(copy.deepcopy(plain), 'torch')
    assert isinstance(synced[1], nn.SyncBatchNorm)
    for seed in range(2):
        torch.manual_seed(seed)
        images = torch.randn(4, 3, 16, 24, dtype=torch.float64)
        plain.zero_grad()
        synced.zero_grad()
        whole = step(plain, backend, images, masks, 0)
        mine = slice(2 * rank, 2 * rank + 2)
        part = step(synced, backend, images[mine], masks[mine], 2 * rank)
        torch.testing.assert_close(part, whole[mine], rtol=1e-10, atol=1e-12)
        for ours, theirs in zip(synced.parameters(), plain.parameters(), strict=True):
            dist.all_reduce(ours.grad)
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-11)
        buffers = zip(synced.buffers(), plain.buffers(), strict=True)
        for ours, theirs in buffers:
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    if in_eval:
        synced.eval()
        plain.eval()
        found = step(synced, backend, images[mine], masks[mine], 2 * rank)
        expected = step(plain, backend, images[mine], masks[mine], 2 * rank)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def compare_types(backend: SparseBackend) -> None:
    """Under autocast statistics are exact and outputs are of the lower precision."""
    rank = dist.get_rank()
    masks = torch.tensor(VISIBLE, dtype=torch.bool).view(4, 2, 3)
    plain: Any = make_network(0.1).float()
    synced: Any = convert_sync_batchnorm(copy.deepcopy(plain), 'torch')
    images = torch.randn(4, 3, 16, 24, generator=torch.Generator().manual_seed(3))
    mine = slice(2 * rank, 2 * rank + 2)
    with torch.autocast('cpu', torch.bfloat16):
        part = backend.encode(synced, images[mine], PatchGrid.from_mask(masks[mine], 8))
        whole = backend.encode(plain, images, PatchGrid.from_mask(masks, 8))
    assert part.dtype == whole.dtype
    torch.testing.assert_close(part, whole[mine], rtol=0.05, atol=0.05)
    part.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in synced.parameters())
    assert synced[1].running_var.dtype == torch.float32


def main() -> None:
    """Compare in both processes."""
    dist.init_process_group('gloo')
    torch.set_num_threads(1)
    backend = BACKENDS[sys.argv[1]]
    for momentum in (0.1, None):
        compare(backend, momentum, in_eval=True)
    compare_types(backend)
    forward = nn.SyncBatchNorm.forward
    assert forward.__module__ == 'torch.nn.modules.batchnorm', 'not put back'
    end_processes()


if __name__ == '__main__':
    main()
