"""What drives the training: hooks and the optimiser's construction."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .hooks import LoaderCheckHook, SafeCheckpointHook, TargetEMAHook
from .optim_constructor import TrainableOptimWrapperConstructor

__all__ = [
    'BFloat16OptimWrapper',
    'LoaderCheckHook',
    'SafeCheckpointHook',
    'TargetEMAHook',
    'TrainableOptimWrapperConstructor',
]
