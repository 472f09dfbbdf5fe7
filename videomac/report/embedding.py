"""Pictures and clips inside a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..datasets.sources.diagnosis import diagnose, printable

__all__ = ['Embedded', 'as_data', 'embed']

WIDEST = 1200  # pixels
QUALITY = 82  # of a JPEG
LARGEST_CLIP = 3 * 2**20  # bytes
MOVING = {'.mp4': 'video/mp4', '.gif': 'image/gif'}


@dataclass(frozen=True)
class Embedded:
    """A picture or a clip inside a page, or why it is not there.

    Attributes:
        data: Address that holds it, see :func:`as_data`; empty if it is left out.
        problem: Names a file that cannot be read, and says why; empty if it can.
    """

    data: str
    problem: str = ''


def embed(path: Path) -> Embedded:
    """Put a file into a page, or a note on it where it cannot be read.

    A run that was killed may leave half a picture, which must not cost the report.
    """
    try:
        return Embedded(as_data(path))
    except Exception as error:  # Pillow raises whatever the damage leads to
        reason = diagnose(str(path), error)
        return Embedded('', f"'{printable(str(path))}' is left out: {reason}")


def as_data(path: Path) -> str:
    """Turn a file into an address that holds it.

    Pictures are made smaller where they are wide, become JPEGs where that is shorter,
    and lie on white where they are transparent. Clips stay as they are.

    Args:
        path: Picture, MP4 or GIF.

    Returns:
        ``data:...``; empty for a clip that is too large for a page.

    Raises:
        OSError: The file cannot be read; of a broken picture Pillow raises others too.
    """
    kind = MOVING.get(path.suffix.lower())
    if kind is not None:
        if path.stat().st_size > LARGEST_CLIP:
            return ''
        return _data(kind, path.read_bytes())
    with Image.open(path) as image:
        picture = _on_white(image)
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


def _on_white(image: Image.Image) -> Image.Image:
    """Decode to RGB; without its transparency a colour that nobody chose would show."""
    if not image.has_transparency_data:
        return image.convert('RGB')
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image.convert('RGBA')).convert('RGB')


def _data(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
