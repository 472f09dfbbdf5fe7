"""What drives the training: hooks and the optimiser's construction."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .hooks import (
    LoaderCheckHook,
    SafeCheckpointHook,
    StrictLoadHook,
    TargetEMAHook,
    VerifiedCheckpointHook,
)
from .knn_loop import KNNTestLoop
from .layer_decay import LayerDecayOptimWrapperConstructor
from .optim_constructor import TrainableOptimWrapperConstructor

__all__ = [
    'BFloat16OptimWrapper',
    'KNNTestLoop',
    'LayerDecayOptimWrapperConstructor',
    'LoaderCheckHook',
    'SafeCheckpointHook',
    'StrictLoadHook',
    'TargetEMAHook',
    'TrainableOptimWrapperConstructor',
    'VerifiedCheckpointHook',
]
