"""Decoding no more of a picture than a crop needs. Nothing here knows of data sets."""

from .crop import crop_jpegs
from .decoders import DECODERS, best_decoder, decode_region
from .header import JpegHeader, read_header
from .resample import Window, plan_window, resize_window

__all__ = [
    'DECODERS',
    'JpegHeader',
    'Window',
    'best_decoder',
    'crop_jpegs',
    'decode_region',
    'plan_window',
    'read_header',
    'resize_window',
]
