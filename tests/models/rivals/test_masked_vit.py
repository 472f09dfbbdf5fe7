"""The ViT of visible patches: against mmpretrain's, and a loop in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.models import VisionTransformer

from tests.models.common import randomise
from tests.models.rivals import oracle
from tests.models.rivals.tiny import ARCH, PATCH
from videomac.models.masking import RandomPatchMasking
from videomac.models.rivals.masked_vit import MaskedViT, visible_places
from videomac.models.rivals.positions import sincos_positions
from videomac.sparse import PatchGrid


def vit(size: int = 16) -> MaskedViT:
    """A small ViT in float64 without trivial weights, its positions as they should be."""
    network = MaskedViT(arch=ARCH, img_size=size, patch_size=PATCH)
    fixed = network.pos_embed.detach().clone()
    randomise(network)
    network.pos_embed.data.copy_(fixed)
    return network.double()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 4),
    cols=st.integers(1, 4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_visible_patches_against_loops(
    rows: int, cols: int, batch: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = (rows * PATCH, cols * PATCH)
    network = MaskedViT(arch=ARCH, img_size=size, patch_size=PATCH)
    randomise(network)
    network.double()
    images = torch.randn(batch, 3, *size, dtype=torch.float64, generator=generator)
    count = int(torch.randint(1, rows * cols + 1, (), generator=generator))
    noise = torch.rand(batch, rows * cols, generator=generator)
    places = noise.argsort(1)[:, :count].sort(1).values
    visible = torch.zeros(batch, rows * cols, dtype=torch.bool).scatter(1, places, True)
    grid = PatchGrid.from_mask(visible.view(batch, rows, cols), PATCH)
    assert torch.equal(visible_places(grid), places)
    tokens = network.encode(images, grid)
    state = oracle.weights(network)
    for b in range(batch):
        want = oracle.encode(images[b].numpy(), places[b].tolist(), state, 2)
        np.testing.assert_allclose(tokens[b].detach().numpy(), want, atol=1e-9)


@pytest.mark.parametrize('size', [(16, 16), (24, 12)])
def test_whole_images_are_those_of_mmpretrain(size: tuple[int, int]) -> None:
    """Also with the weights loaded into mmpretrain's own class, strictly."""
    network = vit()
    stock = VisionTransformer(
        arch=ARCH, img_size=16, patch_size=PATCH, out_type='featmap'
    ).double()
    stock.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    (want,) = stock(images)
    (got,) = network(images)
    torch.testing.assert_close(got, want)
    for grid in (None, PatchGrid.full(2, size, PATCH)):
        tokens = network.encode(images, grid)[:, 1:]
        torch.testing.assert_close(tokens.mT.unflatten(2, want.shape[2:]), want)


def test_masked_patches_are_not_seen() -> None:
    """What lies in masked patches changes no token and gets no gradient."""
    network = vit()
    (grid,) = RandomPatchMasking(PATCH, 0.7)(3, (16, 16), 1)
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    hidden = ~grid.cell_mask(PATCH, PATCH)[:, None].expand_as(images)
    tokens = network.encode(images, grid)
    (gradient,) = torch.autograd.grad(tokens.square().sum(), images)
    assert not gradient[hidden].any()
    assert gradient[~hidden].all()
    other = torch.where(hidden, torch.full_like(images, 1e3), images)
    assert torch.equal(network.encode(other, grid), tokens)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9), cols=st.integers(1, 9), dim=st.sampled_from([4, 8, 12, 20])
)
def test_positions_against_loops(rows: int, cols: int, dim: int) -> None:
    table = sincos_positions(rows, cols, dim)[0].numpy()
    assert table.shape == (1 + rows * cols, dim)
    assert not table[0].any()
    for place, values in enumerate(table[1:]):
        want = oracle.position(place // cols, place % cols, dim)
        np.testing.assert_allclose(values, want, atol=1e-5)


def test_initialisation_is_that_of_mae() -> None:
    network = MaskedViT(arch=ARCH | dict(embed_dims=64), img_size=64, patch_size=16)
    network.init_weights()
    assert torch.equal(network.pos_embed, sincos_positions(4, 4, 64))
    assert not network.pos_embed.requires_grad
    # Xavier of the flattened kernel, uniform: standard deviation sqrt(2 / (in + out)).
    kernel = network.patch_embed.projection.weight
    want = (2 / (3 * 16 * 16 + 64)) ** 0.5
    assert float(kernel.detach().std()) == pytest.approx(want, rel=0.05)
    assert 0.01 < float(network.cls_token.detach().std()) < 0.03
    assert not any(block.attn.qkv.bias.any() for block in network.layers)


def test_grids_that_do_not_fit() -> None:
    network = vit()
    images = torch.zeros(2, 3, 16, 16, dtype=torch.float64)
    with pytest.raises(ValueError, match='2 images with 2x2 patches does not fit 2'):
        network.encode(images, PatchGrid.full(2, (16, 16), 8))
    with pytest.raises(ValueError, match='grid of 3 images'):
        network.encode(images, PatchGrid.full(3, (16, 16), PATCH))
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, 0, 0] = mask[1, 0, :2] = True
    with pytest.raises(ValueError, match=r'same number.*got \[1, 2\]'):
        network.encode(images, PatchGrid.from_mask(mask, PATCH))
    with pytest.raises(ValueError, match=r'width of a network.*6.*multiple of 4'):
        sincos_positions(2, 2, 6)


def test_positions_are_kept_for_each_device() -> None:
    """A ViT that was built without data must not leave its table to one with data."""
    with torch.device('meta'):
        assert sincos_positions(3, 5, 12).is_meta
    table = sincos_positions(3, 5, 12)
    assert table.device.type == 'cpu'
    with torch.device('meta'):
        assert sincos_positions(3, 5, 12, torch.device('cpu')) is table
