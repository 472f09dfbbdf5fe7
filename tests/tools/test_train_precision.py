"""Which precision train.py computes in, whatever the config says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope

from tests.tools.test_train_cli import merged, train
from videomac.registry import OPTIM_WRAPPERS
from videomac.utils import find_config

SHIPPED = 'videomac/videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos.py'
TUNED = 'finetune/videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py'
MIXED: dict[str, Any] = dict(
    type='AmpOptimWrapper', loss_scale='dynamic', dtype='float16', use_fsdp=True
)


@pytest.mark.parametrize('cuda', [False, True])
@pytest.mark.parametrize(
    'args',
    [
        ['--no-amp'],
        ['--cfg-options', 'optim_wrapper.type=OptimWrapper'],
        ['--cfg-options', 'optim_wrapper.dtype=float32'],
    ],
    ids=lambda args: args[-1],
)
def test_mixed_precision_can_be_switched_off(
    args: list[str], cuda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    cfg = merged(*args, optim_wrapper={**MIXED, 'accumulative_counts': 2})
    assert cfg.optim_wrapper == dict(type='OptimWrapper', accumulative_counts=2)


@pytest.mark.parametrize('path', [SHIPPED, TUNED])
@pytest.mark.parametrize('kind', ['OptimWrapper', 'BFloat16OptimWrapper'])
def test_a_shipped_config_with_another_wrapper(path: str, kind: str) -> None:
    """The wrapper is built, with all else that the config says of it."""
    given = Config.fromfile(find_config(path))
    changed = merged('--cfg-options', f'optim_wrapper.type={kind}', **given.to_dict())
    init_default_scope('videomac')
    settings = dict(changed.optim_wrapper, constructor='DefaultOptimWrapperConstructor')
    settings['paramwise_cfg'] = None  # of other networks than this
    wrapper = build_optim_wrapper(torch.nn.Linear(2, 2), settings)
    assert type(wrapper) is OPTIM_WRAPPERS.get(kind)
    (group, *_) = wrapper.optimizer.param_groups
    assert group['lr'] == given.optim_wrapper.optimizer.lr


def test_settings_of_the_command_line_are_not_dropped() -> None:
    """What it asks for and the wrapper does not have stays an error."""
    options = ['optim_wrapper.type=OptimWrapper', 'optim_wrapper.dtype=bfloat16']
    cfg = merged('--cfg-options', *options, optim_wrapper=dict(MIXED))
    assert cfg.optim_wrapper == dict(type='OptimWrapper', dtype='bfloat16')


def test_a_gpu_computes_what_the_config_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert merged(optim_wrapper=dict(MIXED)).optim_wrapper == MIXED
    own = dict(type=AmpOptimWrapper, loss_scale=2.0)
    found = merged(optim_wrapper=own).optim_wrapper
    assert found == dict(type='AmpOptimWrapper', loss_scale=2.0)


def test_both_at_once_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.build_parser().parse_args(['c.py', '--amp', '--no-amp'])
    assert 'not allowed with' in capsys.readouterr().err
