"""Checkpoints that load without running code from the file.

``torch.load`` refuses pickled Python objects since torch 2.6, and mmengine writes
some (the log history), so that it cannot resume from what it saved. Loading them
anyway would run whatever code a downloaded file holds. We save plain data instead.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from videomac.registry import HOOKS

__all__ = ['SafeCheckpointHook', 'from_plain', 'to_plain']

# A dictionary with this key stands for an object of the kind that it names.
_KIND = '__videomac_kind__'
_PLAIN: tuple[Any, ...] = (bool, int, float, complex, str, bytes, type(None))
_TORCH = (torch.Tensor, torch.dtype, torch.device, torch.Size)


def to_plain(value: Any, where: str = 'value') -> Any:
    """Rewrite nested data into what ``torch.load(weights_only=True)`` accepts.

    Log histories and numeric arrays become tagged dictionaries, which
    :func:`from_plain` turns back; NumPy's scalars become Python's. Containers are
    copied, tensors are not.

    Args:
        value: Nested dictionaries, lists, tuples and sets of data.
        where: Name of ``value`` for error messages.

    Raises:
        TypeError: If something inside cannot be written as plain data.
    """
    if isinstance(value, HistoryBuffer):
        logs, counts = value.data
        content = {'log': logs, 'count': counts, 'max_length': value.max_length}
        return {_KIND: 'HistoryBuffer', **to_plain(content, where)}
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biufc':
        return {_KIND: 'ndarray', 'data': torch.from_numpy(np.ascontiguousarray(value))}
    if isinstance(value, np.generic) and value.dtype.kind in 'biufcUS':
        return value.item()
    if isinstance(value, dict):
        return _plain_dict(value, where)
    if isinstance(value, (list, tuple, set)) and not isinstance(value, torch.Size):
        items = [to_plain(item, f'{where}[{i}]') for i, item in enumerate(value)]
        return next(kind(items) for kind in (list, tuple, set) if isinstance(value, kind))
    if type(value) in _PLAIN or isinstance(value, _TORCH):
        return value
    for plain in _PLAIN[:-1]:
        if isinstance(value, plain):  # an enumeration's member, a string of a subclass
            return plain(value)
    raise TypeError(
        f'{where} is a {type(value).__module__}.{type(value).__qualname__}, which a '
        'checkpoint cannot hold safely: only tensors, arrays of numbers, numbers, '
        'strings and containers of these can be saved. Convert it where it is made, '
        'or leave it out in a hook of your own (before_save_checkpoint)'
    )


def _plain_dict(value: dict[Any, Any], where: str) -> dict[Any, Any]:
    """Rewrite keys and values; keep the order and a state dict's version numbers."""
    items = {
        to_plain(key, f'a key of {where}'): to_plain(item, f'{where}[{key!r}]')
        for key, item in value.items()
    }
    if not isinstance(value, OrderedDict):
        return items
    ordered = OrderedDict(items)
    # Modules keep the version of their layout in this attribute of their state dict.
    if hasattr(value, '_metadata'):
        ordered._metadata = value._metadata  # type: ignore[attr-defined]
    return ordered


def from_plain(value: Any) -> Any:
    """Undo :func:`to_plain`; data without its tags come back equal."""
    if isinstance(value, dict) and _KIND in value:
        return _from_tagged(value)
    if isinstance(value, OrderedDict):
        for key in value:
            value[key] = from_plain(value[key])
        return value
    if isinstance(value, dict):
        return {key: from_plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(from_plain(item) for item in value)
    return value


def _from_tagged(tagged: dict[str, Any]) -> Any:
    """Make the object that a tagged dictionary stands for."""
    if tagged[_KIND] == 'ndarray':
        # The checkpoint may have been loaded straight onto a GPU.
        return tagged['data'].cpu().numpy()
    if tagged[_KIND] == 'HistoryBuffer':
        logs, counts = from_plain(tagged['log']), from_plain(tagged['count'])
        return HistoryBuffer(logs, counts, tagged['max_length'])
    raise ValueError(
        f"the checkpoint holds a '{tagged[_KIND]}', which this version of videomac does "
        'not know: it was written by a newer one, so update videomac'
    )


@HOOKS.register_module()
class SafeCheckpointHook(Hook):
    """Write checkpoints that resume under ``torch.load(weights_only=True)``.

    Belongs into ``default_hooks``. The lowest priority lets it see what the other
    hooks put into a checkpoint.
    """

    priority = 'LOWEST'

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Replace everything that is not plain data.

        Raises:
            TypeError: If something has no plain form.
        """
        for key, value in checkpoint.items():
            checkpoint[key] = to_plain(value, f"checkpoint['{key}']")

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Put back the log history and the arrays."""
        for key, value in checkpoint.items():
            checkpoint[key] = from_plain(value)
