"""Notebooks run from top to bottom in an empty folder, and keep what they promise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / 'docs' / 'tutorials' / 'quickstart.ipynb'
MOST_BYTES = 400_000


def read() -> Any:
    nbformat = pytest.importorskip('nbformat')
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    return notebook


def texts(notebook: Any) -> str:
    """What the cells print."""
    outputs = [out for cell in notebook.cells for out in cell.get('outputs', [])]
    return ''.join(out.text for out in outputs if out.output_type == 'stream')


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network learns, labels follow the disc, the report is there."""
    nbclient = pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    notebook = read()
    where = {'metadata': {'path': str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    printed = texts(notebook)
    losses = re.search(r'loss went from ([\d.]+) to ([\d.]+)', printed)
    assert losses is not None
    assert float(losses[2]) < float(losses[1]) - 0.05
    J = re.search(r'J, mean over the frames: ([\d.]+)', printed)
    assert J is not None
    assert float(J[1]) > 0.5  # a mask that stays where it was has 0.21
    assert (tmp_path / 'quickstart' / 'report.html').is_file()
    pictures = [
        out
        for cell in notebook.cells
        for out in cell.get('outputs', [])
        if 'image/png' in out.get('data', {})
    ]
    assert len(pictures) == 4


def test_what_is_stored() -> None:
    """The notebook is shown with its results, is small, and names no machine's paths."""
    notebook = read()
    text = NOTEBOOK.read_text(encoding='utf-8')
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert 'loss went from' in texts(notebook)
    assert not re.search(r'(?<![\w.])/(work|home|tmp|root)/', text)
    assert not [
        out
        for cell in notebook.cells
        for out in cell.get('outputs', [])
        if out.output_type == 'error' or out.get('name') == 'stderr'
    ]
    prose = ''.join(c.source for c in notebook.cells if c.cell_type == 'markdown')
    links = re.findall(r'\]\(([^)#\s]+)\)', prose)
    assert links
    assert all((NOTEBOOK.parent / link).exists() for link in links)
