"""The table of encoders: what the tool writes, compares, and finds again."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip('timm')
pytest.importorskip('mmpretrain')
TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'encoder_coverage.py'
#: Two of the smallest encoders, one that passes all checks and one that does not run.
QUICK = ('timm lcnet_035', 'LeNet5')


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location('encoder_coverage', TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_rows_are_those_of_the_page(tool: ModuleType) -> None:
    rows = tool.check_all(QUICK, None)
    assert tool.differences(rows) == []
    assert rows['timm lcnet_035'].count('| yes ') == 5
    assert '| no | - | - | - | - | Given groups=1, weight of size' in rows['LeNet5']


def test_the_page_has_every_encoder_and_its_count(tool: ModuleType) -> None:
    page = tool.PAGE.read_text(encoding='utf-8')
    rows = tool.rows_of(page)
    assert list(rows) == list(tool.ENCODERS)
    assert len(rows) >= 60
    green = [line for line in rows.values() if line.count('| yes ') == 5]
    assert len(green) >= 50
    assert f'**{len(green)} of {len(rows)}** pass' in page
    for line in set(rows.values()) - set(green):
        reason = line.split('|')[-2].strip()
        assert len(reason) > 20, line


def test_the_page_is_what_the_tool_writes(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tool.PAGE.read_text(encoding='utf-8')
    made = re.search(r'^Made with (.*) by$', page, re.MULTILINE)
    assert made is not None
    monkeypatch.setattr(tool, 'versions', lambda: made[1])  # of when it was made
    assert tool.page_of(list(tool.rows_of(page).values())) == page


def test_writes_and_resumes(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, page = tmp_path / 'rows.json', tmp_path / 'page.md'
    kept.write_text(json.dumps({'timm lcnet_035': '| timm lcnet_035 | kept |'}))
    monkeypatch.setattr(tool, 'ENCODERS', {n: tool.ENCODERS[n] for n in QUICK})
    tool.main(['--out', str(page), '--resume', str(kept)])
    rows = tool.rows_of(page.read_text(encoding='utf-8'))
    assert rows['timm lcnet_035'] == '| timm lcnet_035 | kept |'
    assert rows == json.loads(kept.read_text())
    assert '**0 of 2** pass' in page.read_text(encoding='utf-8')


def test_check_fails_where_the_page_says_something_else(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = tool.rows_of(tool.PAGE.read_text(encoding='utf-8'))['LeNet5']
    tool.main(['--only', 'LeNet5', '--check'])
    page = tmp_path / 'page.md'
    page.write_text('| encoder |\n' + line.replace('| no |', '| yes |'))
    assert tool.differences({'LeNet5': line}, page)
    assert 'does not exist' in tool.differences({'LeNet5': line}, tmp_path / 'no.md')[0]
    monkeypatch.setattr(tool, 'differences', lambda rows: ['LeNet5 differs'])
    with pytest.raises(SystemExit) as stopped:
        tool.main(['--only', 'LeNet5', '--check'])
    assert stopped.value.code == 1
    assert 'LeNet5 differs' in capsys.readouterr().err


def test_unknown_names_and_the_list(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="no encoder is called 'Nothing'"):
        tool.main(['--only', 'Nothing'])
    tool.main(['--only', 'timm resnet18', '--list'])
    assert capsys.readouterr().out == 'timm resnet18\n'


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_all_rows_are_those_of_the_page(tool: ModuleType) -> None:
    rows = tool.check_all(list(tool.ENCODERS), None)
    assert tool.differences(rows) == []
