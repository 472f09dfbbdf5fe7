"""Frames of a video as a network takes them: resized, normalised, decoded on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .sources import UnreadableVideoError
from .sources.diagnosis import diagnose, is_cut_jpeg

__all__ = ['NetworkFrames', 'decode_frame', 'network_size', 'network_tensor']


def network_size(
    ori_size: tuple[int, int],
    size: int | Sequence[int] | None,
    multiple: int = 1,
) -> tuple[int, int]:
    """Choose the size that frames, and the labels with them, are resized to.

    Args:
        ori_size: Height and width of the frames on disk.
        size: Length of the short side; or height and width, which need not keep the
            ratio; or None to leave the frames as they are.
        multiple: With a short side, what the long side is floored to a multiple of. So
            the ratio is not kept exactly either.

    Returns:
        Height and width for the network. With 480 and 64, as DINO has it: 480 x 854
        gives 480 x 832, 854 x 480 gives 832 x 480.

    Raises:
        ValueError: ``size`` or ``multiple`` is not positive, or ``size`` has neither
            one nor two numbers.
    """
    if size is None:
        return ori_size
    sides = (size,) if isinstance(size, int) else tuple(size)
    if len(sides) not in (1, 2) or min(*sides, multiple) < 1:
        raise ValueError(
            'size must be the short side, (height, width) or None, and multiple at '
            f'least 1; got size={size!r}, multiple={multiple!r}'
        )
    if len(sides) == 2:
        return sides[0], sides[1]
    height, width = ori_size
    short, long = sorted(ori_size)
    # In whole numbers: floor(side * long / short / multiple) * multiple.
    scaled = max(1, sides[0] * long // (short * multiple)) * multiple
    return (scaled, sides[0]) if height > width else (sides[0], scaled)


def network_tensor(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    round_resized: bool = True,
) -> Tensor:
    """Resize a frame with OpenCV's bilinear interpolation and normalise it.

    Args:
        picture: RGB, uint8 in 0..255, shape [H0, W0, 3].
        size: Height and width of the tensor.
        mean: Mean to subtract, of red, green and blue in [0, 1].
        std: Deviation to divide by.
        round_resized: Whether resized values are rounded to 8 bits, as in the code of
            DINO and VFS; CRW's resizes floating-point numbers.

    Returns:
        float32 [3, H, W].
    """
    height, width = size
    pixels: NDArray[Any] = picture if round_resized else picture.astype(np.float32) / 255
    if picture.shape[:2] != size:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    if round_resized:
        pixels = pixels.astype(np.float32) / 255
    rgb = (pixels - mean) / std
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))


class NetworkFrames:
    """The frames of a video as tensors, see :class:`FrameTensors`.

    Each is decoded when it is asked for; see :func:`network_tensor` for the rest.

    Args:
        paths: Files of the frames.
        size: Height and width of the tensors.
        mean: Mean to subtract, of red, green and blue in [0, 1].
        std: Deviation to divide by.
        round_resized: See :func:`network_tensor`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        round_resized: bool = True,
    ) -> None:
        self.paths = tuple(paths)
        self.size = size
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)
        self.round_resized = round_resized

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Decode one frame, float32 ``[3, H, W]``.

        Raises:
            UnreadableVideoError: The frame cannot be decoded.
        """
        picture = decode_frame(str(self.paths[index]))
        return network_tensor(picture, self.size, self.mean, self.std, self.round_resized)


def decode_frame(path: str) -> NDArray[np.uint8]:
    """Decode a picture as the evaluation does: RGB, uint8 in 0..255, [H, W, 3].

    Raises:
        UnreadableVideoError: It is none, too large, or its end is missing.
    """
    # Annotations know nothing of the orientation that a camera may have noted.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with Image.open(path):  # refuses what would fill the memory
            pass
        with open(path, 'rb') as file:  # OpenCV takes no names other than UTF-8
            content = file.read()
        if is_cut_jpeg(content):
            raise ValueError('its end is missing')
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    # What Pillow and OpenCV raise on broken files depends on format and damage.
    except Exception as error:
        raise UnreadableVideoError(path, diagnose(path, error)) from error
    if image is None:
        raise UnreadableVideoError(path, diagnose(path))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
