"""A slice of frames from the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError

__all__ = ['frame_range']


def frame_range(text: str) -> slice:
    """Read ``START:STOP:STEP``, each of which may be left out, as Python does.

    Raises:
        ArgumentTypeError: The text is no such thing.
    """
    parts = text.split(':')
    try:
        numbers = [int(part) if part else None for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 3 or (len(numbers) == 3 and numbers[2] == 0):
        raise ArgumentTypeError(
            f"'{text}' is no range of frames START:STOP:STEP, such as 0:100:2 or 20:"
        )
    return slice(*numbers)
