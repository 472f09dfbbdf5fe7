"""Checks of arguments from configs and command lines; errors name the argument."""

from __future__ import annotations

import math

__all__ = ['check_flags', 'check_integer', 'check_positive']


def check_flags(**flags: object) -> None:
    """Check that arguments are truth values: any text counts as true, ``'no'`` too.

    Raises:
        ValueError: One is not True or False.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f'{name} must be True or False, got {value!r}')


def check_integer(least: int, **numbers: object) -> None:
    """Check that arguments are whole numbers from ``least`` on.

    Raises:
        ValueError: One is not.
    """
    for name, value in numbers.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and value >= least):  # type: ignore[operator]
            raise ValueError(
                f'{name} must be at least {least} and a whole number, got {value!r}'
            )


def check_positive(**numbers: object) -> None:
    """Check that arguments are numbers above 0 and finite.

    Raises:
        ValueError: One is not.
    """
    for name, value in numbers.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 < value < math.inf):  # type: ignore[operator]
            raise ValueError(f'{name} must be positive and finite, got {value!r}')
