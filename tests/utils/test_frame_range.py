"""Ranges of frames as they are written on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from videomac.utils.frame_range import frame_range


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('1:9:2', slice(1, 9, 2)),
        (':-3', slice(None, -3)),
        ('20:', slice(20, None)),
        (':', slice(None)),
        ('8:2:-2', slice(8, 2, -2)),
    ],
)
def test_range(text: str, expected: slice) -> None:
    assert frame_range(text) == expected


@pytest.mark.parametrize('text', ['3', '::0', 'a:b', '1:2:3:4', ''])
def test_no_range(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"'{text}' is no range of frames"):
        frame_range(text)
