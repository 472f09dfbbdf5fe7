"""Tables in Markdown, read back by the rules of Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomac.utils import markdown_table

WORDS = st.text('ab1-. |', max_size=5).map(str.strip)


def read(text: str) -> list[list[str]]:
    """Cells of a table, its rule left out; a bar behind a backslash parts no cells."""
    lines = [re.split(r'(?<!\\)\|', line) for line in text.split('\n')]
    assert all(line[0] == line[-1] == '' for line in lines)
    assert all(re.fullmatch(' -{2,}[-:] ', cell) for cell in lines.pop(1)[1:-1])
    return [[c.strip().replace(r'\|', '|') for c in line[1:-1]] for line in lines]


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(WORDS, min_size=n, max_size=n), min_size=2, max_size=4
        )
    ),
    st.sampled_from([None, '<', '>']),
)
def test_cells_come_back(lines: list[list[str]], align: str | None) -> None:
    """Any cells, a bar among their letters included, in any layout."""
    head, *rows = lines
    assert read(markdown_table(head, rows, align)) == lines


def test_sides() -> None:
    """Columns are as wide as their widest cell; a rule says to which side they go."""
    found = markdown_table(('name', 'J'), [('a', '12.5'), ('longer', '3')], '<>')
    assert found.split('\n') == [
        '| name   |    J |',
        '| ------ | ---: |',
        '| a      | 12.5 |',
        '| longer |    3 |',
    ]
    assert markdown_table(('a', 'b'), []) == '| a | b |\n| --- | --- |'


def test_bad_input() -> None:
    """A row of other length, a side that does not exist."""
    with pytest.raises(ValueError, match=r"2 columns, and a row \['1'\]"):
        markdown_table(('a', 'b'), [('1',)])
    for align in ('^', '<>>', ''):
        with pytest.raises(ValueError, match=re.escape(f"2 of them, got '{align}'")):
            markdown_table(('a', 'b'), [], align)
