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
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope
from mmpretrain.models import ConvNeXt, ResNet, SparseConvNeXt, SparseResNet
from mmpretrain.models.utils.sparse_modules import SparseHelper
from report import machine, markdown
from timing import (
    alternate,
    matmul_rate,
    median_ratio,
    peak_memory,
    saved_memory,
)
from torch import Tensor, nn

from videomac.analysis import MultiplyAddCounter
from videomac.models.encoders import ReleasedResNet
from videomac.models.masking import RandomPatchMasking
from videomac.sparse import Minkowski, PatchGrid, PatchSparse, SparseBackend

PATCH_SIZE = 32
Network = Callable[[], nn.Module]


@dataclass(frozen=True)
class Encoder:
    """An encoder and mmpretrain's masked-dense version of it."""

    stock: Network
    masked_dense: Network | None = None


def convnext(arch: str, grn: bool) -> Encoder:
    """ConvNeXt V1 or V2."""
    options: dict[str, Any] = {'arch': arch, 'use_grn': grn}
    options['layer_scale_init_value'] = 0.0 if grn else 1e-6
    return Encoder(
        partial(ConvNeXt, **options, gap_before_final_norm=False),
        partial(SparseConvNeXt, **options, gap_before_output=False),
    )


def resnet(depth: int) -> Encoder:
    """ResNet with BatchNorm."""
    norm = {'type': 'SparseBatchNorm2d'}
    peer = partial(SparseResNet, depth, out_indices=(3,), norm_cfg=norm)
    return Encoder(partial(ResNet, depth), peer)


ENCODERS = {
    'convnextv2-tiny': convnext('tiny', grn=True),
    'convnextv2-small': convnext('small', grn=True),
    'convnext-tiny': convnext('tiny', grn=False),
    'resnet18': resnet(18),
    'resnet50': resnet(50),
    'released-resnet50': Encoder(partial(ReleasedResNet, depth=50)),
}


class Contest:
    """The contenders for one encoder, on the same images, mask and weights."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.device = torch.device(options.device)
        self.dtype = getattr(torch, options.dtype)
        torch.manual_seed(0)
        side = options.image_size
        self.images = torch.randn(options.batch, 3, side, side, device=self.device)
        encoder = ENCODERS[name]
        self.stock = encoder.stock().to(self.device)
        self.masked_dense = None
        if encoder.masked_dense is not None:
            peer = encoder.masked_dense()
            self.masked_dense = peer.to(self.device)
            missing, _ = peer.load_state_dict(self.stock.state_dict(), strict=False)
            if missing:
                raise RuntimeError(f'weights of {name} that its peer lacks: {missing}')
        self.grids = {r: self._grid(r) for r in (options.mask_ratio, 0.9)}

    def _grid(self, ratio: float) -> PatchGrid:
        masking = RandomPatchMasking(PATCH_SIZE, ratio)
        size = tuple(self.images.shape[2:])
        return masking(len(self.images), size, 1, self.device, None)[0]

    def _with_fresh_tables(self, grid: PatchGrid) -> PatchGrid:
        """Make the same mask anew: a training step has to make its tables too."""
        return PatchGrid(
            grid.batch_size,
            grid.rows,
            grid.cols,
            grid.patch_size,
            grid.index,
            grid.per_sample,
        )

    def sparse(self, backend: SparseBackend, ratio: float) -> Tensor:
        """Latent of the stock network on a sparse backend, [B, C, h, w]."""
        grid = self._with_fresh_tables(self.grids[ratio])
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return backend.encode(self.stock, self.images, grid)

    def peer(self, ratio: float) -> Tensor:
        """Latent of mmpretrain's masked-dense network, [B, C, h, w]."""
        assert self.masked_dense is not None
        visible = self.grids[ratio].visible[:, None]
        SparseHelper._cur_active = visible
        pixels = visible.repeat_interleave(PATCH_SIZE, 2).repeat_interleave(PATCH_SIZE, 3)
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return self.masked_dense(self.images * pixels)[-1]

    def dense(self) -> Tensor:
        """Latent of the stock network on whole images."""
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return self.stock(self.images)[-1]

    def step(self, forward: Callable[[], Tensor]) -> None:
        """Forward and backward pass, as in a training step."""
        for network in (self.stock, self.masked_dense):
            if network is not None:
                network.zero_grad(set_to_none=True)
        forward().float().square().mean().backward()

    def forwards(self, ratio: float) -> dict[str, Callable[[], Tensor]]:
        """What there is to time, the first being ours."""
        ours = PatchSparse()
        made: dict[str, Callable[[], Tensor]] = {
            'videomac': partial(self.sparse, ours, ratio),
            'videomac, 90 % masked': partial(self.sparse, ours, 0.9),
        }
        if self.masked_dense is not None:
            made['mmpretrain, masked dense'] = partial(self.peer, ratio)
        made['dense, nothing masked'] = self.dense
        if self.device.type == 'cpu' and self.dtype == torch.float32:
            try:
                made['MinkowskiEngine'] = partial(self.sparse, Minkowski(), ratio)
            except ImportError:
                pass
        return made


def multiply_adds(contest: Contest, forward: Callable[[], Tensor]) -> int:
    """Visible multiply-adds of forward and backward pass."""
    with MultiplyAddCounter() as counter:
        forward()
    contest.step(forward)
    return counter.forward + counter.backward


def table(name: str, options: argparse.Namespace) -> list[list[str]]:
    """Time the contenders for one encoder; a row for each."""
    contest = Contest(name, options)
    forwards = contest.forwards(options.mask_ratio)
    ours = forwards['videomac']
    amount = multiply_adds(contest, ours)
    rate = matmul_rate(contest.device, contest.dtype)
    rates: list[float] = []
    steps = {n: partial(contest.step, f) for n, f in forwards.items()}
    steps['matrix product'] = lambda: rates.append(rate())
    times = alternate(steps, options.rounds, contest.device)
    floors = [amount / r for r in rates[-options.rounds :]]
    times['visible multiply-adds at matmul rate'] = floors
    del times['matrix product']
    kept = saved_memory(ours)
    peak = peak_memory(partial(contest.step, ours), contest.device)
    rows = []
    for contender, seconds in times.items():
        row = [name, contender, f'{statistics.median(seconds):.3f}']
        row.append(f'{median_ratio(seconds, times["videomac"]):.2f}')
        if contender in forwards:
            forward = forwards[contender]
            row.append(f'{saved_memory(forward) / 2**20:.0f}')
            row.append(f'{kept / saved_memory(forward):.2f}')
            most = peak_memory(partial(contest.step, forward), contest.device)
            row += [f'{most / 2**20:.0f}', f'{peak / most:.2f}']
        else:
            row += [''] * 4
        rows.append(row)
    return rows


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    names = ', '.join(ENCODERS)
    default = ['convnextv2-tiny', 'convnextv2-small', 'resnet50', 'released-resnet50']
    parser.add_argument(
        '--encoders', nargs='+', default=default, choices=ENCODERS, help=names
    )
    parser.add_argument('--batch', type=int, default=8, help='images a step')
    parser.add_argument('--image-size', type=int, default=224, help='pixels')
    parser.add_argument('--mask-ratio', type=float, default=0.75)
    parser.add_argument('--rounds', type=int, default=7, help='times each is timed')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--dtype', default='float32', help='float32 or bfloat16')
    parser.add_argument('--out', type=Path, help='also write the table to this file')
    return parser.parse_args()


def main() -> None:
    """Time all encoders and print a table."""
    options = parse_args()
    head = ['encoder', 'contender', 'median s', 'times videomac', 'kept MiB']
    head += ['videomac / it', 'peak MiB', 'videomac / it']
    init_default_scope('mmpretrain')  # where mmcv looks for the layers of the peers
    rows: list[list[str]] = []
    for name in options.encoders:
        rows += table(name, options)
        text = f'{machine(options)}\n\n{markdown(head, rows)}'
        print(text, flush=True)
        if options.out:
            options.out.write_text(text)


if __name__ == '__main__':
    main()
