"""mmengine's loading of checkpoints, from whatever address, without running their code.

mmengine leaves it to torch what a pickle may do. That is safe for files on the disk,
unless the environment tells torch to trust them; but what is downloaded torch trusts by
default. All of ``load_from``, ``--resume`` and ``Pretrained`` go through the loaders of
this module, which refuse code. Importing it puts them in place of mmengine's.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader

from .files import UnusableCheckpointError, read_checkpoint, refusal

__all__ = ['load_plain', 'refusing_code']

#: What torch looks up in the environment whenever it loads something.
_REFUSE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_TRUST = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


def load_plain(address: str) -> Any:
    """Load a checkpoint of tensors and plain data.

    Args:
        address: Path, or an address that mmengine knows (``https://``, ``torchvision://``).

    Returns:
        Its content, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableCheckpointError: If it holds code or is damaged.
    """
    return CheckpointLoader.load_checkpoint(address, map_location='cpu')


@contextmanager
def refusing_code() -> Iterator[None]:
    """While inside, ``torch.load`` refuses code whatever arguments it is called with."""
    before = {name: os.environ.pop(name, None) for name in (_REFUSE, _TRUST)}
    os.environ[_REFUSE] = '1'
    try:
        yield
    finally:
        del os.environ[_REFUSE]
        os.environ.update({k: value for k, value in before.items() if value is not None})


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a file, of safetensors too; tensors stay on the CPU until they are used."""
    return read_checkpoint(Path(filename).expanduser())


def _guarded(loader: Callable[..., Any]) -> Callable[..., Any]:
    """Make a loader of mmengine refuse code, in our words."""

    @functools.wraps(loader)
    def load(filename: str, *args: Any, **kwargs: Any) -> Any:
        try:
            with refusing_code():
                return loader(filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            raise UnusableCheckpointError(refusal(filename, error)) from error

    return load


def _guard_mmengine() -> None:
    """Replace every loader, once."""
    schemes = dict(CheckpointLoader._schemes)
    for prefix, loader in schemes.items():
        new = _guarded(loader) if prefix else load_from_local
        CheckpointLoader.register_scheme(prefix, new, force=True)


_guard_mmengine()
