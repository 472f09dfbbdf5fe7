"""The networks that the page offers, and those it has loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from torch import nn

from ..apis import Reconstructor, get_model, load_encoder
from ..models import VideoMAC
from ..utils.randomness import seeded

__all__ = ['RANDOM', 'find_models', 'hint', 'load_network', 'load_reconstructor']

#: Label of the choice that needs no file.
RANDOM = 'Random weights (small encoder, not trained)'
DEMO = 'videomac/demo'
FIRST = 'demo'  # the run among the work dirs that is offered first
KEPT = 4  # networks in memory


def find_models(
    work_dirs: str | os.PathLike[str], given: Sequence[str] = ()
) -> dict[str, str]:
    """List what to choose from.

    Args:
        work_dirs: Folder of the folders of runs.
        given: Checkpoints, or names of models of timm or mmpretrain, to offer first.

    Returns:
        What :func:`load_network` takes by what people read: those given, the newest
        checkpoint of the demo, the newest of each other run, and random weights.

    Raises:
        FileNotFoundError: If a given one looks like a file and is none.
    """
    for name in given:
        if (Path(name).suffix in ('.pth', '.safetensors')) and not Path(name).is_file():
            raise FileNotFoundError(f"there is no checkpoint '{name}'")
    runs: dict[Path, tuple[float, Path]] = {}
    for path in Path(work_dirs).glob('**/*.pth'):
        # A link may lead nowhere, and a training deletes its older checkpoints.
        with suppress(OSError):
            if path.is_file():
                file = path.stat().st_mtime, path
                runs[path.parent] = max(runs.get(path.parent, file), file)
    found = sorted(
        (path for _, path in runs.values()),
        key=lambda path: (path.parent.name != FIRST, path),
    )
    named = {
        (Path(Path(work_dirs).name) / path.relative_to(work_dirs)).as_posix(): str(path)
        for path in found
    }
    return {**{name: name for name in given}, **named, RANDOM: RANDOM}


def hint(models: dict[str, str]) -> str:
    """Say what to do where there are only random weights; empty where there are more."""
    if list(models) != [RANDOM]:
        return ''
    return (
        'There is no checkpoint yet, so that the weights are random and results mean '
        'little. `make demo` trains a small encoder in minutes; then start the page '
        'again. Or name checkpoints: `python tools/web_demo.py --models epoch_100.pth`.'
    )


def load_network(source: str) -> nn.Module:
    """Load what makes features; the same one again at the next call.

    Args:
        source: A value of :func:`find_models`.

    Raises:
        FileNotFoundError: If the file is gone.
        ValueError: If it cannot be loaded.
    """
    return _network(source, _stamp(source))


def load_reconstructor(source: str) -> Reconstructor:
    """Load what reconstructs; the same one again at the next call.

    Raises:
        FileNotFoundError: If the file is gone.
        ValueError: If it cannot be loaded, or is of no VideoMAC.
    """
    return _reconstructor(source, _stamp(source))


def _stamp(source: str) -> float:
    """When a file was written: a run that goes on brings new weights."""
    path = Path(source)
    return path.stat().st_mtime if path.is_file() else 0.0


@lru_cache(KEPT)
def _network(source: str, stamp: float) -> nn.Module:
    return _untrained() if source == RANDOM else load_encoder(source)


@lru_cache(KEPT)
def _reconstructor(source: str, stamp: float) -> Reconstructor:
    if source == RANDOM:
        return Reconstructor(_untrained(), config=DEMO)
    if not Path(source).is_file():
        raise ValueError(
            f"'{source}' is an encoder without a decoder, which reconstructs nothing; "
            'choose the checkpoint of a pre-training run'
        )
    return Reconstructor(source)


def _untrained() -> VideoMAC:
    """The model of the demo, with the same random weights every time."""
    with seeded(0):
        model = get_model(DEMO)
    assert isinstance(model, VideoMAC)
    return model
