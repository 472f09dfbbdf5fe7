"""Forward and backward pass of encoders on masked images: videomac against its peers.

Every contender has the same weights and sees the same masked images; they are timed by
turns in one process. Peers: mmpretrain's SparseConvNeXt and SparseResNet (dense tensors,
masked after every layer, as in SparK), the dense network on whole images, and, where
MinkowskiEngine is installed, its kernels under the same network.

    python benchmarks/encoder_step.py
    python benchmarks/encoder_step.py --encoders resnet50 --rounds 9 --out table.md
    python benchmarks/encoder_step.py --device cuda --dtype bfloat16 --batch 128
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from peers import ENCODERS, OURS, build, contenders
from products import MatrixProducts
from report import FLOOR, HIGHER, PRODUCTS, tabulate
from timing import Measured, alternate, matmul_rate, measure_memory
from torch import Tensor, nn

from videomac.analysis import MultiplyAddCounter
from videomac.models.masking import RandomPatchMasking
from videomac.sparse import PatchGrid, SparseBackend

PATCH_SIZE = 32
Forward = Callable[[], Tensor]


class Contest:
    """The contenders for one encoder, on the same images, mask and weights."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.device = torch.device(options.device)
        self.dtype = getattr(torch, options.dtype)
        torch.manual_seed(0)
        side = options.image_size
        self.images = torch.randn(options.batch, 3, side, side, device=self.device)
        cpu = self.device.type == 'cpu' and self.dtype == torch.float32
        takers = contenders(name, minkowski=cpu)
        stock = build(takers[OURS].encoder).to(self.device)
        self.networks: list[nn.Module] = [stock]
        self.forwards: dict[str, Forward] = {}
        for label, taker in takers.items():
            network = stock
            if taker.encoder is not takers[OURS].encoder:
                network = build(taker.encoder, stock).to(self.device)
                self.networks.append(network)
            ratio = options.mask_ratio
            self.forwards[label] = partial(self.latent, network, taker.sparse(), ratio)
        ours = takers[OURS].sparse()
        self.forwards[HIGHER] = partial(self.latent, stock, ours, 0.9)
        self.index = {r: self._mask(r) for r in (options.mask_ratio, 0.9)}

    def _mask(self, ratio: float) -> PatchGrid:
        masking = RandomPatchMasking(PATCH_SIZE, ratio)
        height, width = self.images.shape[2:]
        return masking(len(self.images), (height, width), 1, self.device)[0]

    def latent(self, network: nn.Module, sparse: SparseBackend, ratio: float) -> Tensor:
        """Latent of shape [B, C, h, w]."""
        # The mask is made anew: a training step has to make its index tables too.
        grid = PatchGrid(**{k: getattr(self.index[ratio], k) for k in GRID_ARGUMENTS})
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return sparse.encode(network, self.images, grid)

    def step(self, forward: Forward) -> None:
        """Forward and backward pass, as in a training step."""
        self.forget_gradients()
        forward().float().square().mean().backward()

    def forget_gradients(self) -> None:
        """Let the memory of the gradients go."""
        for network in self.networks:
            network.zero_grad(set_to_none=True)

    def multiply_adds(self) -> int:
        """Visible multiply-adds of our forward and backward pass."""
        with MultiplyAddCounter() as counter:
            self.forwards[OURS]()
        return counter.forward + counter.backward


GRID_ARGUMENTS = ('batch_size', 'rows', 'cols', 'patch_size', 'index', 'per_sample')


def measure(name: str, options: argparse.Namespace) -> dict[str, Measured]:
    """Time the contenders for one encoder."""
    contest = Contest(name, options)
    amount = contest.multiply_adds()
    steps = {n: partial(contest.step, f) for n, f in contest.forwards.items()}
    rate = matmul_rate(contest.device, contest.dtype)
    products = MatrixProducts(contest.forwards[OURS], contest.dtype, contest.device)
    steps[PRODUCTS] = products.step
    times, rates = alternate(steps, options.rounds, contest.device, rate)
    alone = Measured(times.pop(PRODUCTS))
    measured = {}
    for label, seconds in times.items():
        contest.forget_gradients()
        forward = contest.forwards[label]
        measured[label] = measure_memory(seconds, forward, steps[label], contest.device)
    measured[PRODUCTS] = alone
    measured[FLOOR] = Measured([amount / r for r in rates])
    return measured


DEFAULT = ['convnextv2-tiny', 'convnextv2-small', 'resnet50', 'released-resnet50']

if __name__ == '__main__':
    tabulate((__doc__ or '').split('\n\n')[0], ENCODERS, DEFAULT, measure)
