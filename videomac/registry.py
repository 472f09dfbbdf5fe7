"""Registry nodes of videomac.

Every node is a child of mmpretrain's node of the same kind and imports the
parent's modules with its own, so that in a config any name of videomac,
mmpretrain or mmengine resolves without a prefix, nested configs included.
"""

from mmengine.registry import Registry

try:
    from mmpretrain import registry as parent
except ModuleNotFoundError as error:
    if error.name != 'mmcv':
        raise
    # Not a requirement of the package: see requirements/lite.txt.
    raise ModuleNotFoundError(
        'videomac needs mmcv, compiled or lite, and finds neither. '
        'Install the small one with: pip install "mmcv-lite>=2.1,<2.3"',
        name='mmcv',
    ) from error

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'EVALUATORS',
    'HOOKS',
    'LOG_PROCESSORS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'MODEL_WRAPPERS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'PARAM_SCHEDULERS',
    'RUNNERS',
    'RUNNER_CONSTRUCTORS',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISBACKENDS',
    'VISUALIZERS',
    'WEIGHT_INITIALIZERS',
]


def _child(node: Registry, *own: str) -> Registry:
    """Make videomac's node below ``node`` (which names mmpretrain's locations)."""
    return Registry(
        node.name, parent=node, scope='videomac', locations=[*node._locations, *own]
    )


# The Runner warns once for each kind of node that a scope does not define.
RUNNERS = _child(parent.RUNNERS)
RUNNER_CONSTRUCTORS = _child(parent.RUNNER_CONSTRUCTORS)
LOOPS = _child(parent.LOOPS, 'videomac.engine')
HOOKS = _child(parent.HOOKS, 'videomac.engine')
LOG_PROCESSORS = _child(parent.LOG_PROCESSORS)
OPTIMIZERS = _child(parent.OPTIMIZERS)
OPTIM_WRAPPERS = _child(parent.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(parent.OPTIM_WRAPPER_CONSTRUCTORS, 'videomac.engine')
PARAM_SCHEDULERS = _child(parent.PARAM_SCHEDULERS)
DATASETS = _child(parent.DATASETS, 'videomac.datasets')
DATA_SAMPLERS = _child(parent.DATA_SAMPLERS)
TRANSFORMS = _child(parent.TRANSFORMS, 'videomac.datasets')
MODELS = _child(parent.MODELS, 'videomac.models')
MODEL_WRAPPERS = _child(parent.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = _child(parent.WEIGHT_INITIALIZERS, 'videomac.models')
TASK_UTILS = _child(parent.TASK_UTILS)
METRICS = _child(parent.METRICS, 'videomac.evaluation')
EVALUATORS = _child(parent.EVALUATORS)
VISUALIZERS = _child(parent.VISUALIZERS)
VISBACKENDS = _child(parent.VISBACKENDS)
