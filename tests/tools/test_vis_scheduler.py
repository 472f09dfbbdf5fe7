"""The tool that draws the schedules of a config."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.utils import tools_root

tool = load_tool(tools_root() / 'visualization' / 'vis_scheduler.py')


def test_length_and_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a shipped config without its data; the learning rate follows the batch."""
    config = 'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py'
    out = tmp_path / 'new' / 'schedule.png'
    # 2 GPUs of 64 are a quarter of the batch that the rate is for.
    args = [config, '--samples', '600', '--gpus', '2', '--out', str(out)]
    tool.main([*args, '--auto-scale-lr', '--cfg-options', 'train_cfg.max_epochs=20'])
    printed = capsys.readouterr().out
    # 600 samples are 4 whole batches of 64 on either GPU.
    assert '80 iterations, 4 an epoch' in printed
    assert 'largest 0.0005 in iteration 40' in printed
    assert 'target_momentum: 0.996 at first' in printed
    # Four iterations to a step are the whole batch.
    collected = ['train_cfg.max_epochs=20', 'optim_wrapper.accumulative_counts=4']
    tool.main([*args, '--auto-scale-lr', '--cfg-options', *collected])
    assert 'largest 0.002 in iteration 40' in capsys.readouterr().out
    assert Image.open(out).size[0] > 600
    with pytest.raises(SystemExit, match=r'ytvos.*--samples'):
        tool.main([config, '--out', str(out)])
    with pytest.raises(SystemExit, match='at least 1'):
        tool.main([config, '--samples', '0'])
    with pytest.raises(SystemExit, match=r'must end in one of \.png'):
        tool.main([*args[:-1], str(tmp_path / 'x.jpg')])


def test_configs_that_train_nothing(tmp_path: Path) -> None:
    mini = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017.py'
    with pytest.raises(SystemExit, match='base_batch_size'):
        tool.main([mini, '--auto-scale-lr'])
    with pytest.raises(SystemExit, match=r'max_iters must be at least 1, got 0'):
        tool.main(['videomac/demo.py', '--cfg-options', 'train_cfg.max_iters=0'])
    wrong = tmp_path / 'tool.py'
    wrong.write_text('def main():\n    return 1\n\n\nraise RuntimeError("not now")\n')
    with pytest.raises(SystemExit, match=r"\.py' cannot be read as a config.*not now"):
        tool.main([str(wrong)])
