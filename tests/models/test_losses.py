"""Losses against plain statements of Eq. 1 and 2."""

import pytest
import torch

from videomac.models import MaskedReconstructionLoss, ReconstructionConsistencyLoss
from videomac.sparse import PatchGrid

SIZE = 4


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, PatchGrid]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(3, 3, 12, 16, generator=generator)
    first = torch.randn(3, 12, SIZE * SIZE * 3, generator=generator)
    second = torch.randn(3, 12, SIZE * SIZE * 3, generator=generator)
    visible = torch.rand(3, 3, 4, generator=generator) < 0.4
    return images, first, second, PatchGrid.from_mask(visible, SIZE)


def pixels(image: torch.Tensor, i: int, j: int) -> list[float]:
    """Pixels of a patch in the order (row, column, channel)."""
    block = image[:, i * SIZE : (i + 1) * SIZE, j * SIZE : (j + 1) * SIZE]
    return [
        float(block[c, y, x]) for y in range(SIZE) for x in range(SIZE) for c in range(3)
    ]


def equation_1(
    images: torch.Tensor, prediction: torch.Tensor, grid: PatchGrid, norm_pix: bool
) -> float:
    total, masked = 0.0, 0
    for b in range(len(images)):
        for i in range(grid.rows):
            for j in range(grid.cols):
                if grid.visible[b, i, j]:
                    continue
                target = pixels(images[b], i, j)
                if norm_pix:
                    mean = sum(target) / len(target)
                    var = sum((t - mean) ** 2 for t in target) / (len(target) - 1)
                    target = [(t - mean) / (var + 1e-6) ** 0.5 for t in target]
                guess = prediction[b, i * grid.cols + j].tolist()
                errors = [(g - t) ** 2 for g, t in zip(guess, target, strict=True)]
                total += sum(errors) / len(errors)
                masked += 1
    return total / masked


@pytest.mark.parametrize('norm_pix', [True, False])
@pytest.mark.parametrize('seed', range(3))
def test_reconstruction_loss_is_equation_1(norm_pix: bool, seed: int) -> None:
    images, prediction, _, grid = random_case(seed)
    loss = MaskedReconstructionLoss(norm_pix)(prediction, images, grid)
    assert float(loss) == pytest.approx(
        equation_1(images, prediction, grid, norm_pix), abs=1e-6
    )


@pytest.mark.parametrize('weight', [0.0, 0.1, 1.0])
def test_consistency_loss_is_equation_2(weight: float) -> None:
    _, first, second, grid = random_case(3)
    values = []
    for b, i, j in (~grid.visible).nonzero().tolist():
        a, c = first[b, i * grid.cols + j], second[b, i * grid.cols + j]
        values.append(
            sum((x - y) ** 2 for x, y in zip(a.tolist(), c.tolist(), strict=True)) / 48
        )
    loss = ReconstructionConsistencyLoss(weight)(first, second, grid)
    assert float(loss) == pytest.approx(weight * sum(values) / len(values), abs=1e-6)


def test_visible_patches_and_their_pixels_do_not_count() -> None:
    images, prediction, _, grid = random_case(4)
    changed, pred = images.clone(), prediction.clone()
    for b, i, j in grid.visible.nonzero().tolist():
        changed[b, :, i * SIZE : (i + 1) * SIZE, j * SIZE : (j + 1) * SIZE] = 99.0
        pred[b, i * grid.cols + j] = -99.0
    loss = MaskedReconstructionLoss()
    assert torch.equal(loss(pred, changed, grid), loss(prediction, images, grid))


def test_losses_stay_in_float32_under_autocast() -> None:
    images, first, second, grid = random_case(5)
    expected = MaskedReconstructionLoss()(first, images, grid)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = MaskedReconstructionLoss()(first, images, grid)
        tie = ReconstructionConsistencyLoss()(first.bfloat16(), second, grid)
    assert got.dtype == tie.dtype == torch.float32
    assert torch.equal(got, expected)


@pytest.mark.parametrize('norm_pix', [True, False])
def test_gradients_in_double_precision(norm_pix: bool) -> None:
    generator = torch.Generator().manual_seed(6)
    grid = PatchGrid.from_mask(torch.tensor([[[True, False, False]]]), 2)
    shapes = (1, 3, 2, 6), (1, 3, 12), (1, 3, 12)
    leaves = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in shapes
    ]
    reconstruction = MaskedReconstructionLoss(norm_pix)
    consistency = ReconstructionConsistencyLoss(0.3)
    assert torch.autograd.gradcheck(
        lambda x, y: reconstruction(y, x, grid), (leaves[0], leaves[1])
    )
    assert torch.autograd.gradcheck(
        lambda x, y: consistency(x, y, grid), (leaves[1], leaves[2])
    )


@pytest.mark.parametrize('norm_pix', [True, False])
def test_doubles_are_not_rounded(norm_pix: bool) -> None:
    *tensors, grid = random_case(7)
    images, first, second = (v.double() for v in tensors)
    loss = MaskedReconstructionLoss(norm_pix)(first, images, grid)
    assert loss.dtype == torch.float64
    expected = equation_1(images, first, grid, norm_pix)
    assert float(loss) == pytest.approx(expected, rel=1e-13)
    error = (first - second)[~grid.visible.flatten(1)].square().mean()
    tie = ReconstructionConsistencyLoss()(first, second, grid)
    assert float(tie) == pytest.approx(float(error), rel=1e-13)


def test_a_negative_weight_is_an_error() -> None:
    with pytest.raises(ValueError, match='weight must not be negative, got -1'):
        ReconstructionConsistencyLoss(-1.0)
