"""SiamMAE and CropMAE: loss, masks, and who sees what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.structures import DataSample

from tests.models.rivals import oracle
from tests.models.rivals.tiny import PATCH, build, config
from videomac.models import CropMAE, SiamMAE
from videomac.models.masking import RandomPatchMasking
from videomac.models.rivals.masked_vit import visible_places
from videomac.registry import MODELS
from videomac.sparse import PatchGrid


def siamese(ratio: float = 0.5) -> SiamMAE:
    """A small SiamMAE."""
    model = build('SiamMAE', ratio)
    assert isinstance(model, SiamMAE)
    return model


def frames(batch: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Pairs of noise frames."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, 3, *size, dtype=torch.float64, generator=generator)


class Fixed:
    """A masking generator that gives one grid and notes what it is asked for."""

    patch_size = PATCH

    def __init__(self, grid: PatchGrid) -> None:
        self.grid = grid
        self.asked: list[Any] = []

    def __call__(self, *args: Any) -> list[PatchGrid]:
        self.asked.append(args)
        return [self.grid]


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 3),
    ratio=st.sampled_from([0.3, 0.6, 0.9]),
    seed=st.integers(0, 99),
)
def test_loss_against_loops(batch: int, ratio: float, seed: int) -> None:
    """The whole method in numpy: two encodings, the decoder, the loss."""
    model = siamese(ratio)
    inputs = frames(batch, (16, 16), seed)
    torch.manual_seed(seed)
    got = model(inputs, mode='loss')
    assert list(got) == ['loss_reconstruction']
    torch.manual_seed(seed)
    (grid,) = model.masking(batch, (16, 16), 1, inputs.device)
    places = visible_places(grid).tolist()
    encoder, decoder = oracle.weights(model.encoder), oracle.weights(model.decoder)
    predictions = []
    for (past, future), visible in zip(inputs.numpy(), places, strict=True):
        memory = oracle.encode(past, range(16), encoder, 2)
        tokens = oracle.encode(future, visible, encoder, 2)
        predictions.append(oracle.decode(tokens, visible, (4, 4), decoder, 3, memory))
    # Positions of the decoder and the loss itself are in float32.
    want = oracle.reconstruction_loss(predictions, inputs[:, 1].numpy(), places, PATCH)
    assert float(got['loss_reconstruction'].detach()) == pytest.approx(want, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(2, 5), cols=st.integers(2, 5), batch=st.integers(1, 3))
def test_any_size_of_frames(rows: int, cols: int, batch: int) -> None:
    model = siamese()
    inputs = frames(batch, (rows * PATCH, cols * PATCH))
    (grid,) = model.masking(batch, (rows * PATCH, cols * PATCH), 1)
    prediction = model.reconstruct(inputs[:, 0], inputs[:, 1], grid)
    assert prediction.shape == (batch, rows * cols, 3 * PATCH**2)
    assert model(inputs).shape == (batch, 2, 8, rows, cols)


@pytest.mark.parametrize(('ratio', 'visible'), [(0.95, 9), (0.985, 2), (0.75, 49)])
def test_masking_ratios(ratio: float, visible: int) -> None:
    """Of 14x14 patches: the papers' numbers of visible ones, in every sample."""
    (grid,) = RandomPatchMasking(16, ratio)(5, (224, 224), 1)
    assert grid.visible.flatten(1).sum(1).tolist() == [visible] * 5
    rows = {tuple(row) for row in visible_places(grid).tolist()}
    assert len(rows) == 5


def test_only_the_future_frame_is_masked() -> None:
    """Hidden future pixels change nothing; every pixel of the past changes all of it."""
    model = siamese(0.8)
    inputs = frames(2, (16, 16)).requires_grad_()
    (grid,) = model.masking(2, (16, 16), 1)
    prediction = model.reconstruct(inputs[:, 0], inputs[:, 1], grid)
    hidden = ~grid.cell_mask(PATCH, PATCH)[:, None].expand(2, 3, 16, 16)
    (gradient,) = torch.autograd.grad(
        (prediction * torch.randn_like(prediction)).sum(), inputs
    )
    assert not gradient[:, 1][hidden].any()
    assert gradient[:, 1][~hidden].all()
    assert gradient[:, 0].all()
    with torch.no_grad():
        noise = torch.where(hidden, 50 + inputs[:, 1], inputs[:, 1])
        assert torch.equal(model.reconstruct(inputs[:, 0], noise, grid), prediction)
        other = inputs[:, 0].clone()
        other[0, :, :4, :4] += 1
        changed = (model.reconstruct(other, inputs[:, 1], grid) - prediction).abs()
    assert changed[0].amin(-1).min() > 0
    assert not changed[1].any()


def test_only_masked_patches_carry_loss() -> None:
    model = siamese(0.6)
    inputs = frames(2, (16, 16))
    (grid,) = model.masking(2, (16, 16), 1)
    prediction = torch.randn(2, 16, 3 * PATCH**2, dtype=torch.float64, requires_grad=True)
    loss = model.reconstruction_loss(prediction, inputs[:, 1], grid)
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert torch.equal(gradient.ne(0).all(-1), grid.masked.flatten(1))
    assert torch.equal(gradient.ne(0).any(-1), grid.masked.flatten(1))


def test_the_mask_is_drawn_for_one_frame() -> None:
    model = siamese()
    grid = PatchGrid.from_mask(torch.eye(4, dtype=torch.bool).expand(2, 4, 4), PATCH)
    fixed = Fixed(grid)
    model.masking = fixed
    inputs = frames(2, (16, 16))
    loss = model(inputs, mode='loss')['loss_reconstruction']
    assert fixed.asked == [(2, (16, 16), 1, inputs.device)]
    want = model.reconstruction_loss(
        model.reconstruct(inputs[:, 0], inputs[:, 1], grid), inputs[:, 1], grid
    )
    assert torch.equal(loss, want)


def test_past_and_future_share_one_encoder() -> None:
    """Its gradient is the sum of those of two copies, one for each frame."""
    model = siamese()
    inputs = frames(2, (16, 16))
    (grid,) = model.masking(2, (16, 16), 1)
    twin = siamese().encoder
    twin.load_state_dict(model.encoder.state_dict())
    weight, other = (net.layers[0].attn.qkv.weight for net in (model.encoder, twin))
    prediction = model.reconstruct(inputs[:, 0], inputs[:, 1], grid)
    (both,) = torch.autograd.grad(prediction.square().sum(), weight)
    apart = model.decoder(
        model.encoder.encode(inputs[:, 1], grid), grid, twin.encode(inputs[:, 0])
    )
    future, past = torch.autograd.grad(apart.square().sum(), (weight, other))
    torch.testing.assert_close(both, future + past)
    assert past.abs().max() > 0


@pytest.mark.parametrize('method', ['SiamMAE', 'CropMAE', 'RCMAE'])
def test_every_parameter_learns(method: str) -> None:
    """All that needs a gradient gets one, so that no parameter is unused (DDP)."""
    model = build(method)
    sum(model(frames(2, (16, 16)), mode='loss').values()).backward()  # type: ignore[union-attr]
    missing = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert not missing
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert {n for n in frozen if not n.startswith('target.')} == {'encoder.pos_embed'}


def test_cropmae_is_siammae_of_one_frame() -> None:
    crop, siam = build('CropMAE'), siamese()
    assert isinstance(crop, CropMAE)
    siam.load_state_dict(crop.state_dict())
    inputs = frames(2, (16, 16))
    losses = []
    one = [DataSample(metainfo=dict(frame_indices=[3])) for _ in range(2)]
    for model in (crop, siam):
        torch.manual_seed(0)
        losses.append(model(inputs, one, mode='loss')['loss_reconstruction'])
    assert torch.equal(*losses)
    pairs = [DataSample(metainfo=dict(frame_indices=[3, 4])) for _ in range(2)]
    with pytest.raises(ValueError, match=r'two crops of one frame, got frames \[3, 4\]'):
        crop(inputs, pairs, mode='loss')


def test_bad_input() -> None:
    model = siamese()
    with pytest.raises(ValueError, match=r'T >= 2, got \(2, 1, 3, 16, 16\)'):
        model(torch.zeros(2, 1, 3, 16, 16), mode='loss')
    with pytest.raises(ValueError, match=r'got \(2, 3, 16, 16\)'):
        model(torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="'loss' or 'tensor', got 'predict'"):
        model(frames(1, (16, 16)), mode='predict')
    with pytest.raises(ValueError, match='multiple of 4'):
        model(frames(1, (16, 18)), mode='loss')
    masking = dict(type='RandomPatchMasking', patch_size=8)
    with pytest.raises(ValueError, match=r'masking\.patch_size=8 and encoder.*=4'):
        MODELS.build(config('SiamMAE', masking=masking))
    for change, what in (
        (dict(depth=0), 'depth must be at least 1, got 0'),
        (dict(dim=10), 'dim=10 and num_heads=3'),
        (dict(dim=16), 'dim=16 and num_heads=3'),
    ):
        decoder = config('SiamMAE')['decoder'] | change
        with pytest.raises(ValueError, match=what):
            MODELS.build(config('SiamMAE', decoder=decoder))


def test_losses_do_not_depend_on_the_place_in_the_batch() -> None:
    """Each sample attends to its own past only."""
    model = siamese()
    inputs = frames(3, (16, 16))
    mask = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.4
    grid = PatchGrid.from_mask(mask.expand(3, 4, 4), PATCH)
    alone = PatchGrid.from_mask(mask, PATCH)
    together = model.reconstruct(inputs[:, 0], inputs[:, 1], grid)
    for b in range(3):
        one = model.reconstruct(inputs[b, :1], inputs[b, 1:], alone)
        np.testing.assert_allclose(
            together[b].detach().numpy(), one[0].detach().numpy(), atol=1e-10
        )
