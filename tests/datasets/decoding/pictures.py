"""JPEGs of many kinds, of content like photographs."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ['jpeg', 'pillow_crop', 'smooth']


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a picture of waves and edges, RGB ``[height, width, 3]``."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.array(image)
    pixels[height // 3 : height // 2, width // 4 : width // 2] //= 2
    return pixels


def jpeg(pixels: NDArray[np.uint8], mode: str = 'RGB', **options: object) -> bytes:
    """Encode a picture; ``options`` are those of Pillow."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels).convert(mode)
    image.save(buffer, 'JPEG', **{'quality': 92, **options})
    return buffer.getvalue()


def pillow_crop(
    data: bytes,
    window: tuple[int, int, int, int],
    size: tuple[int, int],
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> NDArray[np.uint8]:
    """Decode, cut out and resize with Pillow, the reference of the field."""
    top, left, height, width = window
    image = Image.open(io.BytesIO(data)).convert('RGB')
    image = image.crop((left, top, left + width, top + height))
    return np.array(image.resize(size[::-1], resample))
