"""Hooks of the training loop."""

from .exact_resume import ExactResumeHook, ResumeError
from .loader_check import LoaderCheckHook
from .lost_sample import LostSampleHook
from .monitor import MonitorHook
from .preemption import Preempted, PreemptionHook
from .safe_checkpoint import SafeCheckpointHook
from .strict_load import StrictLoadHook
from .target_ema import TargetEMAHook
from .verified_checkpoint import VerifiedCheckpointHook

__all__ = [
    'ExactResumeHook',
    'LoaderCheckHook',
    'LostSampleHook',
    'MonitorHook',
    'Preempted',
    'PreemptionHook',
    'ResumeError',
    'SafeCheckpointHook',
    'StrictLoadHook',
    'TargetEMAHook',
    'VerifiedCheckpointHook',
]
