"""A table from start to end, with rows that are done, stopped, failed or changed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tests.tools.test_train_cli import load_tool
from videomac.analysis.evaluation_config import evaluation_config
from videomac.analysis.paper import paper_tables
from videomac.utils import configs_root, tools_root

SCRIPT = tools_root() / 'analysis_tools' / 'run_ablation.py'
tool = load_tool(SCRIPT)
ROWS: dict[str, float | None] = {'1': 0.5, '2': 0.25, '4': 0.125, '8': 1.0}


class Commands:
    """Stands for training and evaluation: leaves what the tools leave."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []
        self.broken: set[str] = set()

    def __call__(self, command: Sequence[str], log: Path) -> None:
        work = Path(command[command.index('--work-dir') + 1])
        row = Config.fromfile(work.with_name('pretraining.py')).model.decoder.depth
        self.ran.append((Path(command[1]).name, str(row)))
        if str(row) in self.broken:
            raise tool.RowError(f"exit status 1; see the end of '{log}'")
        work.mkdir(exist_ok=True)
        if command[1].endswith('train.py'):
            (work / 'last_checkpoint').write_text(str(work / 'epoch_100.pth'))
            return
        assert command[3] == str(work.with_name('pretraining') / 'epoch_100.pth')
        score = ROWS[str(row)]
        names = ('J&F-Mean', 'J-Mean', 'F-Mean')
        content: dict[str, Any] = {
            'global': dict.fromkeys(names, score),
            'per_object': {'camel_1': {}, 'gold-fish_1': {}, 'gold-fish_2': {}},
        }
        (work / 'davis.json').write_text(json.dumps(content))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    """Commands that take no time, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found = Commands()
    monkeypatch.setattr(tool, 'execute', found)
    return found


def table() -> list[dict[str, str]]:
    """The table that was written."""
    with Path('work_dirs/ablations/decoder_depth.csv').open(encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_a_table(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(['decoder_depth']) == 0
    assert commands.ran == [(t, row) for row in ROWS for t in ('train.py', 'test.py')]
    rows = table()
    assert [row['J&F, measured'] for row in rows] == ['50.0', '25.0', '12.5', '100.0']
    assert [row['J&F, paper'] for row in rows] == ['68.4', '68.2', '68.3', '68.1']
    text = Path('work_dirs/ablations/decoder_depth.md').read_text(encoding='utf-8')
    assert 'number of videos: 2.' in text
    assert 'not the setting of the paper' not in text
    printed = capsys.readouterr().out
    assert text in printed
    assert "row '2' (2 of 4): " in printed
    # Nothing is run twice, also not the row that another table has in common.
    assert tool.main(['decoder_depth']) == 0
    assert tool.main(['masking', '--rows', 'symmetric']) == 0
    assert len(commands.ran) == 8


def test_a_row_that_fails_is_tried_again(
    commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.broken = {'2'}
    assert tool.main(['decoder_depth']) == 1
    assert "row '2': exit status 1; see the end of " in capsys.readouterr().err
    assert [row['J&F, measured'] for row in table()] == ['50.0', '-', '12.5', '100.0']
    commands.broken.clear()
    commands.ran.clear()
    assert tool.main(['decoder_depth']) == 0
    assert commands.ran == [('train.py', '2'), ('test.py', '2')]


def test_a_score_that_is_no_number_was_not_measured(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has null for the mean of nothing."""
    monkeypatch.setitem(ROWS, '2', None)
    assert tool.main(['decoder_depth', '--rows', '1', '2']) == 0
    assert [row['J&F, measured'] for row in table()] == ['50.0', '-', '-', '-']


def test_an_evaluation_that_fails_costs_no_training(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_tests(command: Sequence[str], log: Path) -> None:
        if 'test.py' in command[1]:
            raise tool.RowError('exit status 1')
        commands(command, log)

    monkeypatch.setattr(tool, 'execute', break_tests)
    assert tool.main(['decoder_depth', '--rows', '4']) == 1
    monkeypatch.setattr(tool, 'execute', commands)
    assert tool.main(['decoder_depth', '--rows', '4']) == 0
    assert commands.ran == [('train.py', '4'), ('test.py', '4')]


def test_options(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """They reach both configs; a row that was made with others is not passed off."""
    argv = ['decoder_depth', '--rows', '2', '--cfg-options', 'model.encoder.arch=atto']
    more = ['--eval-options', 'test_dataloader.dataset.videos=camel']
    assert tool.main([*argv, *more]) == 0
    (folder,) = (path for path in Path('work_dirs/ablations').iterdir() if path.is_dir())
    evaluation = Config.fromfile(folder / 'davis2017.py')
    assert evaluation.model.backbone.network.arch == 'atto'
    assert evaluation.model.backbone.network.use_grn is True
    assert evaluation.test_dataloader.dataset.videos == 'camel'
    text = Path('work_dirs/ablations/decoder_depth.md').read_text(encoding='utf-8')
    assert 'not to be compared: `model.encoder.arch=atto`, `test_dataloader' in text
    capsys.readouterr()
    assert tool.main(argv) == 1
    assert (
        "made with other settings (test_dataloader.dataset.videos: 'camel' -> None"
        in (capsys.readouterr().err)
    )
    assert len(commands.ran) == 2
    # Other rows may have other settings, as for other data: the table says all.
    assert tool.main(['decoder_depth', '--rows', '8']) == 0
    text = Path('work_dirs/ablations/decoder_depth.md').read_text(encoding='utf-8')
    assert '`model.encoder.arch=atto`, `test_dataloader' in text


def test_dry_run(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(['gamma', '--dry-run', '--gpus', '8']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('# gamma 0.0: ablations/videomac_convnextv2-small-gamma0_')
    assert [line.split()[1].split('/')[-1] for line in lines if line[0] != '#'] == [
        'dist_train.sh',
        'dist_test.sh',
    ] * 4
    assert lines[1].split()[3] == '8'
    assert lines[2].split()[3:5] == ['CHECKPOINT', '8']
    assert not commands.ran
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['gamma', '--rows', '2'], "has no row '2'; its rows are '0.0', '0.1'"),
        (['gamma', '--cfg-options', 'model.decoder.dim.x=1'], 'does not fit the config'),
    ],
)
def test_bad_arguments(argv: list[str], message: str, commands: Commands) -> None:
    with pytest.raises(SystemExit, match=message):
        tool.main(argv)


def test_unknown_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(['finetuning'])
    assert "invalid choice: 'finetuning'" in capsys.readouterr().err


def shell(tmp_path: Path) -> Callable[[str], None]:
    """Run a line of a shell as a row's command."""
    return lambda line: tool.execute(['bash', '-c', line], tmp_path / 'log')


def test_execute(tmp_path: Path) -> None:
    run = shell(tmp_path)
    run('echo first')
    run('echo second >&2')
    assert (tmp_path / 'log').read_text() == 'first\nsecond\n'
    with pytest.raises(tool.RowError, match=r"exit status 3; see the end of '.*log'"):
        run('exit 3')
    with pytest.raises(SystemExit) as stopped:
        run('exit 75')
    assert stopped.value.code == 75


def test_a_stop_reaches_the_command(tmp_path: Path) -> None:
    """SIGTERM to the tool: the command saves first, and the tool says 75."""
    code = (
        'import importlib.util as u, pathlib, sys\n'
        's = u.spec_from_file_location("tool", sys.argv[1])\n'
        't = u.module_from_spec(s); sys.modules["tool"] = t; s.loader.exec_module(t)\n'
        "line = \"trap 'touch saved; exit 75' TERM; kill -TERM $PPID; "
        'while true; do sleep 0.1; done"\n'
        't.execute(["bash", "-c", line], pathlib.Path("log"))\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code, str(SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 75, done.stderr
    assert (tmp_path / 'saved').exists()
    assert 'the same command goes on' in done.stderr


@pytest.mark.parametrize('name', list(tool.TABLES))
def test_evaluation_is_for_the_encoder_of_the_row(name: str) -> None:
    """The encoder that a row's evaluation config names is the one that it trains."""
    for row in paper_tables()[name].rows:
        if row.config is None:
            continue
        trained = Config.fromfile(configs_root() / row.config).model.encoder
        found: Any = Config.fromfile(configs_root() / evaluation_config(row.config))
        assert found.model.backbone.network == trained
        stride = 16 if 'isotropic' in row.config else 8
        assert found.model.backbone.output_stride == stride


def test_evaluation_configs() -> None:
    found = evaluation_config('videomac/videomac_resnet50-patch16_8xb64_ytvos.py', 'vip')
    assert found == 'propagation/vip/videomac_resnet50_s8_vip.py'
    with pytest.raises(ValueError, match=r"for the encoder 'regnet' .* convnext-small, "):
        evaluation_config('videomac_regnet_8xb64.py')
    with pytest.raises(ValueError, match='there are: none'):
        evaluation_config('videomac_resnet50_8xb64.py', 'nowhere')
