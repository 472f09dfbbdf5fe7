"""Switches beyond the paper: a target with gradient, pairs both ways, GRN by batch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from tests.models.common import SMALL_ARCH, build, randomise
from videomac.models import EMATarget, PatchSparse, SharedTarget, VideoMAC
from videomac.models.encoders.released import BatchGRN, use_batch_grn
from videomac.registry import MODELS
from videomac.sparse import MaskedDense, PatchGrid

FRAMES = torch.randn(2, 2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
SHARED = dict(type='SharedTarget')


def losses_of(model: VideoMAC, frames: Tensor = FRAMES, seed: int = 0) -> Any:
    torch.manual_seed(seed)  # of the masks
    return model(frames, mode='loss')


def test_a_shared_target_trains_with_the_gradient_of_both_frames() -> None:
    model = build(target=SHARED)
    losses = losses_of(model)
    sum(losses.values()).backward()
    got = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    # The formula, spelt out: two passes of one network, three terms, one backward.
    torch.manual_seed(0)
    grid, _ = model.masking(2, (64, 96), 2)
    first, second = (model.reconstruct(model, FRAMES[:, t], grid) for t in (0, 1))
    loss = model.reconstruction_loss
    wanted = loss(first, FRAMES[:, 0], grid) + loss(second, FRAMES[:, 1], grid)
    masked = grid.masked.flatten(1).float()
    gap = ((first - second).square().mean(-1) * masked).sum() / masked.sum()
    (wanted + gap).backward()
    assert torch.allclose(sum(losses.values()), wanted + gap)
    for name, parameter in model.named_parameters():
        assert got[name] is not None, name
        torch.testing.assert_close(got[name], parameter.grad)


def test_a_shared_target_without_gradient_is_an_ema_of_momentum_zero() -> None:
    """The values agree, the gradient of L_t does not."""
    shared, still = build(target=SHARED), build()
    still.update_target(0.0)
    ours, theirs = losses_of(shared), losses_of(still)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value)
    assert ours['loss_target'].requires_grad
    assert not theirs['loss_target'].requires_grad


def test_a_shared_target_has_no_weights_and_survives_a_copy() -> None:
    model = build(target=SHARED)
    assert isinstance(model.target, SharedTarget)
    assert not any(name.startswith('target') for name in model.state_dict())
    assert len(list(model.parameters())) == len(
        [*model.encoder.parameters(), *model.decoder.parameters()]
    )
    model.update_target(0.5)
    copied = copy.deepcopy(model)
    assert copied.target is not None
    assert copied.target.encoder is copied.encoder
    assert isinstance(build().target, EMATarget)


def test_prediction_remembers_no_gradient() -> None:
    (sample, _) = build(target=SHARED).predict(FRAMES)
    assert not sample.reconstruction.requires_grad


@pytest.mark.parametrize('target', [SHARED, dict(type='EMATarget')])
def test_a_symmetric_pair_averages_both_directions(target: dict[str, Any]) -> None:
    both, one = (build(target=target, symmetric_pair=s) for s in (True, False))
    torch.manual_seed(0)
    forth = one(FRAMES, mode='loss')
    back = one(FRAMES[:, [1, 0]], mode='loss')  # the next masks of the generator
    for name, value in losses_of(both).items():
        torch.testing.assert_close(value, (forth[name] + back[name]) / 2)


def test_a_symmetric_pair_needs_two_networks() -> None:
    with pytest.raises(ValueError, match='symmetric_pair'):
        build(target=None, consistency_loss=None, symmetric_pair=True)


def grn_encoder(**changes: Any) -> Any:
    init_default_scope('videomac')
    stock = dict(type='mmpretrain.ConvNeXt', arch=SMALL_ARCH, use_grn=True)
    stock |= dict(layer_scale_init_value=0.0, gap_before_final_norm=False)
    torch.manual_seed(0)
    encoder = MODELS.build(dict(type='WithBatchGRN', encoder=stock | changes))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder


def test_batch_grn_mixes_samples_where_the_map_is_sparse_alone() -> None:
    encoder = grn_encoder()
    generator = torch.Generator().manual_seed(2)
    images, others = torch.randn(2, 2, 3, 64, 64, generator=generator)
    others[0] = images[0]
    grid = PatchGrid.full(2, (64, 64), 32, images.device)
    sparse = PatchSparse()
    first, changed = (sparse.encode(encoder, each, grid) for each in (images, others))
    assert not torch.allclose(first[0], changed[0], atol=1e-3)
    torch.testing.assert_close(encoder(images)[0][0], encoder(others)[0][0])


def test_batch_grn_keeps_the_stock_names() -> None:
    stock = dict(type='mmpretrain.ConvNeXt', arch=SMALL_ARCH, use_grn=True)
    stock |= dict(layer_scale_init_value=0.0, gap_before_final_norm=False)
    assert list(grn_encoder().state_dict()) == list(MODELS.build(stock).state_dict())


def test_batch_grn_with_convolutions_for_the_linear_layers() -> None:
    linear, conv = grn_encoder(), grn_encoder(linear_pw_conv=False)
    shapes = {name: value.shape for name, value in conv.state_dict().items()}
    state = linear.state_dict()
    conv.load_state_dict({n: value.view(shapes[n]) for n, value in state.items()})
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    images[1] *= 5
    visible = torch.tensor([[[1, 0], [0, 1]], [[0, 1], [1, 1]]], dtype=torch.bool)
    grid = PatchGrid.from_mask(visible, 32)
    for backend in (PatchSparse(), MaskedDense()):
        found, expected = (backend.encode(n, images, grid) for n in (conv, linear))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_batch_grn_keeps_trained_parameters() -> None:
    stock = dict(type='mmpretrain.ConvNeXt', arch=SMALL_ARCH, use_grn=True)
    stock |= dict(layer_scale_init_value=0.0, gap_before_final_norm=False)
    encoder = MODELS.build(stock).double()
    randomise(encoder)
    encoder.stages[0].requires_grad_(False)
    before = [(p, p.detach().clone()) for p in encoder.parameters()]
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = encoder(images)[0]
    use_batch_grn(encoder)
    assert isinstance(encoder.stages[0][0].grn, BatchGRN)
    for now, (parameter, value) in zip(encoder.parameters(), before, strict=True):
        assert now is parameter
        assert torch.equal(now, value)
    assert torch.equal(encoder(images)[0], expected)


def test_batch_grn_needs_grn() -> None:
    with pytest.raises(ValueError, match='no ConvNeXt block with GRN'):
        grn_encoder(use_grn=False)
