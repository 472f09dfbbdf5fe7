"""The algorithm: losses, gradients, leaks, modes, shapes, errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.models.common import build, config
from videomac.models import VideoMAC
from videomac.models.patches import normalize_patches, patchify
from videomac.models.videomac import latent_shape
from videomac.registry import MODELS
from videomac.sparse import PatchGrid

FRAMES = (2, 2, 3, 96, 64)


def fix_masks(model: VideoMAC, grids: list[PatchGrid]) -> None:
    """Let the model draw the given masks."""
    patch_size = model.masking.patch_size

    class Fixed:
        def __call__(self, *args: Any, **kwargs: Any) -> list[PatchGrid]:
            return grids

    Fixed.patch_size = patch_size  # type: ignore[attr-defined]
    model.masking = Fixed()


def grids(symmetric: bool) -> list[PatchGrid]:
    generator = torch.Generator().manual_seed(7)
    made = []
    for _ in range(1 if symmetric else 2):
        order = torch.rand(2, 6, generator=generator).argsort(1)
        made.append(PatchGrid.from_mask((order < 3).view(2, 3, 2), 32))
    return made * 2 if symmetric else made


def plain_losses(model: VideoMAC, frames: Tensor, masks: list[PatchGrid]) -> list[Tensor]:
    """Equations 1 to 3 written with the dense reference encoder and no package helper."""
    reference = MODELS.build(dict(type='MaskedDense'))
    predictions, losses = [], []
    for network, images, grid in zip(
        (model, model.target), frames.unbind(1), masks, strict=True
    ):
        latent = reference.encode(network.encoder, images, grid)  # type: ignore[union-attr]
        hidden = grid.masked[:, None].float()
        decoder: Any = network.decoder  # type: ignore[union-attr]
        x = F.conv2d(latent, decoder.proj.weight, decoder.proj.bias)
        x = x * (1 - hidden) + decoder.mask_token * hidden
        for block in decoder.blocks:
            x = block(x)
        x = F.conv2d(x, decoder.pred.weight, decoder.pred.bias)
        predictions.append(torch.einsum('bcl->blc', x.flatten(2)))
        target = patchify(images, 32)
        target = (target - target.mean(-1, keepdim=True)) / (
            target.var(-1, keepdim=True) + 1e-6
        ) ** 0.5
        weight = hidden.flatten(1)
        error = ((predictions[-1] - target) ** 2).mean(-1)
        losses.append((error * weight).sum() / weight.sum())
    weight = masks[0].masked.flatten(1).float()
    tie = ((predictions[0] - predictions[1]) ** 2).mean(-1)
    return [*losses, (tie * weight).sum() / weight.sum()]


@pytest.mark.parametrize('symmetric', [True, False])
@pytest.mark.parametrize('backend', ['PatchSparse', 'MaskedDense'])
def test_losses_equal_the_plain_statement(symmetric: bool, backend: str) -> None:
    model = build(sparse=dict(type=backend)).train()
    model.update_target(0.5)
    frames = torch.randn(FRAMES)
    masks = grids(symmetric)
    fix_masks(model, masks)
    losses = model(frames, mode='loss')
    assert list(losses) == ['loss_online', 'loss_target', 'loss_consistency']
    for got, expected in zip(
        losses.values(), plain_losses(model, frames, masks), strict=True
    ):
        assert float(got) == pytest.approx(float(expected), abs=1e-6, rel=1e-6)


def test_gradients_reach_every_online_parameter_and_none_of_the_target() -> None:
    model = build().train()
    sum(model(torch.randn(FRAMES), mode='loss').values()).backward()
    for name, parameter in model.named_parameters():
        if name.startswith('target.'):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_target_loss_moves_nothing_and_consistency_only_the_online_network() -> None:
    model = build().train()
    losses = model(torch.randn(FRAMES), mode='loss')
    assert not losses['loss_target'].requires_grad
    losses['loss_consistency'].backward()
    assert model.encoder.downsample_layers[0][0].weight.grad is not None


def test_without_the_target_loss_the_gradients_stay() -> None:
    frames, masks = torch.randn(FRAMES), grids(symmetric=True)
    gradients = []
    for target_loss in (True, False):
        model = build(target_loss=target_loss).train()
        model.update_target(0.5)
        fix_masks(model, masks)
        losses = model(frames, mode='loss')
        assert ('loss_target' in losses) == target_loss
        sum(losses.values()).backward()
        gradients.append([p.grad for p in model.encoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize('symmetric', [True, False])
def test_masked_pixels_change_nothing_before_the_loss(symmetric: bool) -> None:
    model = build().eval()
    frames, masks = torch.randn(FRAMES), grids(symmetric)
    changed = frames.clone()
    for t, grid in enumerate(masks):
        hidden = grid.masked.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
        changed[:, t] = torch.where(hidden, torch.randn_like(changed[:, t]), frames[:, t])
    assert not torch.equal(frames, changed)
    for grid, a, b in zip(masks, frames.unbind(1), changed.unbind(1), strict=True):
        assert torch.equal(
            model.reconstruct(model, a, grid), model.reconstruct(model, b, grid)
        )


def test_single_frames_are_a_config() -> None:
    model = build(target=None, consistency_loss=None).train()
    losses = model(torch.randn(2, 1, 3, 64, 64), mode='loss')
    assert list(losses) == ['loss_online']
    losses['loss_online'].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert len(model(torch.randn(2, 1, 3, 64, 64), mode='predict')) == 2


def test_tensor_mode_is_the_dense_encoder() -> None:
    model = build().eval()
    frames = torch.randn(FRAMES)
    features = model(frames)
    assert features.shape == (2, 2, 32, 3, 2)
    assert torch.allclose(features[:, 1], model.encoder(frames[:, 1])[-1], atol=1e-6)


def test_the_method_of_the_paper_is_the_default() -> None:
    short = config()
    for key in ('target', 'consistency_loss'):
        del short[key]
    model: VideoMAC = MODELS.build(short)
    assert type(model.target).__name__ == 'EMATarget'
    assert type(model.sparse).__name__ == 'PatchSparse'
    losses = model(torch.randn(FRAMES), mode='loss')
    assert list(losses) == ['loss_online', 'loss_target', 'loss_consistency']


def test_predictions_are_pictures() -> None:
    model = build().eval()
    masks = grids(symmetric=False)
    fix_masks(model, masks)
    samples = model(torch.randn(FRAMES), mode='predict')
    for b, sample in enumerate(samples):
        assert sample.frames.shape == sample.pasted.shape == (2, 3, 96, 64)
        assert sample.visible.shape == (2, 1, 96, 64)
        for t, grid in enumerate(masks):
            assert torch.equal(sample.visible[t, 0, ::32, ::32], grid.visible[b])
        seen = sample.visible.expand_as(sample.frames)
        assert torch.equal(sample.pasted[seen], sample.frames[seen])
        assert torch.equal(sample.pasted[~seen], sample.reconstruction[~seen])
        assert sample.frames.min() >= 0
        assert sample.frames.max() <= 1


def test_a_perfect_prediction_paints_the_frame() -> None:
    model = build().eval()
    images, grid = torch.rand(2, 3, 64, 64), PatchGrid.full(2, (64, 64), 32)
    values = patchify(images, 32)
    perfect = (values - values.mean(-1, keepdim=True)) / (
        values.var(-1, keepdim=True) + 1e-6
    ).sqrt()
    painted = model.paint(images, perfect, grid)
    assert torch.allclose(painted['reconstruction'], painted['frames'], atol=1e-5)


def test_doubles_are_not_rounded() -> None:
    model = build().double().train()
    model.update_target(0.5)
    frames, masks = torch.randn(FRAMES, dtype=torch.float64), grids(symmetric=False)
    fix_masks(model, masks)
    losses = model(frames, mode='loss')
    for got, expected in zip(
        losses.values(), plain_losses(model, frames, masks), strict=True
    ):
        assert got.dtype == torch.float64
        assert float(got) == pytest.approx(float(expected), rel=1e-12)
    images = frames[:, 0]
    perfect = normalize_patches(patchify(images, 32))
    painted = model.paint(images, perfect, masks[0])
    torch.testing.assert_close(
        painted['reconstruction'], painted['frames'], rtol=0, atol=1e-12
    )


class Flat(nn.Module):
    """An encoder whose vertical stride is twice the horizontal one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (32, 16), (32, 16))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def test_an_encoder_with_unequal_strides_is_refused() -> None:
    backend = MODELS.build(dict(type='PatchSparse'))
    with pytest.raises(ValueError, match='Flat makes 1 rows and 2 columns of cells'):
        latent_shape(Flat(), backend, 32)


@pytest.mark.parametrize('backend', ['PatchSparse', 'MaskedDense'])
def test_encoders_that_take_no_single_cell(backend: str) -> None:
    """On images of usual sizes they work."""
    encoder = nn.Sequential(
        nn.Conv2d(3, 6, 4, 4),
        nn.BatchNorm2d(6, track_running_stats=False),
        nn.Conv2d(6, 5, 7, 2, padding=3, padding_mode='reflect'),
    )
    encoder.train()
    made = MODELS.build(dict(type=backend))
    assert latent_shape(encoder, made, 8) == (5, 8)
    assert encoder.training
    broken = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Conv2d(7, 5, 2, 2))
    with pytest.raises((RuntimeError, ValueError), match=r'\[1, 6, 2, 2\]|6.*7|7.*6'):
        latent_shape(broken, made, 8)


@pytest.mark.parametrize(('patch_size', 'image'), [(32, 224), (64, 128), (96, 192)])
def test_widths_and_strides_follow_from_encoder_and_patch(
    patch_size: int, image: int
) -> None:
    model = build(
        masking=dict(type='RandomPatchMasking', patch_size=patch_size, ratio=0.5)
    )
    losses = model(torch.randn(1, 2, 3, image, image + patch_size), mode='loss')
    decoder: Any = model.decoder
    assert decoder.proj.in_channels == 32
    assert decoder.cell_size == 32
    assert all(torch.isfinite(value) for value in losses.values())


def test_losses_are_float32_under_autocast() -> None:
    model = build().train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(torch.randn(FRAMES), mode='loss')
    assert {value.dtype for value in losses.values()} == {torch.float32}
    sum(losses.values()).backward()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(target=None), 'consistency_loss compares'),
        (dict(masking=dict(type='RandomPatchMasking', patch_size=16)), 'at least 32'),
        (
            dict(encoder=dict(type='mmpretrain.ConvNeXt', arch='atto')),
            'gap_before_final_norm',
        ),
    ],
)
def test_configs_that_cannot_work_say_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        build(**changes)


@pytest.mark.parametrize(
    ('path', 'key'),
    [
        ((), 'maskin'),
        (('masking',), 'mask_ratio'),
        (('decoder',), 'width'),
        (('target',), 'momentum'),
        (('consistency_loss',), 'gamma'),
    ],
)
def test_unknown_config_keys_are_named(path: tuple[str, ...], key: str) -> None:
    cfg = config()
    node = cfg
    for part in path:
        node[part] = dict(node[part])
        node = node[part]
    node[key] = 1
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{key}'"):
        MODELS.build(cfg)


@pytest.mark.parametrize(
    ('shape', 'mode', 'message'),
    [
        ((2, 3, 64, 64), 'loss', r'\[B, T, 3, H, W\]'),
        ((2, 1, 3, 64, 64), 'loss', 'T >= 2 frames'),
        ((2, 2, 3, 64, 70), 'loss', 'width 70 is not a multiple of 32'),
        ((2, 2, 3, 64, 64), 'train', "mode must be 'loss', 'predict' or 'tensor'"),
    ],
)
def test_wrong_inputs_are_named(shape: tuple[int, ...], mode: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()(torch.zeros(shape), mode=mode)
