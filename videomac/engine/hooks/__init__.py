"""Hooks: what happens beside the training loop, one purpose each."""

from .safe_checkpoint import SafeCheckpointHook
from .target_ema import TargetEMAHook

__all__ = ['SafeCheckpointHook', 'TargetEMAHook']
