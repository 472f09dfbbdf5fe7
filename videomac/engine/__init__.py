"""What drives the training: hooks and the optimiser's construction."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .hooks import (
    ClassCheckHook,
    ClassesError,
    ExactResumeHook,
    FiniteGuardHook,
    LoaderCheckHook,
    LogGuardHook,
    LostSampleHook,
    MonitorHook,
    NonFiniteError,
    Preempted,
    PreemptionHook,
    ReconstructionVisHook,
    ResumeError,
    SafeCheckpointHook,
    ScheduleCheckHook,
    StrictLoadHook,
    TargetEMAHook,
    VerifiedCheckpointHook,
    check_loader,
)
from .knn_loop import KNNTestLoop
from .layer_decay import LayerDecayOptimWrapperConstructor
from .loops import EpochBasedTrainLoop, IterBasedTrainLoop
from .optim_constructor import TrainableOptimWrapperConstructor
from .step_batch import learning_rate_ratio

__all__ = [
    'BFloat16OptimWrapper',
    'ClassCheckHook',
    'ClassesError',
    'EpochBasedTrainLoop',
    'ExactResumeHook',
    'FiniteGuardHook',
    'IterBasedTrainLoop',
    'KNNTestLoop',
    'LayerDecayOptimWrapperConstructor',
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
    'TrainableOptimWrapperConstructor',
    'VerifiedCheckpointHook',
    'check_loader',
    'learning_rate_ratio',
]
