"""Transforms of all frames of a sample at once.

Each works on ``results['frames']``, a uint8 tensor ``[T, 3, H, W]``, in one call of
`torchvision.transforms.v2`. One call draws once, so the frames share crop, flip and
colours by construction. All draws are from torch's global generator, which the data
loader seeds in every worker, and a training anew for every sample (`SeededDataset`).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.transforms import BaseTransform
from mmpretrain.structures import DataSample
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from videomac.registry import TRANSFORMS

from ..sources import EncodedFrames

__all__ = [
    'FramesColorJitter',
    'FramesRandomFlip',
    'FramesRandomResizedCrop',
    'FramesResizedCenterCrop',
    'PackFrames',
]

Results = dict[str, Any]
Window = tuple[int, int, int, int]  # top, left, height and width in pixels


def _size(size: int | Sequence[int]) -> tuple[int, int]:
    """Turn ``size``, in pixels, into (height, width)."""
    pair = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(pair) != 2 or not all(isinstance(s, int) and s > 0 for s in pair):
        raise ValueError(
            f'size must be a positive number of pixels or (height, width), got {size!r}'
        )
    return pair[0], pair[1]


def _range(name: str, value: Sequence[float], most: float) -> tuple[float, float]:
    """Check that ``value`` is (low, high) with 0 < low <= high <= most."""
    pair = tuple(value) if isinstance(value, Sequence) else ()
    if len(pair) != 2 or not 0 < pair[0] <= pair[1] <= most:
        raise ValueError(
            f'{name} must be (low, high) with 0 < low <= high <= {most:g}, got {value!r}'
        )
    return float(pair[0]), float(pair[1])


def _interpolation(name: str) -> v2.InterpolationMode:
    """Look up a mode of interpolation that works on tensors."""
    known = ('bicubic', 'bilinear', 'nearest')
    if name not in known:
        raise ValueError(f'interpolation must be one of {known}, got {name!r}')
    return v2.InterpolationMode(name)


@TRANSFORMS.register_module()
class FramesRandomResizedCrop(BaseTransform):
    """Cut the same random window from all frames and resize it, with antialiasing.

    As the first of a pipeline it gets the frames undecoded, and decodes what it needs.

    Args:
        size: Size of the result in pixels, one number or (height, width).
        scale: Range of the window's area as a fraction of the frame's, in (0, 1].
        ratio: Range of the window's width / height, drawn uniformly in its logarithm.
        interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

    Raises:
        ValueError: An argument is out of its range.
    """

    takes_encoded = True

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.2, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = 'bicubic',
    ) -> None:
        self._crop = v2.RandomResizedCrop(
            _size(size),
            scale=_range('scale', scale, most=1.0),
            ratio=_range('ratio', ratio, most=math.inf),
            interpolation=_interpolation(interpolation),
            antialias=True,
        )

    def draw_window(self, size: tuple[int, int]) -> Window:
        """Draw a window as :meth:`transform` does.

        Args:
            size: Height and width of the frames in pixels.

        Returns:
            Top, left, height and width in pixels.
        """
        # Stands for the frames, whose size is all that is asked for.
        like = torch.empty(()).expand(3, *size)
        window = self._crop.make_params([like])
        return window['top'], window['left'], window['height'], window['width']

    def transform(self, results: Results) -> Results:
        """Crop ``frames`` ``[T, 3, H, W]``, or encoded, to ``[T, 3, *size]``.

        Returns:
            The results with ``windows``, a list of the one window that was cut out of
            all frames: top, left, height and width in their pixels.
        """
        frames = results['frames']
        encoded = isinstance(frames, EncodedFrames)
        H, W = frames.size if encoded else frames.shape[-2:]
        window = self.draw_window((H, W))
        size, mode = self._crop.size, self._crop.interpolation
        if encoded:
            results['frames'] = frames.crop(window, size, mode.value)
        else:
            results['frames'] = tvf.resized_crop(
                frames, *window, size, mode, antialias=True
            )
        results['windows'] = [window]
        return results

    def __repr__(self) -> str:
        crop = self._crop
        return (
            f'{type(self).__name__}(size={crop.size}, scale={crop.scale}, '
            f'ratio={crop.ratio}, interpolation={crop.interpolation.value!r})'
        )


@TRANSFORMS.register_module()
class FramesRandomFlip(BaseTransform):
    """Mirror all frames left to right, or none.

    Args:
        prob: Probability in [0, 1].

    Raises:
        ValueError: ``prob`` is out of its range.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be in [0, 1], got {prob!r}')
        self.prob = prob

    def transform(self, results: Results) -> Results:
        """Mirror ``frames`` ``[T, 3, H, W]`` with probability ``prob``."""
        if torch.rand(()) < self.prob:
            results['frames'] = tvf.horizontal_flip(results['frames'])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


@TRANSFORMS.register_module()
class FramesColorJitter(BaseTransform):
    """Change the colours of all frames by the same random factors, in random order.

    The paper finds that colour augmentation harms (Table 4); this is for that ablation.
    The default strengths are those of MoCo v2.

    Args:
        brightness: Factor is drawn from [max(0, 1 - brightness), 1 + brightness].
        contrast: The same for contrast.
        saturation: The same for saturation.
        hue: Shift, as a fraction of the colour circle, is drawn from [-hue, hue];
            at most 0.5.

    Raises:
        ValueError: A strength is negative, or ``hue`` exceeds 0.5.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
    ) -> None:
        self.strengths = {
            'brightness': brightness,
            'contrast': contrast,
            'saturation': saturation,
            'hue': hue,
        }
        for name, value in self.strengths.items():
            most = 0.5 if name == 'hue' else math.inf
            if not 0 <= value <= most:
                raise ValueError(f'{name} must be in [0, {most:g}], got {value!r}')
        self._jitter = v2.ColorJitter(**self.strengths)

    def transform(self, results: Results) -> Results:
        """Change the colours of ``frames`` ``[T, 3, H, W]``."""
        results['frames'] = self._jitter(results['frames'])
        return results

    def __repr__(self) -> str:
        strengths = ', '.join(f'{k}={v}' for k, v in self.strengths.items())
        return f'{type(self).__name__}({strengths})'


@TRANSFORMS.register_module()
class FramesResizedCenterCrop(BaseTransform):
    """Resize frames to just cover ``size`` and cut the centre; nothing is random.

    Args:
        size: Size of the result in pixels, one number or (height, width).
        crop_ratio: Side of the result over that of the resized frame, in (0, 1];
            1 keeps as much of the frame as fits, 224 / 256 is usual for ImageNet.
        interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        crop_ratio: float = 1.0,
        interpolation: str = 'bicubic',
    ) -> None:
        if not 0 < crop_ratio <= 1:
            raise ValueError(f'crop_ratio must be in (0, 1], got {crop_ratio!r}')
        self.size = _size(size)
        self.crop_ratio = crop_ratio
        self.interpolation = _interpolation(interpolation)

    def transform(self, results: Results) -> Results:
        """Resize and crop ``frames`` ``[T, 3, H, W]`` to ``[T, 3, *size]``."""
        frames = results['frames']
        H, W = frames.shape[-2:]
        factor = max(self.size[0] / H, self.size[1] / W) / self.crop_ratio
        # Rounding must not leave the frame smaller than the crop.
        resized = [
            max(s, round(n * factor)) for s, n in zip(self.size, (H, W), strict=True)
        ]
        frames = tvf.resize(frames, resized, self.interpolation, antialias=True)
        results['frames'] = tvf.center_crop(frames, list(self.size))
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, crop_ratio={self.crop_ratio}, '
            f'interpolation={self.interpolation.value!r})'
        )


@TRANSFORMS.register_module()
class PackFrames(BaseTransform):
    """Turn the results of a pipeline into the input of a model.

    Args:
        meta_keys: Keys of the results to keep as metainfo of the data sample.

    Raises:
        TypeError: ``meta_keys`` is a string.
    """

    def __init__(self, meta_keys: Sequence[str] = ('video', 'frame_indices')) -> None:
        if isinstance(meta_keys, str):
            raise TypeError(f'meta_keys must be a list of keys, got {meta_keys!r}')
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: Results) -> Results:
        """Pack the results.

        Args:
            results: Has ``frames``, uint8 ``[T, 3, H, W]``, and all ``meta_keys``.

        Returns:
            ``inputs``, the same tensor, contiguous, and ``data_samples``, a DataSample
            with the metainfo.

        Raises:
            KeyError: One of ``meta_keys`` is not in the results.
        """
        missing = [key for key in self.meta_keys if key not in results]
        if missing:
            raise KeyError(
                f'meta_keys {missing} are not among the results {sorted(results)}; '
                'correct PackFrames.meta_keys'
            )
        metainfo = {key: results[key] for key in self.meta_keys}
        return {
            'inputs': results['frames'].contiguous(),
            'data_samples': DataSample(metainfo=metainfo),
        }

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
