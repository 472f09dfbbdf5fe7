"""Short made-up videos and a backbone that sees their colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from videomac.datasets.propagation_sample import PropagationVideo

STRIDE = 4


class Pooled(nn.Module):
    """Random colours of the pixels of every cell, at unit length; counts its calls."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(
            torch.randn(channels, 3, STRIDE, STRIDE, generator=generator)
        )
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += len(images)
        return F.normalize(F.conv2d(images, self.weight, stride=STRIDE))


class Decoded:
    """Frames that remember when each was asked for."""

    def __init__(self, frames: Tensor) -> None:
        self.frames = frames
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Tensor:
        self.asked.append(index)
        return self.frames[index]


def noise_video(length: int = 6, size: tuple[int, int] = (24, 32), **fields: Any) -> Any:
    """Noise that drifts a little from frame to frame, with two objects in frame 0."""
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(3, *size, generator=generator)
    drift = torch.randn(length, 3, *size, generator=generator)
    frames = first + 0.4 * drift
    ids = np.zeros(size, np.uint8)
    ids[2:14, 3:15] = 1
    ids[9:22, 18:30] = 4
    return video(frames, **(dict(first_label=ids) | fields))


def video(tensors: Tensor, /, **fields: Any) -> PropagationVideo:
    """A video of these frames, of their size unless a field says otherwise."""
    known: dict[str, Any] = dict(
        video='clip',
        frames=[f'{i:05d}.jpg' for i in range(len(tensors))],
        inputs=Decoded(tensors),
        ori_size=tuple(tensors.shape[-2:]),
    )
    return PropagationVideo(**(known | fields))


def moving_square(length: int = 8) -> tuple[Tensor, list[NDArray[np.uint8]]]:
    """A red square that moves by a cell a frame over a blue ground, and its masks."""
    frames = torch.zeros(length, 3, 32, 64)
    frames[:, 2] = 1
    masks = []
    for t in range(length):
        left = STRIDE * t
        frames[t, :, 8:20, left : left + 16] = torch.tensor([1.0, 0, 0])[:, None, None]
        mask = np.zeros((32, 64), np.uint8)
        mask[8:20, left : left + 16] = 3
        masks.append(mask)
    return frames, masks
