"""Hooks of the training loop."""

from .loader_check import LoaderCheckHook
from .safe_checkpoint import SafeCheckpointHook
from .strict_load import StrictLoadHook
from .target_ema import TargetEMAHook
from .verified_checkpoint import VerifiedCheckpointHook

__all__ = [
    'LoaderCheckHook',
    'SafeCheckpointHook',
    'StrictLoadHook',
    'TargetEMAHook',
    'VerifiedCheckpointHook',
]
