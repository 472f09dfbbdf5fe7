"""The target network against the closed form of an exponential moving average."""

import copy

import pytest
import torch
from torch import nn

from tests.models.common import build
from videomac.models import EMATarget


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


def test_a_momentum_out_of_range_is_named() -> None:
    target = EMATarget(nn.Linear(1, 1), nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r'momentum must be in \[0, 1\], got 1.5'):
        target.update(nn.Linear(1, 1), nn.Linear(1, 1), 1.5)
