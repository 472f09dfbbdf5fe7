"""Files that are broken, or look broken, each in its own way."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 24)  # width, height
COLOUR = (200, 120, 40)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(kind: str) -> bytes:
    """A picture of noise, so that most of its bytes are pixels."""
    values = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return encoded(Image.fromarray(values), kind)


def plain(kind: str, mode: str = 'RGB', **options: object) -> bytes:
    """A picture of :data:`COLOUR`."""
    return encoded(Image.new('RGB', SIZE, COLOUR).convert(mode), kind, **options)


def grey16() -> bytes:
    """A grey PNG of 16 bits, of the value 200 * 256 + 99 everywhere."""
    values = np.full((SIZE[1], SIZE[0]), 200 * 256 + 99, np.uint16)
    return encoded(Image.fromarray(values), 'PNG')


def colour16() -> bytes:
    """A colour PNG of 16 bits, written by hand: Pillow cannot."""
    pixel = struct.pack('>3H', *(value * 256 + 99 for value in COLOUR))
    header = struct.pack('>2I5B', *SIZE, 16, 2, 0, 0, 0)
    rows = b''.join(b'\0' + pixel * SIZE[0] for _ in range(SIZE[1]))
    return png(('IHDR', header), ('IDAT', zlib.compress(rows)), ('IEND', b''))


def png(*chunks: tuple[str, bytes]) -> bytes:
    """Put a PNG together, with right checksums."""
    parts = [b'\x89PNG\r\n\x1a\n']
    for name, data in chunks:
        body = name.encode() + data
        parts.append(struct.pack('>I', len(data)) + body)
        parts.append(struct.pack('>I', zlib.crc32(body)))
    return b''.join(parts)


def huge_png() -> bytes:
    """A file of some bytes that claims to be a picture of 60000 x 60000."""
    header = struct.pack('>2I5B', 60000, 60000, 8, 2, 0, 0, 0)
    return png(('IHDR', header), ('IDAT', zlib.compress(b'\0')), ('IEND', b''))


def huge_jpeg() -> bytes:
    """A JPEG whose header claims 60000 x 60000."""
    data = bytearray(plain('JPEG'))
    start = data.index(b'\xff\xc0') + 5
    data[start : start + 4] = struct.pack('>2H', 60000, 60000)
    return bytes(data)


def rotated() -> bytes:
    """A JPEG that EXIF says to turn by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return plain('JPEG', exif=exif)


def transparent() -> bytes:
    """A PNG of :data:`COLOUR`, half transparent."""
    return encoded(Image.new('RGBA', SIZE, (*COLOUR, 128)), 'PNG')


HTML = b'<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n'
POINTER = b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n'

#: Name of the file, its content, and what the error says.
BROKEN: dict[str, tuple[str, Callable[[], bytes], str]] = {
    'jpeg cut in the pixels': ('f.jpg', lambda: noise('JPEG')[:-300], 'cannot be dec'),
    'jpeg cut at the last byte': ('f.jpg', lambda: noise('JPEG')[:-2], 'cannot be dec'),
    'jpeg cut in the header': ('f.jpg', lambda: noise('JPEG')[:50], 'cannot be decoded'),
    'png cut in the pixels': ('f.png', lambda: noise('PNG')[:-300], 'cannot be decoded'),
    'png cut in the header': ('f.png', lambda: noise('PNG')[:20], 'cannot be decoded'),
    'empty jpeg': ('f.jpg', lambda: b'', 'the file is empty; fetch it anew'),
    'empty png': ('f.png', lambda: b'', 'the file is empty; fetch it anew'),
    'web page named jpg': ('f.jpg', lambda: HTML, 'a web page in place of the'),
    'text named png': ('f.png', lambda: b'no picture', 'cannot be decoded'),
    'pointer of Git LFS': ('f.jpg', lambda: POINTER, 'run "git lfs pull"'),
    'huge jpeg': ('f.jpg', huge_jpeg, '3600000000 pixels'),
    'huge png': ('f.png', huge_png, '3600000000 pixels'),
}

#: Name of the file, its content, and the colour of its pixels.
UNUSUAL: dict[str, tuple[str, Callable[[], bytes], tuple[int, int, int]]] = {
    'png named jpg': ('f.jpg', lambda: plain('PNG'), COLOUR),
    'jpeg named png': ('f.png', lambda: plain('JPEG'), COLOUR),
    'webp named jpeg': ('f.jpeg', lambda: plain('WEBP'), COLOUR),
    'cmyk jpeg': ('f.jpg', lambda: plain('JPEG', 'CMYK'), COLOUR),
    'grey jpeg': ('f.jpg', lambda: plain('JPEG', 'L'), (135,) * 3),
    'grey png': ('f.png', lambda: plain('PNG', 'L'), (135,) * 3),
    'progressive jpeg': ('f.jpg', lambda: plain('JPEG', progressive=True), COLOUR),
    'palette png': ('f.png', lambda: plain('PNG', 'P'), COLOUR),
    'black and white png': ('f.png', lambda: plain('PNG', '1'), (135,) * 3),
    'png of 16 bits grey': ('f.png', grey16, (200,) * 3),
    'png of 16 bits': ('f.png', colour16, COLOUR),
    'transparent png': ('f.png', transparent, COLOUR),
    'rotated by exif': ('f.jpg', rotated, COLOUR),
    'bytes after the end': ('f.jpg', lambda: plain('JPEG') + b'\xff\xda..', COLOUR),
}


def break_path(path: Path, damage: str) -> str:
    """Damage a frame that was there, in ways that no content tells.

    Args:
        path: The frame, which exists.
        damage: ``'broken link'``, ``'folder'`` or ``'missing'``.

    Returns:
        What the error says.
    """
    path.unlink()
    if damage == 'broken link':
        path.symlink_to(path.parent / 'gone')
        return "gone', which does not exist"
    if damage == 'folder':
        path.mkdir()
        return 'is a folder'
    return 'does not exist'
