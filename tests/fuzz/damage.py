"""Damage to files, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st

__all__ = ['FEW', 'MANY', 'attempt', 'damaged']

Result = TypeVar('Result')

FEW = settings(max_examples=40)
MANY = settings(max_examples=2000)


def attempt(
    make: Callable[[], Result], errors: type[BaseException] | tuple[type[Exception], ...]
) -> tuple[Result | None, str]:
    """Call a function.

    Returns:
        Its result, and nothing; or None, and the message of one of the errors.
    """
    try:
        return make(), ''
    except errors as error:
        return None, str(error)


@st.composite
def damaged(draw: st.DrawFn, *originals: bytes) -> bytes:
    """One of the files with bytes changed, cut out, put in, or its end missing."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(['change', 'remove', 'insert', 'cut', 'flip']))
        if kind == 'change':
            content[place : place + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == 'remove':
            del content[place : place + draw(st.integers(1, 16))]
        elif kind == 'insert':
            content[place:place] = draw(st.binary(min_size=1, max_size=16))
        elif kind == 'cut':
            del content[place:]
        elif content:
            content[min(place, len(content) - 1)] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)
