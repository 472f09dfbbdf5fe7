"""Functions for use from Python, without a runner."""

from .reconstruct import reconstruct

__all__ = ['reconstruct']
