"""Reconstruction outside of a runner."""

from typing import Any

import pytest
import torch
from mmpretrain.structures import DataSample

from tests.models.common import build
from videomac.models.reconstruct import reconstruct


def make_items(number: int) -> list[dict[str, Any]]:
    """Items as the data set gives them."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (number, 2, 3, 64, 64), generator=generator)
    return [
        dict(inputs=f.byte(), data_samples=DataSample(metainfo=dict(video=str(i))))
        for i, f in enumerate(frames)
    ]


def test_the_seed_fixes_the_masks() -> None:
    """Equal seeds, equal masks; the state of torch and of the model stay."""
    model = build().train()
    items = make_items(2)
    state = torch.get_rng_state()
    first, second, other = (reconstruct(model, items, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.visible, b.visible)
        assert torch.equal(a.pasted, b.pasted)
    assert any(
        not torch.equal(a.visible, b.visible) for a, b in zip(first, other, strict=True)
    )


def test_frames_come_back() -> None:
    """Pictures are those of the items, in their order; the items are not changed."""
    items = make_items(2)
    samples = reconstruct(build(), items)
    for i, (item, sample) in enumerate(zip(items, samples, strict=True)):
        assert sample.video == str(i)
        frames = (sample.frames * 255).round().byte()
        assert torch.equal(frames, item['inputs'])
        assert torch.equal(
            sample.pasted,
            torch.where(sample.visible, sample.frames, sample.reconstruction),
        )
        assert 'pasted' not in item['data_samples']


def test_no_sample() -> None:
    """An empty list is refused by name."""
    with pytest.raises(ValueError, match='at least one'):
        reconstruct(build(), [])
