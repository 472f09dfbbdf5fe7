"""Functions for use from Python, without a runner."""

from .checkpoint import load_encoder
from .encoder import Encoder, LoadReport
from .reconstruct import reconstruct
from .zoo import get_model, list_models

__all__ = [
    'Encoder',
    'LoadReport',
    'get_model',
    'list_models',
    'load_encoder',
    'reconstruct',
]
