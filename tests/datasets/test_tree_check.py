"""Holes in numberings."""

import pytest

from videomac.datasets.tree_check import missing_numbers


@pytest.mark.parametrize(
    ('names', 'missing'),
    [
        (['0000', '0001', '0003'], ['0002']),
        (['1', '26', '76', '101', '151'], ['51', '126']),
        (['00', '05', '10'], []),
        (['b', 'a', '7'], []),
        (['3'], []),
    ],
)
def test_holes_in_numberings(names: list[str], missing: list[str]) -> None:
    assert missing_numbers(names) == missing
