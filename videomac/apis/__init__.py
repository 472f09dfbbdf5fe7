"""Functions for use from Python, without a runner."""

from ..datasets.video_input import Frames, open_video
from ..models.reconstruct import reconstruct
from .checkpoint import load_encoder
from .encoder import Encoder, LoadReport
from .progress import Progress
from .propagation_result import Propagation
from .propagator import Propagator
from .reconstruction import Reconstruction
from .reconstructor import Reconstructor
from .zoo import get_model, list_models

__all__ = [
    'Encoder',
    'Frames',
    'LoadReport',
    'Progress',
    'Propagation',
    'Propagator',
    'Reconstruction',
    'Reconstructor',
    'get_model',
    'list_models',
    'load_encoder',
    'open_video',
    'reconstruct',
]
