"""Sparse feature maps on MinkowskiEngine; importing it fills their table of handlers."""

from . import rows, windows
from .engine import load_engine
from .minkowski_map import MinkowskiMap
from .sites import Sites

__all__ = ['MinkowskiMap', 'Sites', 'load_engine', 'rows', 'windows']
