"""RC-MAE: losses against loops, and the moving average."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.common import randomise
from tests.models.rivals import oracle
from tests.models.rivals.tiny import PATCH, build, config
from videomac.models import RCMAE
from videomac.models.rivals.masked_vit import visible_places
from videomac.registry import MODELS


def student(weight: float = 1.0) -> RCMAE:
    """A small RC-MAE whose teacher differs from the student."""
    model = build(
        'RCMAE',
        consistency_loss=dict(type='ReconstructionConsistencyLoss', weight=weight),
    )
    assert isinstance(model, RCMAE)
    randomise(model.encoder)  # in double as well: other values than in float
    return model


def images(batch: int, size: tuple[int, int] = (16, 16), seed: int = 0) -> torch.Tensor:
    """Samples of one noise frame."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, 3, *size, dtype=torch.float64, generator=generator)


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 3), seed=st.integers(0, 99), weight=st.sampled_from([0.5, 1.0])
)
def test_losses_against_loops(batch: int, seed: int, weight: float) -> None:
    model = student(weight)
    inputs = images(batch, seed=seed)
    torch.manual_seed(seed)
    got = model(inputs, mode='loss')
    torch.manual_seed(seed)
    (grid,) = model.masking(batch, (16, 16), 1, inputs.device)
    places = visible_places(grid).tolist()
    both = []
    for network in (model, model.target):
        encoder, decoder = (
            oracle.weights(network.encoder),
            oracle.weights(network.decoder),
        )
        both.append(
            [
                oracle.decode(
                    oracle.encode(image[0], visible, encoder, 2),
                    visible,
                    (4, 4),
                    decoder,
                    3,
                )
                for image, visible in zip(inputs.numpy(), places, strict=True)
            ]
        )
    rec = oracle.reconstruction_loss(both[0], inputs[:, 0].numpy(), places, PATCH)
    assert float(got['loss_reconstruction']) == pytest.approx(rec, rel=1e-4)
    apart = [
        ((mine[place] - theirs[place]) ** 2).mean()
        for mine, theirs, visible in zip(*both, places, strict=True)
        for place in range(16)
        if place not in visible
    ]
    assert float(got['loss_consistency']) == pytest.approx(
        weight * float(np.mean(apart)), rel=1e-4
    )
    assert float(got['loss_consistency']) > 0


@settings(max_examples=15, deadline=None)
@given(momentum=st.floats(0, 1), steps=st.integers(1, 4))
def test_teacher_is_the_moving_average(momentum: float, steps: int) -> None:
    """After n steps with a fixed student: m^n old + (1 - m^n) student."""
    model = student()
    before = copy.deepcopy(model.target.state_dict())
    for _ in range(steps):
        model.update_target(momentum)
    share = momentum**steps
    online = dict(encoder=model.encoder, decoder=model.decoder)
    for name, value in model.target.state_dict().items():
        part, _, inner = name.partition('.')
        want = share * before[name] + (1 - share) * online[part].state_dict()[inner]
        torch.testing.assert_close(value, want)


def test_the_teacher_gets_no_gradient_and_no_training_mode() -> None:
    model = student().train()
    sum(model(images(2), mode='loss').values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None for p in model.target.parameters())
    assert not any(module.training for module in model.target.modules())
    assert all(p.grad is not None for p in model.encoder.parameters() if p.requires_grad)


def test_both_networks_see_the_same_patches() -> None:
    """A teacher that equals the student has nothing to say."""
    model = student()
    model.update_target(0.0)
    losses = model(images(3), mode='loss')
    assert float(losses['loss_consistency']) == 0
    assert float(losses['loss_reconstruction']) > 0


def test_initialisation_copies_the_student() -> None:
    model = student()
    model.init_weights()
    for own, online in (
        (model.target.encoder, model.encoder),
        (model.target.decoder, model.decoder),
    ):
        for mine, theirs in zip(own.parameters(), online.parameters(), strict=True):
            assert torch.equal(mine, theirs)
    assert 0.01 < float(model.decoder.mask_token.std()) < 0.04  # type: ignore[union-attr,operator]


def test_bad_input() -> None:
    model = student()
    with pytest.raises(ValueError, match=r'T >= 1, got \(2, 3, 16, 16\)'):
        model(torch.zeros(2, 3, 16, 16), mode='loss')
    with pytest.raises(ValueError, match='momentum must be'):
        model.update_target(1.5)
    consistency = dict(type='ReconstructionConsistencyLoss', weight=-1)
    with pytest.raises(ValueError, match='weight must not be negative'):
        MODELS.build(config('RCMAE', consistency_loss=consistency))
