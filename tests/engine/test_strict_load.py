"""A checkpoint that is not the model's stops the run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from tests.engine.tiny import runner_config
from tests.models.common import config
from videomac.checkpoints import UnusableCheckpointError
from videomac.engine import StrictLoadHook
from videomac.registry import MODELS
from videomac.utils import configs_root


def load(state: dict[str, torch.Tensor], model: nn.Module) -> None:
    runner = SimpleNamespace(model=model)
    StrictLoadHook().after_load_checkpoint(runner, dict(state_dict=state, meta={}))


def test_what_fits_passes() -> None:
    model = nn.Linear(3, 2)
    load(dict(model.state_dict()), model)
    load({f'module.{name}': value for name, value in model.state_dict().items()}, model)


def test_what_does_not_is_listed() -> None:
    model = nn.Linear(3, 2)
    state = {'weight': torch.ones(3, 2), 'scale': torch.ones(2)}
    with pytest.raises(ValueError, match='does not fit Linear') as error:
        load(state, model)
    assert str(error.value).splitlines()[1:4] == [
        '  1 missing: bias',
        '  1 unexpected: scale',
        '  1 of another shape: weight (3, 2), not (2, 3)',
    ]


def test_long_lists_are_counted_and_cut() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(ValueError, match=r'8 missing: 0\.weight, .*, \.\.\.'):
        load({}, model)


def run(work_dir: Path, state: dict[str, torch.Tensor], resume: bool = False) -> Runner:
    """Give the small VideoMAC weights to start with, or a checkpoint to resume."""
    path = work_dir.with_suffix('.pth')
    meta = dict(iter=1, epoch=0)
    torch.save(dict(state_dict=state, meta=meta, message_hub={}, optimizer={}), path)
    cfg = runner_config(work_dir, iterations=1)
    cfg['default_hooks']['strict_load'] = dict(type='StrictLoadHook')
    runner = Runner.from_cfg(cfg | dict(load_from=str(path), resume=resume))
    runner.load_or_resume()
    return runner


def test_weights_without_target_fit(tmp_path: Path) -> None:
    """As FCMAE's, which both networks start with; nothing else may be missing."""
    torch.manual_seed(1)
    whole = MODELS.build(config()).state_dict()
    online = {
        name: torch.randn_like(value)
        for name, value in whole.items()
        if not name.startswith('target.')
    }
    state = run(tmp_path / 'run', online).model.state_dict()
    assert state.keys() == whole.keys()
    for name, value in state.items():
        assert torch.equal(value, online[name.removeprefix('target.')]), name
    del online['decoder.mask_token']
    with pytest.raises(UnusableCheckpointError, match=r'missing: decoder\.mask_token'):
        run(tmp_path / 'part', online)


@pytest.mark.parametrize('resume', [False, True])
def test_another_architecture_is_refused(tmp_path: Path, resume: bool) -> None:
    """Before the run begins, with the names of both."""
    state = {'backbone.conv1.weight': torch.ones(2)}
    with pytest.raises(UnusableCheckpointError) as error:
        run(tmp_path / 'run', state, resume)
    assert '  1 unexpected: backbone.conv1.weight' in str(error.value)
    assert 'missing: ' in str(error.value)


@pytest.mark.parametrize('folder', ['videomac', 'rivals', 'ablations', 'finetune'])
def test_every_config_of_a_training_has_it(folder: str) -> None:
    """Also those that replace the hooks of their base."""
    for path in (configs_root() / folder).glob('*.py'):
        cfg = Config.fromfile(path)
        if cfg.get('train_cfg'):
            assert cfg.default_hooks.strict_load.type == 'StrictLoadHook', path
