"""What drives the training: hooks and the optimiser's construction."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .hooks import (
    ExactResumeHook,
    FiniteGuardHook,
    LoaderCheckHook,
    LostSampleHook,
    MonitorHook,
    NonFiniteError,
    Preempted,
    PreemptionHook,
    ReconstructionVisHook,
    ResumeError,
    SafeCheckpointHook,
    StrictLoadHook,
    TargetEMAHook,
    VerifiedCheckpointHook,
    check_loader,
)
from .knn_loop import KNNTestLoop
from .layer_decay import LayerDecayOptimWrapperConstructor
from .loops import EpochBasedTrainLoop, IterBasedTrainLoop
from .optim_constructor import TrainableOptimWrapperConstructor
from .step_batch import batches_per_step

__all__ = [
    'BFloat16OptimWrapper',
    'EpochBasedTrainLoop',
    'ExactResumeHook',
    'FiniteGuardHook',
    'IterBasedTrainLoop',
    'KNNTestLoop',
    'LayerDecayOptimWrapperConstructor',
    'LoaderCheckHook',
    'LostSampleHook',
    'MonitorHook',
    'NonFiniteError',
    'Preempted',
    'PreemptionHook',
    'ReconstructionVisHook',
    'ResumeError',
    'SafeCheckpointHook',
    'StrictLoadHook',
    'TargetEMAHook',
    'TrainableOptimWrapperConstructor',
    'VerifiedCheckpointHook',
    'batches_per_step',
    'check_loader',
]
