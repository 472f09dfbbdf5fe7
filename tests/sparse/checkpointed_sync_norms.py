"""Compares checkpointed blocks with synchronised BatchNorm with those that keep all.

Run by ``torchrun`` with the name of a backend; exits with an error where they differ.
"""

import sys

import torch
import torch.distributed as dist
from mmengine.model import convert_sync_batchnorm
from mmpretrain.models import ResNet
from torch import Tensor, nn

from tests.distributed.sync_norms import BACKENDS
from videomac.sparse import PatchGrid, SparseBackend
from videomac.utils.distributed import end_processes


def train_step(backend: SparseBackend, with_cp: bool) -> list[Tensor]:
    """Latent and gradients of this process, which sees images of its own."""
    torch.manual_seed(0)
    network: nn.Module = ResNet(18, stem_channels=8, base_channels=8, with_cp=with_cp)
    network = convert_sync_batchnorm(network, 'torch').double()
    network.train()
    torch.manual_seed(1 + dist.get_rank())
    visible = torch.rand(2, 2, 3) < 0.6
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    latent = backend.encode(network, images, PatchGrid.from_mask(visible, 32))
    latent.sin().sum().backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(grads) == len(list(network.parameters()))
    return [latent.detach(), *grads]


def main() -> None:
    """Compare in both processes."""
    dist.init_process_group('gloo')
    torch.set_num_threads(1)
    backend = BACKENDS[sys.argv[1]]
    expected, found = (train_step(backend, with_cp) for with_cp in (False, True))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    forward = nn.SyncBatchNorm.forward
    assert forward.__module__ == 'torch.nn.modules.batchnorm', 'not put back'
    end_processes()


if __name__ == '__main__':
    main()
