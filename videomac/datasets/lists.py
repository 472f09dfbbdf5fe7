"""Text files that list videos, and names that may not lead out of a folder."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['check_name', 'leaves', 'read_lines']

_LONGEST = 255  # bytes of a name on the usual file systems


def read_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Read the lines of a list that are not blank.

    Windows line ends and a byte-order mark do no harm.

    Args:
        path: The list, UTF-8.

    Returns:
        Numbers of the lines, from 1, and their text without the spaces around it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8 text.
    """
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the list '{path}' is not UTF-8 text ({error.reason} at byte "
            f'{error.start}); expected one video per line. Save it as UTF-8'
        ) from error
    lines = enumerate(text.split('\n'), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def leaves(path: str) -> bool:
    """Whether a path leads out of the folder that it is relative to."""
    first = os.path.normpath(path).split(os.sep)[0]
    return os.path.isabs(path) or first == os.pardir


def check_name(name: str, source: str) -> None:
    """Check that the name of a video is one of folders below another.

    Frames are read below the name, and predictions are written there.

    Args:
        name: The name, ``<video>`` or ``<class>/<video>``.
        source: Where the name is from, for the message.

    Raises:
        ValueError: It is empty or absolute, has ``.`` or ``..``, a backslash, what
            cannot be printed, or is too long for a folder.
    """
    parts = name.split('/')
    plain = name.isprintable() and '\\' not in name and not {'', '.', '..'} & set(parts)
    if not plain or max(len(os.fsencode(part)) for part in parts) > _LONGEST:
        raise ValueError(
            f'{source} names the video {name[:80]!r}; expected the name of a folder, '
            'without "..", ".", a leading slash or a backslash, of at most '
            f'{_LONGEST} bytes. Correct the list'
        )
