"""The target network against the closed form of an exponential moving average."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmengine.runner
import pytest
import torch
from torch import nn

from tests.models.common import build, randomise
from tests.models.rivals import tiny
from videomac.models import EMATarget, VideoMAC


def test_n_updates_equal_the_closed_form() -> None:
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(4, 3), nn.Linear(3, 2)
    target = EMATarget(encoder, decoder)
    history = [copy.deepcopy(encoder.weight.detach())]
    momenta = [0.9, 0.5, 0.99, 0.0, 0.7]
    for momentum in momenta:
        with torch.no_grad():
            encoder.weight.add_(torch.randn_like(encoder.weight))
        history.append(encoder.weight.detach().clone())
        target.update(encoder, decoder, momentum)
    # w_n = prod(m) w_0 + sum_k (1 - m_k) prod_{l > k}(m_l) w_k
    expected = torch.zeros_like(encoder.weight)
    for k, value in enumerate(history):
        share = 1.0 if k == 0 else 1 - momenta[k - 1]
        for later in momenta[k:]:
            share *= later
        expected += share * value
    got = target.encoder.state_dict()['weight']
    assert torch.allclose(got, expected, atol=1e-6)


def test_it_is_frozen_in_eval_mode_and_in_the_checkpoint() -> None:
    model = build()
    model.train()
    assert model.target is not None
    assert not any(module.training for module in model.target.modules())
    assert not any(p.requires_grad for p in model.target.parameters())
    names = {n for n in model.state_dict() if n.startswith('target.')}
    online = {n for n in model.state_dict() if n.startswith(('encoder.', 'decoder.'))}
    assert names == {f'target.{n}' for n in online}


def test_it_starts_as_a_copy_after_initialisation() -> None:
    model = build()
    model.init_weights()
    assert model.target is not None
    state = model.state_dict()
    for name, value in model.target.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_running_statistics_are_copied() -> None:
    encoder = nn.BatchNorm1d(3)
    target = EMATarget(encoder, nn.Identity())
    encoder(torch.randn(8, 3) + 5)
    target.update(encoder, nn.Identity(), 0.99)
    state = target.encoder.state_dict()
    assert torch.equal(state['running_mean'], encoder.state_dict()['running_mean'])
    assert state['num_batches_tracked'] == 1


def test_momentum_zero_copies_over_nan() -> None:
    online = nn.Linear(4, 3)
    target = EMATarget(online, nn.Identity())
    with torch.no_grad():
        target.encoder.get_parameter('weight').fill_(float('nan'))
        target.encoder.get_parameter('bias').fill_(float('inf'))
    target.update(online, nn.Identity(), 0.0)
    for name, value in target.encoder.state_dict().items():
        assert torch.equal(value, online.state_dict()[name])


def test_a_momentum_out_of_range_is_named() -> None:
    target = EMATarget(nn.Linear(1, 1), nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r'momentum must be in \[0, 1\], got 1.5'):
        target.update(nn.Linear(1, 1), nn.Linear(1, 1), 1.5)


def fcmae(**changes: Any) -> VideoMAC:
    """A masked autoencoder of single frames with weights that no other model has."""
    model = build(target=None, consistency_loss=None, **changes)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(1.5)
        for name, value in model.named_buffers():
            if 'running' in name:
                value.uniform_(1, 2)
    return model


def through_torch(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    model.load_state_dict(state, strict=False)


def strictly(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    model.load_state_dict(state)


def assigned(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    model.load_state_dict(state, assign=True)


def wrapped(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    whole = {f'module.{name}': value for name, value in state.items()}
    nn.ModuleDict(dict(module=model)).load_state_dict(whole)


def through_mmengine(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    mmengine.runner.load_state_dict(model, state)


def from_file(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    torch.save(dict(state_dict=state), path / 'fcmae.pth')
    mmengine.runner.load_checkpoint(model, str(path / 'fcmae.pth'), map_location='cpu')


WAYS = (through_torch, strictly, assigned, wrapped, through_mmengine, from_file)


@pytest.mark.parametrize('load', WAYS, ids=lambda load: load.__name__)
@pytest.mark.parametrize('encoder', ['convnext', 'resnet'])
def test_weights_without_a_target_are_those_of_both_networks(
    load: Callable[..., None], encoder: str, tmp_path: Path
) -> None:
    small = dict(stem_channels=8, base_channels=8)
    resnet = dict(type='mmpretrain.ResNet', depth=18, **small)
    changes = dict(encoder=resnet) if encoder == 'resnet' else {}
    state, model = fcmae(**changes).state_dict(), build(**changes)
    before = copy.deepcopy(state)
    load(model, state, tmp_path)
    loaded = model.state_dict()
    for name, value in before.items():
        assert torch.equal(loaded[name], value), name
        assert torch.equal(loaded[f'target.{name}'], value), name
    assert list(state) == list(before)  # what was given is as it was
    # They are two networks, of which one is trained.
    assert isinstance(model.target, EMATarget)
    assert not any(value.requires_grad for value in model.target.parameters())
    with torch.no_grad():
        for value in model.encoder.parameters():
            value.zero_()
    name = next(name for name, _ in model.target.named_parameters())
    assert torch.equal(model.target.get_parameter(name), before[name])


def test_it_is_said_that_the_target_was_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        'videomac.models.target.print_log', lambda text, logger: said.append(text)
    )
    build().load_state_dict(fcmae().state_dict())
    assert len(said) == 1
    assert 'no target network: it starts as a copy' in said[0]
    build().load_state_dict(build().state_dict())
    build(target=dict(type='SharedTarget')).load_state_dict(fcmae().state_dict())
    build().load_state_dict({}, strict=False)
    assert len(said) == 1


def test_a_target_that_is_loaded_is_kept() -> None:
    saved = build()
    randomise(saved.encoder)
    with torch.no_grad():
        for value in saved.encoder.parameters():
            value.add_(1)
    for model in (build(), copy.deepcopy(build()), pickle.loads(pickle.dumps(build()))):
        model.load_state_dict(saved.state_dict())
        for name, value in saved.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name


def test_the_teacher_of_rc_mae_too() -> None:
    model, saved = (tiny.build('RCMAE') for _ in range(2))
    with torch.no_grad():
        for value in saved.parameters():
            value.add_(1)
    state = {n: v for n, v in saved.state_dict().items() if not n.startswith('target.')}
    model.load_state_dict(state)
    loaded = model.state_dict()
    for name in loaded:
        assert torch.equal(loaded[name], state[name.removeprefix('target.')]), name
