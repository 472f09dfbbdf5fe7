"""The work behind the web page, without the page: see :mod:`videomac.web.pages`."""

from .clips import Clip, bundled_clips, load_clip
from .comparison import compare_propagation, compare_reconstruction
from .marks import add_disc, add_grabcut, painted_ids
from .models import find_models
from .propagation import Settings, propagate
from .reconstruction import reconstruct_frame, toggle_patch
from .workplace import Workplace

__all__ = [
    'Clip',
    'Settings',
    'Workplace',
    'add_disc',
    'add_grabcut',
    'bundled_clips',
    'compare_propagation',
    'compare_reconstruction',
    'find_models',
    'load_clip',
    'painted_ids',
    'propagate',
    'reconstruct_frame',
    'toggle_patch',
]
