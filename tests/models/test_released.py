"""Released variants against an independent statement, in the released layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.checkpoints.layouts import Maker
from tests.models import released_reference as reference
from tests.models.common import build
from videomac.checkpoints.released_layout import convert_released
from videomac.models import VideoMAC
from videomac.sparse import PatchGrid

WIDTHS = [8, 12, 16, 20]
DEPTHS = [1, 2, 1, 1]


class Released(Maker):
    """Random parameters under the names and shapes of a released checkpoint."""

    def linear(self, name: str, width_in: int, width_out: int) -> None:
        self.add(f'{name}.weight', width_out, width_in)
        self.add(f'{name}.bias', width_out)

    def dense_conv(self, name: str, width_in: int, width_out: int, size: int) -> None:
        self.add(f'{name}.weight', width_out, width_in, size, size)
        self.add(f'{name}.bias', width_out)

    def block(self, name: str, width: int, grn: bool = True) -> None:
        self.add(f'{name}.dwconv.kernel', 49, width)
        self.add(f'{name}.dwconv.bias', 1, width)
        self.norm(f'{name}.norm.ln', width)
        self.linear(f'{name}.pwconv1.linear', width, 4 * width)
        self.linear(f'{name}.pwconv2.linear', 4 * width, width)
        if grn:
            self.add(f'{name}.grn.gamma', 1, 4 * width)
            self.add(f'{name}.grn.beta', 1, 4 * width)

    def decoder(self, width_in: int, width: int, patch: int, depth: int = 1) -> None:
        self.dense_conv('proj', width_in, width, 1)
        self.add('mask_token', 1, width, 1, 1)
        for i in range(depth):
            name = f'decoder.{i}'
            self.dense_conv(f'{name}.dwconv', 1, width, 7)
            self.norm(f'{name}.norm', width)
            self.linear(f'{name}.pwconv1', width, 4 * width)
            self.linear(f'{name}.pwconv2', 4 * width, width)
            self.add(f'{name}.grn.gamma', 1, 1, 1, 4 * width)
            self.add(f'{name}.grn.beta', 1, 1, 1, 4 * width)
        self.dense_conv('pred', width, 3 * patch**2, 1)


def released_convnext(grn: bool) -> Released:
    made = Released()
    made.dense_conv('encoder.downsample_layers.0.0', 3, WIDTHS[0], 4)
    made.norm('encoder.downsample_layers.0.1', WIDTHS[0])
    for i in range(4):
        if i:
            down = f'encoder.downsample_layers.{i}'
            made.norm(f'{down}.0.ln', WIDTHS[i - 1])
            made.add(f'{down}.1.kernel', 4, WIDTHS[i - 1], WIDTHS[i])
            made.add(f'{down}.1.bias', 1, WIDTHS[i])
        for j in range(DEPTHS[i]):
            made.block(f'encoder.stages.{i}.{j}', WIDTHS[i], grn)
        made.norm(f'encoder.norm{i}.ln', WIDTHS[i])
    made.decoder(WIDTHS[3], 16, 32, depth=2)
    return made


def released_isotropic() -> Released:
    made = Released()
    made.dense_conv('encoder.stem', 3, 12, 16)
    for j in range(3):
        made.block(f'encoder.blocks.{j}', 12)
    made.norm('encoder.norm.ln', 12)
    made.decoder(12, 16, 16, depth=2)
    return made


def released_resnet(depth: int) -> Released:
    made, width = Released(), 64
    made.dense_conv('encoder.stem.0', 3, 64, 4)
    made.norm('encoder.stem.1', 64)
    counts = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}[depth]
    for i, count in enumerate(counts):
        mid = 64 * 2**i
        out = mid * (4 if depth == 50 else 1)
        for j in range(count):
            name = f'encoder.layer{i + 1}.{j}'
            if depth == 50:
                shapes = [(width, mid), (9, mid, mid), (mid, out)]
            else:
                shapes = [(9, width, mid), (9, mid, mid)]
            for k, shape in enumerate(shapes, 1):
                made.add(f'{name}.conv{k}.kernel', *shape)
                made.state[f'{name}.conv{k}.kernel'] *= 0.1
                made.norm(f'{name}.norm{k}.ln', shape[-1])
            if j == 0 and (i or width != out):
                made.add(f'{name}.downsample.0.kernel', width, out)
                made.norm(f'{name}.downsample.1.ln', out)
            width = out
    made.decoder(width, 16, 32, depth=2)
    return made


ARCH = dict(depths=DEPTHS, channels=WIDTHS)
CASES: dict[str, tuple[Any, dict[str, Any], int, Any]] = {
    'convnextv2': (
        lambda: released_convnext(True),
        dict(type='ReleasedConvNeXt', arch=ARCH, use_grn=True, batch_grn=True),
        32,
        lambda state, x, m: reference.convnext(state, x, m, DEPTHS),
    ),
    'convnextv1': (
        lambda: released_convnext(False),
        dict(type='ReleasedConvNeXt', arch=ARCH, use_grn=False),
        32,
        lambda state, x, m: reference.convnext(state, x, m, DEPTHS),
    ),
    'isotropic': (
        released_isotropic,
        dict(type='IsotropicConvNeXt', depth=3, dim=12, batch_grn=True),
        16,
        lambda state, x, m: reference.isotropic(state, x, m, 3),
    ),
    'resnet18': (
        lambda: released_resnet(18),
        dict(type='ReleasedResNet', depth=18),
        32,
        lambda state, x, m: reference.resnet(state, x, m, [2, 2, 2, 2]),
    ),
    'resnet50': (
        lambda: released_resnet(50),
        dict(type='ReleasedResNet', depth=50),
        32,
        lambda state, x, m: reference.resnet(state, x, m, [3, 4, 6, 3]),
    ),
}


def load(case: str, backend: str) -> tuple[VideoMAC, dict[str, Tensor], int, Any]:
    make, encoder, patch, forward = CASES[case]
    state = make().state
    model = build(
        encoder=encoder,
        sparse=dict(type=backend),
        masking=dict(type='RandomPatchMasking', patch_size=patch, ratio=0.5),
        decoder=dict(type='ConvNeXtDecoder', dim=16, depth=2),
    ).double()
    checkpoint = dict(online_without_ddp=state, target_without_ddp=state)
    model.load_state_dict(convert_released(checkpoint), strict=True)
    return model, state, patch, forward


@pytest.mark.parametrize('backend', ['PatchSparse', 'MaskedDense'])
@pytest.mark.parametrize('case', CASES)
def test_predictions_equal_the_description(case: str, backend: str) -> None:
    model, state, patch, forward = load(case, backend)
    images = torch.randn(2, 3, 3 * patch, 4 * patch, dtype=torch.float64)
    visible = torch.rand(2, 12).argsort(1).lt(4).view(2, 3, 4)
    grid = PatchGrid.from_mask(visible, patch)
    mask = visible.double()

    encoder_state = {
        name.removeprefix('encoder.'): value
        for name, value in state.items()
        if name.startswith('encoder.')
    }
    latent = forward(encoder_state, images, mask)
    expected = reference.decoder(state, latent, mask, depth=2)

    got = model.sparse.encode(model.encoder, images, grid)
    torch.testing.assert_close(got.permute(0, 2, 3, 1), latent, rtol=1e-9, atol=1e-9)
    assert model.target is not None
    for network in (model, model.target):
        prediction = model.reconstruct(network, images, grid)
        torch.testing.assert_close(prediction, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('case', CASES)
def test_dense_use_equals_all_visible(case: str) -> None:
    model, _, patch, _ = load(case, 'PatchSparse')
    images = torch.randn(1, 3, 2 * patch, 3 * patch, dtype=torch.float64)
    grid = PatchGrid.full(1, (2 * patch, 3 * patch), patch)
    latent = model.sparse.encode(model.encoder, images, grid)
    torch.testing.assert_close(latent, model.encoder(images)[-1], rtol=1e-9, atol=1e-9)


def test_batch_grn_differs_from_grn_of_each_sample() -> None:
    model, state, _, _ = load('convnextv2', 'PatchSparse')
    per_sample = build(
        encoder=dict(type='ReleasedConvNeXt', arch=ARCH, use_grn=True),
        decoder=dict(type='ConvNeXtDecoder', dim=16, depth=2),
    ).double()
    checkpoint = dict(online_without_ddp=state, target_without_ddp=state)
    per_sample.load_state_dict(convert_released(checkpoint))
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    images[1] *= 3
    grid = PatchGrid.from_mask(torch.tensor([[[True, False], [True, False]]] * 2), 32)
    batch = model.sparse.encode(model.encoder, images, grid)
    alone = per_sample.sparse.encode(per_sample.encoder, images, grid)
    assert not torch.allclose(batch, alone)
    # On a batch of one the two forms are the same.
    first = PatchGrid.from_mask(grid.visible[:1], 32)
    torch.testing.assert_close(
        model.sparse.encode(model.encoder, images[:1], first),
        per_sample.sparse.encode(per_sample.encoder, images[:1], first),
    )
