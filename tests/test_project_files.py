"""Files for those who host, cite and report: they agree with the rest of the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip('yaml')
ROOT = Path(__file__).resolve().parents[1]
FORMS = sorted((ROOT / '.github' / 'ISSUE_TEMPLATE').glob('[!c]*.yml'))


def load(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def test_workflow_does_what_a_developer_does() -> None:
    """It runs .ci/run with each Python that the package admits, and nothing else."""
    job = load(ROOT / '.github' / 'workflows' / 'ci.yml')['jobs']['check']
    commands = [step['run'] for step in job['steps'] if 'run' in step]
    assert commands == ['.ci/run']
    assert (ROOT / '.ci' / 'run').stat().st_mode & 0o100
    admitted = re.search(
        r"python_requires='>=3\.(\d+),<3\.(\d+)'", (ROOT / 'setup.py').read_text()
    )
    assert admitted is not None
    first, end = map(int, admitted.groups())
    versions = job['strategy']['matrix']['python']
    assert versions == [f'3.{minor}' for minor in range(first, end)]
    # Without it .ci/venv would take the newest interpreter of the machine each time.
    assert job['env']['PYTHON'] == 'python${{ matrix.python }}'


def test_readme_is_short() -> None:
    """Whoever comes by reads it to the end; the pages have room for the rest."""
    lines = (ROOT / 'README.md').read_text().splitlines()
    assert len(lines) <= 200, 'move something to docs/en and link to it'


def test_citation_is_that_of_the_readme() -> None:
    """Title, year and authors, in their order."""
    paper = load(ROOT / 'CITATION.cff')['preferred-citation']
    bibtex = (ROOT / 'README.md').read_text().split('```bibtex')[1].split('```')[0]
    plain = bibtex.replace('{', '').replace('}', '')
    names = [f'{a["family-names"]}, {a["given-names"]}' for a in paper['authors']]
    assert f'author    = {" and ".join(names)},' in plain
    title = re.search(r'title\s+= (.+),\n', plain)
    assert title is not None
    assert title[1] == paper['title']
    assert f'year      = {paper["year"]}' in plain


@pytest.mark.parametrize('form', FORMS, ids=lambda path: path.stem)
def test_issue_form(form: Path) -> None:
    """Each is a form with fields of known kinds and different names."""
    content = load(form)
    assert {'name', 'description', 'body'} <= set(content)
    fields = [field for field in content['body'] if field['type'] != 'markdown']
    names = [field['id'] for field in fields]
    assert len(set(names)) == len(names) > 0
    assert all(field['attributes']['label'] for field in fields)
    assert any(field.get('validations', {}).get('required') for field in fields)
    for page in re.findall(r'docs/en/[\w*]+\.md', form.read_text()):
        assert list(ROOT.glob(page)), page


def test_there_are_three_kinds_of_issues() -> None:
    """Of what is wrong, what is missing, and what is not clear."""
    assert [form.stem for form in FORMS] == ['bug', 'feature', 'question']


def test_command_for_versions_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """What the form of bugs asks for can be had."""
    text = (ROOT / '.github' / 'ISSUE_TEMPLATE' / 'bug.yml').read_text()
    match = re.search(r'python -c "([^"]+)"', ' '.join(text.split()))
    assert match is not None
    exec(match[1])
    assert 'PyTorch' in capsys.readouterr().out
