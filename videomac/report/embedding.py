"""Pictures and clips inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

__all__ = ['as_data']

WIDEST = 1200  # pixels
QUALITY = 82  # of a JPEG
LARGEST_CLIP = 3 * 2**20  # bytes
MOVING = {'.mp4': 'video/mp4', '.gif': 'image/gif'}


def as_data(path: Path) -> str:
    """Turn a file into an address that holds it.

    Pictures are made smaller where they are wide, and become JPEGs where that is
    shorter. Clips stay as they are.

    Args:
        path: Picture, MP4 or GIF.

    Returns:
        ``data:...``; empty for a clip that is too large for a page.

    Raises:
        OSError: The picture cannot be read.
    """
    kind = MOVING.get(path.suffix.lower())
    if kind is not None:
        if path.stat().st_size > LARGEST_CLIP:
            return ''
        return _data(kind, path.read_bytes())
    with Image.open(path) as image:
        picture = image.convert('RGB')
    if picture.width > WIDEST:
        height = max(1, round(picture.height * WIDEST / picture.width))
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    shortest = ('', b'')
    for name in ('png', 'jpeg'):
        buffer = io.BytesIO()
        options = {'quality': QUALITY} if name == 'jpeg' else {'optimize': True}
        picture.save(buffer, name, **options)
        content = buffer.getvalue()
        if not shortest[1] or len(content) < len(shortest[1]):
            shortest = (f'image/{name}', content)
    return _data(*shortest)


def _data(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
