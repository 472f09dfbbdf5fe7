"""Which parameters the optimiser sees, and with which weight decay."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from tests.models.common import build
from videomac.models import VideoMAC
from videomac.utils.paths import configs_root


def recipe(**changes: Any) -> dict[str, Any]:
    path = configs_root() / '_base_/schedules/adamw_coslr_100e.py'
    return dict(Config.fromfile(path).optim_wrapper) | changes


def groups(model: VideoMAC, cfg: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Map each optimised parameter's name to its group."""
    names = {id(p): n for n, p in model.named_parameters()}
    wrapper = build_optim_wrapper(model, cfg)
    found = {}
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = group
    return found


@pytest.mark.parametrize('paramwise', ['recipe', None])
def test_every_online_parameter_and_no_target_parameter(paramwise: str | None) -> None:
    model = build()
    cfg = recipe() if paramwise else recipe(paramwise_cfg=None)
    online = {n for n, _ in model.named_parameters() if not n.startswith('target.')}
    assert set(groups(model, cfg)) == online


def test_weight_decay_spares_what_the_recipe_spares() -> None:
    model = build()
    for name, group in groups(model, recipe()).items():
        parameter = model.get_parameter(name)
        spared = parameter.dim() == 1 or name == 'decoder.mask_token'
        assert group['weight_decay'] == (0.0 if spared else 0.05), name
        assert group['lr'] == 2e-3


def test_equal_options_share_a_group() -> None:
    wrapper = build_optim_wrapper(build(), recipe())
    decays = [group['weight_decay'] for group in wrapper.optimizer.param_groups]
    # What is decayed, what is spared by its shape, and the mask token with its own key.
    assert sorted(decays) == [0.0, 0.0, 0.05]


def test_lr_multipliers_still_work() -> None:
    cfg = recipe(paramwise_cfg=dict(custom_keys=dict(encoder=dict(lr_mult=0.1))))
    for name, group in groups(build(), cfg).items():
        assert group['lr'] == pytest.approx(2e-4 if name.startswith('encoder.') else 2e-3)
