"""Weights for a network from a checkpoint, all of them or an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..utils.quiet import quiet_log
from .files import UnusableCheckpointError
from .loaders import load_plain

__all__ = [
    'as_loaded',
    'load_weights',
    'misfits',
    'misfits_as_text',
    'misfits_when_loaded',
    'read_state',
    'refuse_misfits',
]

#: Where the network of a checkpoint may be, if the caller does not say.
PREFIXES = ('', 'encoder.', 'backbone.', 'model.')
#: What wrappers call the network inside.
WRAPPED = ('timm_model', 'model')
#: Parts of classifiers that a network for features does not have.
HEADS = ('fc.', 'head.', 'head_', 'classifier.')
#: Keys that an error message lists of each kind.
SHOWN = 5


def read_state(checkpoint: str) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, without running code from it.

    Args:
        checkpoint: Path or address, as mmengine takes them.

    Returns:
        Its ``state_dict``, or ``model``, or else the whole of it, without the prefix
        ``module.`` that parallel training adds.

    Raises:
        UnusableCheckpointError: If the file is no checkpoint of plain data.
    """
    content = load_plain(checkpoint)
    for name in ('state_dict', 'model'):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping):
        raise UnusableCheckpointError(
            f"'{checkpoint}' holds no state dict, but {type(content)}"
        )
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise UnusableCheckpointError(
            f"'{checkpoint}' holds no weights; its keys: {list(content)}"
        )
    if all(name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items()}
    return state


def load_weights(network: nn.Module, checkpoint: str, prefix: str | None = None) -> None:
    """Load a checkpoint into a network, every key of both.

    Only a classifier's head may be left over in the checkpoint.

    Args:
        network: Any network. Into a wrapper of a network of timm or torchvision a
            checkpoint of theirs fits as well.
        checkpoint: Path or address: of a pre-training run, of a classifier, or a bare
            state dict.
        prefix: What the keys of the network begin with in the checkpoint:
            ``'encoder.'`` for the online and ``'target.encoder.'`` for the target
            network of a pre-training run. None: found out, ``'encoder.'`` included.

    Raises:
        UnusableCheckpointError: If keys or shapes do not fit; the message lists them.
    """
    state = read_state(checkpoint)
    inner = (getattr(network, name, None) for name in WRAPPED)
    goals = [network, *(each for each in inner if isinstance(each, nn.Module))]
    fits = []
    for start in PREFIXES if prefix is None else (prefix,):
        part = {
            name.removeprefix(start): value
            for name, value in state.items()
            if name.startswith(start)
        }
        fits += [(misfits(goal, part, HEADS), start, goal, part) for goal in goals]
    found, start, goal, part = min(
        fits, key=lambda fit: (not fit[3], sum(map(len, fit[0].values())))
    )
    if any(found.values()):
        found = misfits_when_loaded(goal, part, HEADS)
    if any(found.values()):
        raise UnusableCheckpointError(
            f"the checkpoint '{checkpoint}' does not fit {type(network).__name__} "
            f'(keys beginning with {start!r} compared):\n{misfits_as_text(found)}\n'
            'Give the config that it was trained with, or the prefix of the network in '
            f'it; its keys begin with {_beginnings(state)}'
        )
    names = goal.state_dict()
    goal.load_state_dict({name: part[name] for name in part if name in names})


def as_loaded(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Apply what a network does to a state dict before it loads it.

    Modules may have hooks for this that add, rename or resize tensors.

    Args:
        network: Any network.
        state: Weights for it; neither the dictionary nor its tensors are changed.

    Returns:
        What would be loaded.
    """
    state = dict(state)
    with quiet_log():  # they say it again when they load it
        for name, module in network.named_modules(remove_duplicate=False):
            prefix = f'{name}.' if name else ''
            for hook in module._load_state_dict_pre_hooks.values():
                hook(state, prefix, {}, True, [], [], [])
    return state


def misfits(
    network: nn.Module, state: Mapping[str, Tensor], ignore: Sequence[str] = ()
) -> dict[str, list[str]]:
    """List the keys of a network and a state dict that do not fit.

    The counters of batches of BatchNorms may be missing, as in files of before PyTorch
    0.4.1 (torchvision's ResNets are such): PyTorch starts them anew.

    Args:
        network: Any network.
        state: Its weights, or what should be.
        ignore: Beginnings of keys that the state may have and the network not.

    Returns:
        Lists by what is wrong: ``'missing'``, ``'unexpected'`` and ``'of another
        shape'``; all are empty if the weights fit.
    """
    own: Mapping[str, Any] = network.state_dict()
    return {
        'missing': [n for n in own if n not in state and not _is_old_norm(n, state)],
        'unexpected': [
            name
            for name in state
            if name not in own and not name.startswith(tuple(ignore))
        ],
        'of another shape': [
            f'{name} {tuple(state[name].shape)}, not {tuple(value.shape)}'
            for name, value in own.items()
            if name in state and state[name].shape != value.shape
        ],
    }


def _is_old_norm(name: str, state: Mapping[str, Tensor]) -> bool:
    """Whether a key is the counter of a BatchNorm whose statistics are there."""
    norm = name.removesuffix('num_batches_tracked')
    return norm != name and f'{norm}running_mean' in state


def misfits_when_loaded(
    network: nn.Module, state: Mapping[str, Tensor], ignore: Sequence[str] = ()
) -> dict[str, list[str]]:
    """List what does not fit when a network has done its part to make it fit.

    A ViT, say, resizes the positions of images of another size.

    Args:
        network: Any network.
        state: Its weights, or what should be.
        ignore: Beginnings of keys that the state may have and the network not.

    Returns:
        As :func:`misfits`.
    """
    found = misfits(network, state, ignore)
    if not any(found.values()):
        return found
    try:
        return misfits(network, as_loaded(network, state), ignore)
    except Exception:  # of anybody's hooks, which could not make these fit
        return found


def misfits_as_text(found: Mapping[str, Sequence[str]]) -> str:
    """Write what :func:`misfits` found, a line a kind: how many, and the first."""
    return '\n'.join(
        f'  {len(keys)} {kind}: {", ".join(keys[:SHOWN])}'
        + (', ...' if len(keys) > SHOWN else '')
        for kind, keys in found.items()
        if keys
    )


def refuse_misfits(
    network: nn.Module, found: Mapping[str, Sequence[str]], checkpoint: object
) -> None:
    """Make what :func:`misfits` found an error.

    Args:
        network: The network that was compared, for the message.
        found: Lists of keys by what is wrong.
        checkpoint: Path or address of the weights, for the message.

    Raises:
        UnusableCheckpointError: If a list is not empty; the message has all of them.
    """
    if any(found.values()):
        raise UnusableCheckpointError(
            f"the checkpoint '{checkpoint}' does not fit {type(network).__name__}:\n"
            f'{misfits_as_text(found)}'
        )


def _beginnings(state: Mapping[str, Tensor]) -> list[str]:
    return sorted({name.split('.')[0] + '.' for name in state if '.' in name})
