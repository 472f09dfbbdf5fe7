"""What the header of a JPEG says, without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['JpegHeader', 'read_header']

_START, _END = b'\xff\xd8', b'\xff\xd9'
_SCAN = 0xDA  # start of scan: compressed data follow
#: Start-of-frame markers of Huffman-coded pictures: baseline, extended, progressive.
_PLAIN_FRAMES = {0xC0, 0xC1, 0xC2}
#: All start-of-frame markers; C4, C8 and CC are none.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_RESTARTS = range(0xD0, 0xD8)  # markers without a length
#: Larger pictures are left to Pillow, which asks whether they are meant seriously.
_MOST_PIXELS = 2**26
#: Bytes at the end in which the marker of the end is looked for; some writers pad.
_TAIL = 64


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """Size of a JPEG that every decoder can read in part.

    Attributes:
        height: Pixels.
        width: Pixels.
    """

    height: int
    width: int


def read_header(data: bytes) -> JpegHeader | None:
    """Read the header of a JPEG of the usual kind.

    Usual are pictures of 8 bits in one or three components (grey, YCbCr or RGB), Huffman
    coded, that end with the marker of the end.

    Args:
        data: The whole file.

    Returns:
        The header, or None for any other kind of file and for one that is cut short:
        those are left to a decoder that knows them all.
    """
    if data[:2] != _START or _END not in data[-_TAIL:]:
        return None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may come before a marker
            at += 1
            continue
        if marker in _RESTARTS:
            at += 2
            continue
        if marker in _FRAMES:
            return _frame(data, at) if marker in _PLAIN_FRAMES else None
        if marker == _SCAN:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None


def _frame(data: bytes, at: int) -> JpegHeader | None:
    """Read the start-of-frame segment at ``at`` (ISO/IEC 10918-1, B.2.2)."""
    if at + 10 > len(data):
        return None
    bits, components = data[at + 4], data[at + 9]
    height = int.from_bytes(data[at + 5 : at + 7], 'big')
    width = int.from_bytes(data[at + 7 : at + 9], 'big')
    if bits != 8 or components not in (1, 3):
        return None
    if not 0 < height * width <= _MOST_PIXELS:
        return None
    return JpegHeader(height, width)
