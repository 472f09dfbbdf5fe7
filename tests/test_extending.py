"""The worked examples of docs/en/new_*.md do what their pages say."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from videomac.registry import DATASETS, METRICS, MODELS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / 'docs' / 'en').glob('new_*.md'))
BLOCK = re.compile(r'^```python\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'# ([\w/]+\.py)\n')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to start from; what is registered in it is forgotten afterwards."""
    registries = (DATASETS, METRICS, MODELS)
    known = [dict(registry.module_dict) for registry in registries]
    modules = set(sys.modules)
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for registry, before in zip(registries, known, strict=True):
        for name in set(registry.module_dict) - set(before):
            if registry.module_dict[name].__module__.startswith('my_'):
                del registry.module_dict[name]
    for name in set(sys.modules) - modules:
        if name.startswith('my_'):
            del sys.modules[name]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_example(page: Path, folder: Path) -> None:
    """Blocks that name a file are that file; the others run after them, in order."""
    blocks = BLOCK.findall(page.read_text(encoding='utf-8'))
    files = [block for block in blocks if FILE.match(block)]
    scripts = [block for block in blocks if not FILE.match(block)]
    assert len(files) == 2
    assert scripts
    assert any('assert' in script for script in scripts)
    for block in files:
        match = FILE.match(block)
        assert match is not None
        assert not (folder / match[1]).exists()
        (folder / match[1]).write_text(block)
    for script in scripts:
        exec(compile(script, page.name, 'exec'), {'__name__': '__main__'})


def test_each_kind_has_a_page() -> None:
    """What the toolbox is meant to be extended by."""
    names = {page.stem for page in PAGES}
    kinds = ('encoder', 'mask', 'loss', 'dataset', 'metric')
    assert names == {f'new_{kind}' for kind in kinds}
