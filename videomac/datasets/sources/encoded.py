"""Frames that have been read from disk and wait to be decoded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tvf

from ..decoding import crop_jpegs, decode_region, read_header
from .diagnosis import UnreadableVideoError, diagnose
from .images import check_one_size, decode_image

__all__ = ['EncodedFrames']


class EncodedFrames:
    """Image files of the frames of one sample.

    A transform that cuts out a window decodes no more than that. Whatever is no JPEG of
    the usual kind, and every file that a fast decoder complains of, is decoded whole by
    Pillow, so that the same files can be read as without this class.

    Args:
        paths: T names of the files, for messages.
        files: Their contents.

    Raises:
        UnreadableVideoError: The frames differ in size, or one cannot be decoded.

    Attributes:
        size: Height and width of the frames, in pixels.
    """

    def __init__(self, paths: Sequence[str], files: Sequence[bytes]) -> None:
        self.paths = list(paths)
        self.files = list(files)
        self._frames: Tensor | None = None
        headers = [read_header(data) for data in files]
        sizes = [(h.height, h.width) for h in headers if h is not None]
        if len(sizes) == len(files):
            check_one_size(self.paths, sizes)
            self.size = sizes[0]
        else:
            H, W = self._decode_by_pillow().shape[-2:]
            self.size = H, W

    @classmethod
    def from_disk(cls, paths: Sequence[str]) -> EncodedFrames:
        """Read image files.

        Raises:
            UnreadableVideoError: As above, or a file cannot be read.
        """
        files = []
        for path in paths:
            try:
                with open(path, 'rb') as file:
                    files.append(file.read())
            except OSError as error:
                raise UnreadableVideoError(path, diagnose(path, error)) from error
        return cls(paths, files)

    def __len__(self) -> int:
        return len(self.files)

    def decode(self) -> Tensor:
        """Decode the whole frames, once.

        Returns:
            RGB ``[T, 3, H, W]``, uint8 in 0..255.

        Raises:
            UnreadableVideoError: A file cannot be decoded.
        """
        if self._frames is None:
            try:
                pixels = [
                    decode_region(data, (0, 0, *self.size), 1) for data in self.files
                ]
            except ValueError:
                return self._decode_by_pillow()
            self._frames = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
        return self._frames

    def crop(
        self, window: tuple[int, int, int, int], size: tuple[int, int], interpolation: str
    ) -> Tensor:
        """Cut the same window out of all frames and resize it, with antialiasing.

        Args:
            window: Top, left, height and width of the crop, in pixels.
            size: Height and width of the result.
            interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

        Returns:
            RGB ``[T, 3, *size]``, uint8 in 0..255.

        Raises:
            UnreadableVideoError: A file cannot be decoded.
        """
        frames = self._frames
        if frames is None:
            try:
                return crop_jpegs(self.files, self.size, window, size, interpolation)
            except ValueError:
                frames = self._decode_by_pillow()
        mode = tvf.InterpolationMode(interpolation)
        return tvf.resized_crop(frames, *window, list(size), mode, antialias=True)

    def _decode_by_pillow(self) -> Tensor:
        """Decode the whole frames with the decoder that knows every kind of file."""
        pairs = zip(self.files, self.paths, strict=True)
        images = [decode_image(data, path) for data, path in pairs]
        check_one_size(self.paths, [image.shape[:2] for image in images])
        self._frames = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return self._frames
