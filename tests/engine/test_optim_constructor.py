"""Which parameters the optimiser sees, and with which weight decay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from tests.models.common import build
from videomac.engine.optim_constructor import merge_groups
from videomac.utils.paths import configs_root


def recipe(**changes: Any) -> dict[str, Any]:
    path = configs_root() / '_base_/schedules/adamw_coslr_100e.py'
    return dict(Config.fromfile(path).optim_wrapper) | changes


def groups(model: nn.Module, cfg: dict[str, Any]) -> dict[str, dict[str, Any]]:
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


def test_merged_groups() -> None:
    """Names are no option; a shared parameter stays where it is first."""
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    single = [
        dict(params=[a], lr=1.0, param_name='a'),
        dict(params=[b], lr=2.0, param_name='b'),
        dict(params=[c], lr=1.0, param_name='c'),
        dict(params=[a], lr=2.0, param_name='also a'),
    ]
    first, second = merge_groups(single)
    assert first == dict(params=[a, c], lr=1.0)
    assert second == dict(params=[b], lr=2.0)


def test_equal_options_share_a_group() -> None:
    wrapper = build_optim_wrapper(build(), recipe())
    decays = [group['weight_decay'] for group in wrapper.optimizer.param_groups]
    # What is decayed, what is spared by its shape, and the mask token with its own key.
    assert sorted(decays) == [0.0, 0.0, 0.05]


def test_lr_multipliers_still_work() -> None:
    cfg = recipe(paramwise_cfg=dict(custom_keys=dict(encoder=dict(lr_mult=0.1))))
    for name, group in groups(build(), cfg).items():
        assert group['lr'] == pytest.approx(2e-4 if name.startswith('encoder.') else 2e-3)


class Tied(nn.Module):
    """Two layers with one weight between others."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.middle = nn.Linear(2, 2)
        self.last = nn.Linear(2, 2)
        self.last.weight = self.first.weight


@pytest.mark.parametrize(
    'paramwise', [None, dict(norm_decay_mult=0.0), dict(custom_keys=dict(last=dict()))]
)
def test_a_shared_weight_is_stepped_once(paramwise: dict[str, Any] | None) -> None:
    """Against SGD by hand: w - lr * (grad + decay * w)."""
    model = Tied()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    cfg = recipe(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.1, weight_decay=0.01),
        paramwise_cfg=paramwise,
    )
    wrapper = build_optim_wrapper(model, cfg)
    for value in model.parameters():
        value.grad = torch.full_like(value, 2.0)
    wrapper.step()
    for name, value in model.named_parameters():
        expected = before[name] - 0.1 * (2.0 + 0.01 * before[name])
        torch.testing.assert_close(value.detach(), expected, msg=name)


def test_a_shared_weight_has_the_options_of_its_first_name() -> None:
    keys = dict(first=dict(lr_mult=0.5), last=dict(lr_mult=7.0))
    found = groups(Tied(), recipe(paramwise_cfg=dict(custom_keys=keys)))
    rates = {name: group['lr'] / 2e-3 for name, group in found.items()}
    assert rates == {
        'first.weight': 0.5,
        'first.bias': 0.5,
        'middle.weight': 1.0,
        'middle.bias': 1.0,
        'last.bias': 7.0,
    }
