"""The documentation site: ``make docs``.

The source folder is the repository itself, so a link from a page to any file of it leads
somewhere in a browser of the repository and in the site alike: pages become pages of the
site, other files downloads.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from videomac.version import __version__  # noqa: E402

project = 'videomac'
release = __version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
root_doc = 'docs/en/index'

kept = ('docs', 'configs')
include_patterns = ['docs/*/*.md', 'configs/**/README.md', '*.md']
# Folders beside ours may hold whole environments and data sets: do not walk them.
exclude_patterns = [
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in kept
]

html_theme = 'furo'
html_title = f'videomac {release}'

myst_heading_anchors = 3
myst_enable_extensions = ['dollarmath']
suppress_warnings = ['myst.header']  # READMEs that begin with what is below a heading

autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
napoleon_numpy_docstring = False
napoleon_use_ivar = True

CENTRED = re.compile(
    r'<p align="center">\s*<img src="([^"]+)"[^>]*? alt="([^"]*)">\s*</p>', re.DOTALL
)
SECTION = re.compile(r'^## (.+)\n((?:.*\n)*?)(?=^## |\Z)', re.MULTILINE)
PAGE = re.compile(r'\]\((?!http)([^)#]+)\.md\)')


def adapt(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change what only browsers of repositories understand."""
    text = CENTRED.sub(r'![\2](\1)', source[0])
    if docname == root_doc:
        text += toctrees(text)
    elif not docname.startswith('docs/'):
        text = '---\norphan: true\n---\n' + text
    source[0] = text


def toctrees(index: str) -> str:
    """Derive the navigation from the lists of links of the index page."""
    return ''.join(
        f'\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n'
        + '\n'.join(PAGE.findall(body))
        + '\n```\n'
        for title, body in SECTION.findall(index)
        if PAGE.search(body)
    )


def add_entrance(app: Sphinx, error: Exception | None) -> None:
    """Lead from the folder of the site to its first page."""
    page = f'<meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
    Path(app.outdir, 'index.html').write_text(page, encoding='utf-8')


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect('source-read', adapt)
    app.connect('build-finished', add_entrance)
