"""An encoder with its weights, for dense use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..datasets.video_input import Video, open_video, to_tensor
from ..models.propagation.stages import LastStage

__all__ = ['Encoder', 'LoadReport']


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint.

    Attributes:
        source: File, or name of the library's model.
        format: Format of its keys, as ``tools/model_converters/convert.py`` calls it.
        network: Class of the network.
        used: Keys of the checkpoint whose tensors the network has now.
        left_out: A line for each other entry of the checkpoint: its name and why.
        made: A line for each tensor that the format implies and does not store.
        missing: Tensors of the network that stayed random; only without ``strict``.
    """

    source: str
    format: str
    network: str
    used: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = [
            f'{len(self.used)} tensors used',
            f'{len(self.left_out)} entries left out',
        ]
        if self.made:
            counts.append(f'{len(self.made)} made')
        if self.missing:
            counts.append(f'{len(self.missing)} MISSING and random')
        return f'{self.source} ({self.format}) -> {self.network}: {", ".join(counts)}'


class Encoder(LastStage):
    """A network for dense use: normalised images [B, 3, H, W] in, one map out.

    Args:
        network: The network, of its library's own class.
        report: What became of the checkpoint.
        config: Config of the network, for ``encoder=`` or ``backbone=`` in configs.
        mean: Mean of R, G and B in 0..255 that the network expects.
        std: Their deviation.

    Attributes:
        network: The network itself, to fine-tune or to export.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        report: LoadReport,
        config: Mapping[str, Any],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__(network)
        self.report = report
        self.config = dict(config)
        for name, value in (('mean', mean), ('std', std)):
            buffer = torch.tensor(list(value), dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def normalize(self, frames: Video | NDArray[np.uint8]) -> Tensor:
        """Turn pictures into what the network expects.

        Args:
            frames: Anything that :func:`open_video` takes, of one size.

        Returns:
            float32 [T, 3, H, W], on the network's device.

        Raises:
            FileNotFoundError: If there is no such file or folder.
            ValueError: If it is no video, cannot be decoded, or its frames differ in
                size.
        """
        pictures = np.stack(list(open_video(frames)))
        return (to_tensor(pictures).to(self.mean.device) - self.mean) / self.std
