"""The pictures of the gallery are small, shown, and made by a command on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'en' / 'gallery.md'
PICTURES = sorted((PAGE.parent / '_static' / 'gallery').iterdir())
MOST_BYTES = 300_000


def test_there_are_pictures() -> None:
    assert len(PICTURES) >= 5


@pytest.mark.parametrize('path', PICTURES, ids=lambda path: path.name)
def test_picture(path: Path) -> None:
    text = PAGE.read_text(encoding='utf-8')
    shown = re.search(rf'!\[(.+?)\]\(_static/gallery/{re.escape(path.name)}\)', text)
    assert shown is not None, 'it is not on the page, or has no description'
    stem = path.stem.removesuffix('_strip')
    assert re.search(rf'--out gallery/{stem}\b', text[: shown.start()])
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as image:
        assert image.width <= 1500


def test_every_tool_is_on_the_page() -> None:
    text = PAGE.read_text(encoding='utf-8')
    tools = PAGE.parents[2] / 'tools' / 'visualization'
    names = {p.name for p in tools.glob('*.py')} - {'sparse_engine_figures.py'}
    assert names
    assert not {name for name in names if f'tools/visualization/{name}' not in text}
