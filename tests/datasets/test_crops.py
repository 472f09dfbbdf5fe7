"""A crop and a crop of that crop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videomac.datasets import FramesGlobalLocalCrops
from videomac.registry import TRANSFORMS


def ramp(height: int, width: int) -> torch.Tensor:
    """A frame whose red is the column and whose green is the row, in 0..255."""
    row = torch.linspace(0, 255, height).round()[:, None].expand(height, width)
    col = torch.linspace(0, 255, width).round()[None].expand(height, width)
    frame = torch.stack((col, row, torch.zeros(height, width)))
    return frame.to(torch.uint8)[None]


def extent(view: torch.Tensor) -> list[tuple[float, float]]:
    """First and last column and row of the frame that a view shows, in 0..1."""
    red, green = view[0].float().mean(0), view[1].float().mean(1)
    return [(float(v[0]) / 255, float(v[-1]) / 255) for v in (red, green)]


@settings(max_examples=40, deadline=None)
@given(height=st.integers(60, 120), width=st.integers(60, 120), seed=st.integers(0, 999))
def test_the_local_view_lies_in_the_global_view(
    height: int, width: int, seed: int
) -> None:
    crops = TRANSFORMS.build(dict(type='FramesGlobalLocalCrops', size=(32, 40)))
    torch.manual_seed(seed)
    views = crops(dict(frames=ramp(height, width)))['frames']
    assert views.shape == (2, 3, 32, 40)
    assert views.dtype == torch.uint8
    whole, local = extent(views[0]), extent(views[1])
    slack = 0.06  # pixels have a width, which the first and last centre leave out
    areas = []
    for view in (whole, local):
        areas.append((view[0][1] - view[0][0]) * (view[1][1] - view[1][0]))
    for (left, right), (inner_left, inner_right) in zip(whole, local, strict=True):
        assert left - slack <= inner_left < inner_right <= right + slack
    assert 0.5 - 2 * slack <= areas[0] <= 1.0
    assert 0.3 - 2 * slack <= areas[1] / areas[0] <= 0.6 + 2 * slack


def test_views_are_those_of_two_crops_in_turn() -> None:
    """With fixed windows the second view is a resized copy of the first."""
    crops = FramesGlobalLocalCrops(
        24, global_scale=(1, 1), local_scale=(1, 1), ratio=(1, 1), interpolation='nearest'
    )
    frame = ramp(24, 24)
    views = crops.transform(dict(frames=frame))['frames']
    assert torch.equal(views[0], frame[0])
    assert torch.equal(views[1], frame[0])


def test_bad_input() -> None:
    crops = FramesGlobalLocalCrops(16)
    with pytest.raises(ValueError, match='two views of one frame, got 2 frames'):
        crops.transform(dict(frames=ramp(20, 20).repeat(2, 1, 1, 1)))
    with pytest.raises(ValueError, match='scale must be'):
        FramesGlobalLocalCrops(16, local_scale=(0.6, 0.3))
    assert 'scale=(0.3, 0.6)' in repr(crops).replace('[', '(').replace(']', ')')
