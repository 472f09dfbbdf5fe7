"""Sizes of the protocols; frames as the field's scripts make them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from videomac.datasets import UnreadableVideoError
from videomac.datasets.network_frames import NetworkFrames, network_size

MEAN, STD = (0.485, 0.456, 0.406), (0.228, 0.224, 0.225)


@pytest.mark.parametrize(
    ('original', 'expected'),
    [
        ((480, 854), (480, 832)),
        ((480, 910), (480, 896)),
        ((480, 1152), (480, 1152)),
        ((480, 720), (480, 704)),
        ((120, 200), (480, 768)),
        ((854, 480), (832, 480)),
        ((1080, 1920), (480, 832)),
        ((240, 320), (480, 640)),
        ((500, 500), (480, 448)),
    ],
)
def test_sizes_of_dino(original: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(original, 480, 64) == expected


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(64, 700))
def test_short_side_is_kept_and_long_side_floored(
    height: int, width: int, side: int
) -> None:
    found = network_size((height, width), side, 64)
    tall = height > width
    short, long = found[tall], found[not tall]
    assert short == side
    assert long % 64 == 0
    exact = side * max(height, width) / min(height, width)
    assert exact - 64 - 1e-6 < long <= exact + 1e-6
    # A frame and its transpose get transposed sizes, except squares.
    if height != width:
        assert network_size((width, height), side, 64) == found[::-1]


def test_other_ways_to_give_a_size() -> None:
    assert network_size((240, 320), (560, 560)) == (560, 560)
    assert network_size((240, 320), [320, 320], 64) == (320, 320)
    assert network_size((481, 855), None) == (481, 855)
    assert network_size((480, 854), 240) == (240, 427)


@pytest.mark.parametrize(
    ('size', 'multiple'), [((1, 2, 3), 1), (0, 1), ((5, -1), 1), (480, 0), ((), 1)]
)
def test_bad_sizes(size: int | tuple[int, ...], multiple: int) -> None:
    with pytest.raises(ValueError, match='size must be the short side'):
        network_size((480, 854), size, multiple)


def test_frames_are_normalised_rgb(tmp_path: Path) -> None:
    colour = (200, 100, 50)
    path = tmp_path / 'frame.png'
    Image.new('RGB', (30, 20), colour).save(path)
    frame = NetworkFrames([path], (10, 14), MEAN, STD)[0]
    assert (frame.shape, frame.dtype) == ((3, 10, 14), torch.float32)
    for channel in range(3):
        expected = (colour[channel] / 255 - MEAN[channel]) / STD[channel]
        assert torch.allclose(frame[channel], torch.tensor(expected), atol=1e-6)


def test_resizing_interpolates_between_pixel_centres_in_8_bits(tmp_path: Path) -> None:
    row = np.array([0, 100, 200, 40, 90, 10], np.uint8)
    picture = np.broadcast_to(row[None, :, None], (4, 6, 3))
    path = tmp_path / 'frame.png'
    Image.fromarray(np.ascontiguousarray(picture)).save(path)
    frame = NetworkFrames([path], (4, 3), (0, 0, 0), (1, 1, 1))[0]
    # Centres of the new pixels lie between two old ones; no filter takes in a third.
    expected = torch.tensor([50, 120, 50]) / 255
    assert torch.allclose(frame, expected.expand(3, 4, 3), atol=1e-6)
    same = NetworkFrames([path], (4, 6), (0, 0, 0), (1, 1, 1))[0]
    assert torch.allclose(same, torch.from_numpy(row / 255).float().expand(3, 4, 6))


@pytest.mark.parametrize('size', [(7, 5), (31, 44)])
def test_resizing_floating_point_numbers(size: tuple[int, int], tmp_path: Path) -> None:
    """As CRW's code does: divided by 255 first, and nothing is rounded."""
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / 'frame.png'
    Image.fromarray(picture).save(path)
    frame = NetworkFrames([path], size, MEAN, STD, round_resized=False)[0]
    large = torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255
    resized = F.interpolate(large, size, mode='bilinear', align_corners=False)[0]
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    assert torch.allclose(frame.double(), (resized - mean) / std, atol=1e-5)
    rounded = NetworkFrames([path], size, MEAN, STD)[0]
    assert 0 < (frame - rounded).abs().max() < 1 / 255 / min(STD)  # one level


def test_only_the_frame_that_is_asked_for_is_read(tmp_path: Path) -> None:
    Image.new('RGB', (8, 8)).save(tmp_path / 'b.png')
    (tmp_path / 'c.png').write_bytes(b'no picture')
    paths = [tmp_path / name for name in ('a.png', 'b.png', 'c.png')]
    frames = NetworkFrames(paths, (8, 8), MEAN, STD)
    assert len(frames) == 3
    assert frames[1].shape == (3, 8, 8)
    for index in (0, 2):
        with pytest.raises(UnreadableVideoError, match=str(paths[index])):
            frames[index]
    with pytest.raises(IndexError):
        frames[3]
