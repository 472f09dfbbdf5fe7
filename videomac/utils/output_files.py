"""Files that are about to be written, checked before the work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ['check_writable', 'refuse_inputs']

AnyPath = str | os.PathLike[str]


def refuse_inputs(
    outputs: Iterable[AnyPath], inputs: Iterable[AnyPath], advice: str
) -> None:
    """Refuse to write over what is read, under whatever name.

    Args:
        outputs: Files that will be written; most of them are not there yet.
        inputs: Files that are read.
        advice: What to do instead, for the message.

    Raises:
        ValueError: One of the outputs is one of the inputs.
    """
    # Names may differ by links, dots, or letters that the file system takes for equal.
    read = {_identity(path) for path in inputs} - {None}
    for path in outputs:
        if _identity(path) in read:
            raise ValueError(f"'{path}' is the input; {advice}")


def _identity(path: AnyPath) -> tuple[int, int] | None:
    """What tells a file from all others; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_writable(folder: AnyPath) -> None:
    """Make a folder, unless it is there, and check that files can be written to it.

    Raises:
        OSError: They cannot.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"nothing can be written to '{folder}': {reason}") from error
