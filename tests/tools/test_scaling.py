"""The table of the tool: what it reads from config and command line."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from tests.tools.test_get_flops import cells
from tests.tools.test_train_cli import load_tool
from videomac.utils import tools_root

tool = load_tool(tools_root() / 'analysis_tools' / 'scaling.py')

CONFIG = 'configs/videomac/demo.py'
#: The demo's model on another machine's data, for so many epochs.
OPTIONS = (
    'train_dataloader.batch_size=10',
    'train_dataloader.dataset.repeats=2',
    'optim_wrapper.accumulative_counts=3',
)


def rows(
    capsys: pytest.CaptureFixture[str], *args: str
) -> tuple[dict[str, dict[str, float]], str]:
    """The rows of the printed table by number of GPUs, and the rest."""
    tool.main([CONFIG, *args])
    printed = capsys.readouterr().out
    lines = [cells(line) for line in printed.splitlines() if line.startswith('|')]
    found = {
        line[0]: {
            name: float(cell)
            for name, cell in zip(lines[0], line, strict=True)
            if cell != '-'
        }
        for line in lines[2:]
    }
    return found, printed


def test_step_time_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """0.5 s for an iteration of 10 pairs, of which three make a step."""
    found, printed = rows(
        capsys,
        *('--gpus', '1', '4', '--step-seconds', '0.5', '--pairs', '1000'),
        *('--pairs-per-core', '5', '--cfg-options', *OPTIONS),
    )
    assert list(found) == ['1', '4']
    for gpus, row in ((1, found['1']), (4, found['4'])):
        assert row['samples/step'] == 10 * 2 * 3 * gpus
        assert row['step, ms'] == 1500
        assert row['pairs/s'] == 20 * gpus
        assert row['cores/GPU'] == 4
        assert row['efficiency'] == 1
    assert found['1']['sent, MB'] == 0
    assert 'Memory of a GPU' in printed


def test_traffic_and_length(capsys: pytest.CaptureFixture[str]) -> None:
    """The run's length is the config's; a slow link shows."""
    found, printed = rows(
        capsys, '--gpus', '2', '--flops-rate', '1e4', '--bandwidth', '0.001'
    )
    trainable = float(printed.split(' M trainable')[0].split()[-1])
    row = found['2']
    assert row['sent, MB'] == pytest.approx(4 * trainable, abs=1)
    assert row['all-reduce, ms'] == pytest.approx(4 * trainable * 1000, rel=0.02)
    assert row['efficiency'] < 0.1
    cfg = tool.Config.fromfile(CONFIG)
    assert row['iterations'] == cfg.train_cfg.max_iters


def test_epochs() -> None:
    """Epochs are passes over what a process gets."""
    cfg = tool.Config.fromfile(tool.find_config(tool.DEFAULT))
    plan = tool.make_plan(cfg, 8, tool.YTVOS_PAIRS)
    # 91,117 pairs: 11,390 for each of 8 processes, which are 177 batches of 64.
    assert (plan.iterations_per_pass, plan.passes) == (177, 100)
    assert plan.step_samples == 512
    assert tool.uses_amp(cfg)


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        *[(AmpOptimWrapper, True), ('mmengine.optim.AmpOptimWrapper', True)],
        *[('BFloat16OptimWrapper', True), (OptimWrapper, False), ('OptimWrapper', False)],
    ],
    ids=str,
)
def test_mixed_precision_by_any_name(kind: Any, expected: bool) -> None:
    assert tool.uses_amp(Config(dict(optim_wrapper=dict(type=kind)))) is expected


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        ([CONFIG, '--flops-rate', '-1'], 'rate must be above 0'),
        ([CONFIG, '--step-seconds', '0'], '--step-seconds must be above 0'),
        ([CONFIG, '--flops-rate', '1', '--pairs', '1'], 'make no batch'),
        (['configs/videomac/nothing.py', '--flops-rate', '1'], 'there is no config'),
        (['configs/finetune/demo.py', '--flops-rate', '1'], 'no VideoMAC'),
        (['configs/_base_/default_runtime.py', '--flops-rate', '1'], 'has no model'),
    ],
)
def test_errors(args: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        tool.main(args)


def test_a_speed_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """No speed of a GPU is made up."""
    with pytest.raises(SystemExit):
        tool.main([CONFIG])
    assert '--flops-rate' in capsys.readouterr().err
