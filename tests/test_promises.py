"""Every promise of docs/en/promises.md names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'en' / 'promises.md'


def rows() -> list[str]:
    """The rows of the tables, without their heads."""
    lines = PAGE.read_text(encoding='utf-8').splitlines()
    cells = [line for line in lines if line.startswith('|')]
    return [row for row in cells if row != '|---|---|' and not row.endswith('| test |')]


def named_in(row: str) -> list[str]:
    """The tests that a row names in its last cell."""
    return re.findall(r'`(tests/[^`]+)`', row.strip('|').split('|')[-1])


@pytest.mark.parametrize('row', rows(), ids=lambda row: row[2:60])
def test_promise_is_tested(row: str) -> None:
    """The row names tests, and each is a function of its file (or of a class in it)."""
    names = named_in(row)
    assert names, f'no test is named: {row}'
    for name in names:
        path, *inner = name.split('::')
        file = ROOT / path
        assert file.is_file(), f'{path} does not exist'
        assert inner, f'{name} names a file, but no test in it'
        scope: list[ast.stmt] = ast.parse(file.read_text(encoding='utf-8')).body
        for part in inner:
            found = [
                node
                for node in scope
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part
            ]
            assert found, f'{path} has no {part}'
            scope = found[0].body
        assert inner[-1].startswith('test_'), f'{name} is no test'


def test_there_are_promises() -> None:
    """The table is found at all."""
    assert len(rows()) >= 20
