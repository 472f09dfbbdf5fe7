"""Frames of samples as images of a batch."""

from __future__ import annotations

import pytest
import torch
from mmpretrain.structures import DataSample

from tests.datasets.media import noise
from videomac.models import FramesAsImages, FramesDataPreprocessor


@pytest.mark.parametrize('frames', [1, 2, 3])
def test_frames_follow_their_samples(frames: int) -> None:
    inputs = noise(4, frames, 3, 6, 5)
    samples = [DataSample(metainfo=dict(video=str(i))) for i in range(4)]
    images = FramesAsImages()(dict(inputs=inputs, data_samples=samples))
    apart = FramesDataPreprocessor()(dict(inputs=inputs))['inputs']
    assert images['inputs'].shape == (4 * frames, 3, 6, 5)
    for i, image in enumerate(images['inputs']):
        assert torch.equal(image, apart[i // frames, i % frames])
    videos = [sample.video for sample in images['data_samples']]
    assert videos == [str(i // frames) for i in range(4 * frames)]


def test_lists_and_no_samples() -> None:
    inputs = noise(2, 2, 3, 4, 4)
    images = FramesAsImages(mean=(0, 0, 0), std=(1, 1, 1))(dict(inputs=list(inputs)))
    assert images['data_samples'] is None
    assert torch.equal(images['inputs'], inputs.flatten(0, 1).float())


def test_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r'must be \[B, T, 3, H, W\]'):
        FramesAsImages()(dict(inputs=noise(2, 3, 4, 4)))
