"""Hooks of the training loop."""

from .class_check import ClassCheckHook, ClassesError
from .exact_resume import ExactResumeHook, ResumeError
from .finite_guard import FiniteGuardHook, NonFiniteError
from .loader_check import LoaderCheckHook, check_loader
from .log_guard import LogGuardHook
from .lost_sample import LostSampleHook
from .monitor import MonitorHook
from .preemption import Preempted, PreemptionHook
from .reconstruction_vis import ReconstructionVisHook
from .safe_checkpoint import SafeCheckpointHook
from .schedule_check import ScheduleCheckHook
from .strict_load import StrictLoadHook
from .target_ema import TargetEMAHook
from .verified_checkpoint import VerifiedCheckpointHook

__all__ = [
    'ClassCheckHook',
    'ClassesError',
    'ExactResumeHook',
    'FiniteGuardHook',
    'LoaderCheckHook',
    'LogGuardHook',
    'LostSampleHook',
    'MonitorHook',
    'NonFiniteError',
    'Preempted',
    'PreemptionHook',
    'ReconstructionVisHook',
    'ResumeError',
    'SafeCheckpointHook',
    'ScheduleCheckHook',
    'StrictLoadHook',
    'TargetEMAHook',
    'VerifiedCheckpointHook',
    'check_loader',
]
