"""Wrong configs and missing data end in one line, not in a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['plain_errors']

SWITCH = 'VIDEOMAC_TRACEBACK'
#: Errors whose text is written for people, as is that of our own; of others it helps to
#: know the kind.
WORDED = (OSError, ValueError)
OURS = __name__.partition('.')[0]


@contextmanager
def plain_errors(tool: str, others: bool = True) -> Iterator[None]:
    """End the program with the text of an error.

    For what reads a config and builds from it. Whoever looks for a mistake in code sets
    ``VIDEOMAC_TRACEBACK=1`` and gets the traceback.

    Args:
        tool: Name of the program, which begins the line.
        others: End with a line at errors whose text was not written for people, too;
            they pass where long work is done, for nobody wants to run it again to see
            the traceback.

    Raises:
        SystemExit: In the place of the error.
    """
    try:
        yield
    except Exception as error:
        if os.environ.get(SWITCH, '0') not in ('', '0'):
            raise
        text = str(error.args[0] if isinstance(error, KeyError) else error).strip()
        ours = type(error).__module__.partition('.')[0] == OURS
        if text and (ours or isinstance(error, WORDED)):
            raise SystemExit(f'{tool}: {text}') from error
        if not others:
            raise
        kind = type(error).__name__
        raise SystemExit(
            f'{tool}: {kind}: {text or "no more is known"} ({SWITCH}=1 shows where)'
        ) from error
