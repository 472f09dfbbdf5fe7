"""A whole training step of VideoMAC: videomac's sparse engine against its peers.

Two frames, online and target network, three losses, AdamW, moving average: everything
but reading the data. The contenders are those of encoder_step.py.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --encoders resnet50 --rounds 9 --out table.md
    python benchmarks/train_step.py --device cuda --dtype bfloat16 --batch 128
"""

from __future__ import annotations

import argparse

import torch
from mmengine.config import Config
from peers import ENCODERS, Contender, contenders
from report import FLOOR, tabulate
from timing import Measured, alternate, matmul_rate, measure_memory
from torch import Tensor

from videomac.analysis import MultiplyAddCounter
from videomac.models import VideoMAC
from videomac.registry import MODELS
from videomac.utils import find_config

#: Where decoder, losses, masking and target come from.
CONFIG = 'videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py'
MOMENTUM = 0.996


class Training:
    """A model of one contender with its optimiser."""

    def __init__(self, taker: Contender, options: argparse.Namespace):
        torch.manual_seed(0)
        config = Config.fromfile(find_config(CONFIG)).model
        config.encoder = taker.encoder  # update() would merge the two
        config.sparse = dict(type=taker.sparse)
        config.masking.ratio = options.mask_ratio
        self.device = torch.device(options.device)
        self.dtype = getattr(torch, options.dtype)
        self.model: VideoMAC = MODELS.build(config).to(self.device)
        self.optimizer = torch.optim.AdamW(
            (p for p in self.model.parameters() if p.requires_grad),
            lr=1e-5,
            fused=True,
        )
        side = options.image_size
        self.frames = torch.randn(options.batch, 2, 3, side, side, device=self.device)

    def loss(self) -> Tensor:
        """Sum of the losses of a pair of frames."""
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return torch.stack(list(self.model(self.frames, mode='loss').values())).sum()

    def step(self) -> None:
        """Train for one iteration."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()
        self.model.update_target(MOMENTUM)

    def multiply_adds(self) -> int:
        """Multiply-adds of a step that are of use: visible cells and the decoder."""
        with MultiplyAddCounter() as counter:
            self.loss()
        return counter.forward + counter.backward


def measure(name: str, options: argparse.Namespace) -> dict[str, Measured]:
    """Time the contenders for one encoder."""
    device = torch.device(options.device)
    takers = contenders(name, minkowski=options.device == 'cpu')
    trained = {label: Training(taker, options) for label, taker in takers.items()}
    amount = next(iter(trained.values())).multiply_adds()
    steps = {label: training.step for label, training in trained.items()}
    rate = matmul_rate(device, getattr(torch, options.dtype))
    times, rates = alternate(steps, options.rounds, device, rate)
    measured = {}
    for label, seconds in times.items():
        training = trained[label]
        training.optimizer.zero_grad(set_to_none=True)
        measured[label] = measure_memory(seconds, training.loss, training.step, device)
    measured[FLOOR] = Measured([amount / r for r in rates])
    return measured


DEFAULT = ['convnextv2-tiny', 'resnet50']

if __name__ == '__main__':
    tabulate((__doc__ or '').split('\n\n')[0], ENCODERS, DEFAULT, measure)
