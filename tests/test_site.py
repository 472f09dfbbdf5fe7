"""The documentation builds without a warning, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

for package in ('sphinx', 'furo', 'myst_parser'):
    pytest.importorskip(package)

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r'(?:href|src)="([^"#?]+)')


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Do what `make docs` does."""
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q']
    return subprocess.run(
        [*command, '-c', str(source / 'docs'), str(source), str(target)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site of this checkout."""
    target = tmp_path_factory.mktemp('site')
    done = build(ROOT, target)
    assert done.returncode == 0, done.stderr
    return target


def test_every_page_is_there(site: Path) -> None:
    """Those of docs, the READMEs, and what project pages lie at the top."""
    pages = [*ROOT.glob('docs/*/*.md'), *ROOT.glob('*.md')]
    pages += ROOT.glob('configs/**/README.md')
    assert len(pages) > 30
    names = [page.relative_to(ROOT).with_suffix('.html') for page in pages]
    assert not [name for name in names if not (site / name).is_file()]


def test_links_lead_to_files(site: Path) -> None:
    """From every page to pages, pictures and downloads, from the entrance too."""
    broken = []
    for page in site.rglob('*.html'):
        text = page.read_text(encoding='utf-8')
        for target in LINK.findall(text):
            if re.match(r'[a-z]+:', target):
                continue
            if not (page.parent / unquote(target)).exists():
                broken.append(f'{page.relative_to(site)}: {target}')
    assert not broken
    assert 'docs/en/index.html' in (site / 'index.html').read_text()


def test_files_of_the_repository_are_copied(site: Path) -> None:
    """A link to a source file is a download of that file."""
    text = (site / 'docs/en/promises.html').read_text(encoding='utf-8')
    (target,) = re.findall(r'href="([^"]+test_promises\.py)"', text)
    copied = (site / 'docs/en' / target).read_text(encoding='utf-8')
    assert copied == (ROOT / 'tests/test_promises.py').read_text(encoding='utf-8')


def test_reference_says_shapes(site: Path) -> None:
    """The docstrings are in the reference, with their shapes."""
    text = (site / 'docs/reference/models.html').read_text(encoding='utf-8')
    words = re.sub(r'<[^>]+>', '', text)
    assert 'class videomac.models.VideoMAC(' in words
    assert 'Normalised frames, shape [B, T, 3, H, W]' in words


def test_reference_has_every_package() -> None:
    """What can be imported is told of."""
    pages = ''.join(
        page.read_text() for page in (ROOT / 'docs' / 'reference').glob('*.md')
    )
    packages = [init.parent.name for init in (ROOT / 'videomac').glob('*/__init__.py')]
    assert packages
    missing = [p for p in packages if f'automodule:: videomac.{p}\n' not in pages]
    assert not missing


@pytest.mark.parametrize(
    ('page', 'index', 'message'),
    [
        ('[x](nowhere.md)', '## A\n\n- [page](page.md)\n', 'nowhere'),
        ('text', '## A\n', "isn't included in any toctree"),
    ],
    ids=['broken link', 'page that no list names'],
)
def test_a_fault_fails_the_build(
    page: str, index: str, message: str, tmp_path: Path
) -> None:
    """What would leave a reader without a page is an error."""
    folder = tmp_path / 'docs' / 'en'
    folder.mkdir(parents=True)
    shutil.copy2(ROOT / 'docs' / 'conf.py', tmp_path / 'docs' / 'conf.py')
    (folder / 'index.md').write_text(f'# Index\n\n{index}')
    (folder / 'page.md').write_text(f'# Page\n\n{page}\n')
    done = build(tmp_path, tmp_path / 'site')
    assert done.returncode != 0
    assert message in done.stderr
