"""Random masks: counts, symmetry, randomness, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videomac.models import RandomPatchMasking


@given(
    batch=st.integers(1, 4),
    rows=st.integers(2, 8),
    cols=st.integers(2, 8),
    size=st.sampled_from([8, 16, 32]),
    ratio=st.floats(0.05, 0.95),
    symmetric=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_sample_keeps_the_same_number(
    batch: int, rows: int, cols: int, size: int, ratio: float, symmetric: bool
) -> None:
    masking = RandomPatchMasking(size, ratio, symmetric)
    kept = int(rows * cols * (1 - ratio))
    if not 0 < kept < rows * cols:
        with pytest.raises(ValueError, match='patches visible'):
            masking(batch, (rows * size, cols * size))
        return
    first, second = masking(batch, (rows * size, cols * size))
    for grid in (first, second):
        assert grid.visible.shape == (batch, rows, cols)
        assert grid.visible.flatten(1).sum(1).tolist() == [kept] * batch
        assert grid.per_sample == kept
        assert torch.equal(grid.index, grid.visible.flatten().nonzero().squeeze(1))
    assert (first is second) == symmetric


def test_the_paper_keeps_12_of_49() -> None:
    grid = RandomPatchMasking()(2, (224, 224))[0]
    assert (grid.rows, grid.cols, grid.per_sample) == (7, 7, 12)


def test_a_generator_makes_masks_repeatable_and_leaves_the_global_state() -> None:
    masking = RandomPatchMasking(symmetric=False)
    state = torch.get_rng_state()
    first = masking(3, (224, 224), generator=torch.Generator().manual_seed(1))
    assert torch.equal(state, torch.get_rng_state())
    again = masking(3, (224, 224), generator=torch.Generator().manual_seed(1))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.index, b.index)
    assert not torch.equal(first[0].index, first[1].index)


def test_every_patch_is_visible_equally_often() -> None:
    torch.manual_seed(0)
    grid = RandomPatchMasking(ratio=0.75)(4000, (128, 128))[0]
    share = grid.visible.float().mean(0)
    # 4 of 16; the standard error of a share is 0.007.
    assert (share - 0.25).abs().max() < 0.035


@pytest.mark.parametrize('ratio', [0.0, 1.0, -0.1, 1.5])
def test_a_ratio_out_of_range_is_named(ratio: float) -> None:
    with pytest.raises(ValueError, match=f'ratio must be between 0 and 1, got {ratio}'):
        RandomPatchMasking(ratio=ratio)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match=r'leaves 0 of 4 patches visible'):
        RandomPatchMasking(ratio=0.9)(1, (64, 64))
    with pytest.raises(ValueError, match='width 100 is not a multiple of 32'):
        RandomPatchMasking()(1, (64, 100))
    with pytest.raises(ValueError, match='patch_size must be a positive int, got 0'):
        RandomPatchMasking(patch_size=0)
