"""Whole videos: what is referred to, kept, decoded and returned."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch import Tensor

from tests.models.propagation.clip import (
    STRIDE,
    Pooled,
    moving_square,
    noise_video,
    video,
)
from videomac.models.propagation import LabelPropagator, PoseCoder
from videomac.models.propagation.memory import FrameMemory
from videomac.registry import MODELS


def dino_by_matrices(backbone: Pooled, frames: Tensor, ids: Any) -> list[Any]:
    """DINO's evaluation of a video as its protocol states it, with whole matrices."""
    features = backbone(frames).detach()
    _, channels, h, w = features.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    y, x = y.flatten(), x.flatten()
    near = ((y[:, None] - y).abs() <= 2) & ((x[:, None] - x).abs() <= 2)
    small = torch.from_numpy(ids)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    first = F.one_hot(small.long(), int(ids.max()) + 1).permute(2, 0, 1).float()
    queue: list[tuple[Tensor, Tensor]] = []
    masks = [ids]
    for frame in range(1, len(frames)):
        used = [(features[0], first), *queue]
        keys = torch.stack([key.reshape(channels, -1).T for key, _ in used])
        affinity = torch.exp(keys @ features[frame].reshape(channels, -1) / 0.1) * near
        affinity = affinity.reshape(-1, h * w)
        kth = affinity.topk(5, dim=0).values.amin(0)
        affinity[affinity < kth] = 0
        affinity = affinity / affinity.sum(0)
        labels = torch.stack([maps for _, maps in used]).flatten(2).transpose(0, 1)
        soft = (labels.flatten(1) @ affinity).view(-1, h, w)
        queue = [*queue, (features[frame], soft)][-3:]
        size = ids.shape
        large = F.interpolate(soft[None], size, mode='bilinear', align_corners=False)[0]
        for channel in large:
            if channel.max() > 0:
                channel -= channel.min()
                channel /= channel.max()
        masks.append(large.argmax(0).numpy().astype(np.uint8))
    return masks


def test_equals_dinos_procedure_on_a_video() -> None:
    clip, backbone = noise_video(length=8), Pooled()
    propagator = LabelPropagator(backbone, 'dino', radius=2, previous=3)
    (result,) = propagator([clip])
    assert clip.first_label is not None
    want = dino_by_matrices(Pooled(), clip.inputs.frames, clip.first_label)  # type: ignore[attr-defined]
    assert result['video'] == 'clip'
    assert len(result['masks']) == 8
    assert len(set(np.unique(want))) == 3  # both objects are still there
    for got, mask in zip(result['masks'], want, strict=True):
        assert got.dtype == np.uint8
        assert (got == mask).mean() > 0.998  # where two maps are equal, rounding decides


@pytest.mark.parametrize('preset', ['dino', 'crw', 'vfs'])
def test_a_moving_object_is_followed(preset: str) -> None:
    frames, masks = moving_square()
    propagator = LabelPropagator(Pooled(), preset, radius=3, temperature=0.01)
    clip = video(frames, first_label=masks[0])
    (result,) = propagator([clip])
    for got, mask in zip(result['masks'], masks, strict=True):
        assert ((got == 3) & (mask == 3)).sum() / ((got == 3) | (mask == 3)).sum() > 0.7


def test_frames_are_decoded_one_by_one_and_encoded_once() -> None:
    clip, backbone = noise_video(length=6), Pooled()
    masks = LabelPropagator(backbone).iter_masks(clip)
    for frame in range(6):
        next(masks)
        assert clip.inputs.asked == list(range(frame + 1))
        assert backbone.calls == frame + 1


def test_every_frame_is_told_when_it_is_done() -> None:
    clip, backbone, told = noise_video(length=4), Pooled(), []

    def tell(done: int) -> None:
        told.append((done, backbone.calls))

    result = LabelPropagator(backbone).predict_video(clip, tell)
    assert told == [(1, 1), (2, 2), (3, 3), (4, 4)]
    (again,) = LabelPropagator(backbone)([clip])
    for got, mask in zip(result['masks'], again['masks'], strict=True):
        np.testing.assert_array_equal(got, mask)


def test_first_mask_is_the_annotation_at_its_own_size() -> None:
    ids = np.random.default_rng(0).integers(0, 3, (50, 70), dtype=np.uint8)
    clip = noise_video(length=2, first_label=ids, ori_size=(50, 70))
    for preset in ('dino', 'crw'):
        (result,) = LabelPropagator(Pooled(), preset)([clip])
        np.testing.assert_array_equal(result['masks'][0], ids)
        assert result['masks'][1].shape == (50, 70)


def test_memory_holds_what_is_still_needed() -> None:
    settings = LabelPropagator(Pooled(), previous=2).settings
    memory, features = FrameMemory(settings), F.normalize(torch.ones(2, 2, 3), dim=-1)
    held = []
    for frame in range(7):
        maps = torch.full((1, 2, 2), float(frame))
        if frame:
            memory.propagate(frame, features)
        memory.add(frame, features, maps, annotated=frame in (0, 3))
        held.append(len(memory))
    # 0; 0 1; 0 1 2; 0 2 3; 0 3 4; 0 3 4 5; 0 3 5 6
    assert held == [1, 2, 3, 3, 3, 4, 4]


def test_objects_that_enter_later() -> None:
    frames = torch.zeros(6, 3, 32, 32)
    frames[:, 2] = 1
    frames[:, :, 4:12, 4:12] = torch.tensor([1.0, 0, 0])[:, None, None]
    frames[3:, :, 20:28, 16:28] = torch.tensor([0.0, 1, 0])[:, None, None]
    first, later = np.zeros((2, 32, 32), np.uint8)
    first[4:12, 4:12] = 2
    later[20:28, 16:28] = 5
    propagator = LabelPropagator(Pooled(), temperature=0.01, previous=1)
    clip = video(frames, first_label=first, later_labels={3: later})
    (result,) = propagator([clip])
    for frame, mask in enumerate(result['masks']):
        wrong = mask != (first if frame < 3 else first + later)
        assert wrong.sum() <= 8  # corners, rounded off by the interpolation
    np.testing.assert_array_equal(result['masks'][3] == 5, later == 5)


def test_poses_of_the_presets() -> None:
    vfs = PoseCoder(sigma=4, draw='pixels', background=False, top=5, decode='pixels')
    assert LabelPropagator(Pooled(), 'vfs').pose == vfs
    assert LabelPropagator(Pooled(), 'crw').pose == PoseCoder()
    changed = LabelPropagator(Pooled(), 'vfs', pose=dict(top=3)).pose
    assert changed == dataclasses.replace(vfs, top=3)


def test_joints_of_a_still_video_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(3, 32, 40, generator=generator).expand(4, -1, -1, -1)
    points = np.array([[60.0, 120.0, -80.0], [24.0, 90.0, 20.0]])
    clip = video(frames, points=points, ori_size=(128, 160))
    propagator = LabelPropagator(Pooled(), 'crw', previous=3, temperature=0.001)
    (result,) = propagator([clip])
    assert result['points'].shape == (4, 3, 2)
    np.testing.assert_array_equal(result['points'][0], points.T)
    coder = PoseCoder()
    maps = coder.encode(points, (8, 10), (128, 160))
    still, visible = coder.decode_maps(maps, (128, 160))
    assert visible.tolist() == [True, True, False]
    for frame in (1, 2, 3):
        np.testing.assert_allclose(result['points'][frame], still.T, atol=1e-3)
        np.testing.assert_array_equal(result['visible'][frame], visible)
    assert result['visible'][0].all()


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_half_features_change_little(dtype: str) -> None:
    clip = noise_video(length=4)
    full = LabelPropagator(Pooled())([clip])[0]['masks']
    half = LabelPropagator(Pooled(), feature_dtype=dtype)([clip])[0]['masks']
    for a, b in zip(full, half, strict=True):
        assert (a == b).mean() > 0.97


def test_black_frames_do_no_harm() -> None:
    clip = noise_video(length=4)
    clip.inputs.frames[2] = 0
    for preset in ('dino', 'crw', 'vfs'):
        (result,) = LabelPropagator(Pooled(), preset)([clip])
        assert set(np.unique(result['masks'])) <= {0, 1, 4}


def test_runs_from_a_config_through_a_loaders_batch() -> None:
    init_default_scope('videomac')
    network = dict(type='mmpretrain.ResNet', depth=18)
    backbone = dict(type='FeatureExtractor', network=network, output_stride=8)
    model = dict(type='LabelPropagator', backbone=backbone, preset='crw', radius=2)
    propagator = MODELS.build(model)
    results = propagator.test_step(pseudo_collate([dict(inputs=noise_video(length=3))]))
    assert [mask.shape for mask in results[0]['masks']] == [(24, 32)] * 3


def test_bad_input_is_named() -> None:
    clip = noise_video(length=2)
    with pytest.raises(ValueError, match="only has the mode 'predict'"):
        LabelPropagator(Pooled())([clip], mode='loss')
    with pytest.raises(ValueError, match=r"unknown settings \['topK'\]"):
        LabelPropagator(Pooled(), topK=3)
    with pytest.raises(ValueError, match='feature_dtype must be'):
        LabelPropagator(Pooled(), feature_dtype='int8')
    clip.inputs.frames[1] = torch.nan
    with pytest.raises(ValueError, match="frame 1 of video 'clip' are not finite"):
        LabelPropagator(Pooled())([clip])
    with pytest.raises(TypeError, match='FeatureExtractor'):
        LabelPropagator(torch.nn.Flatten())([clip])


@pytest.mark.parametrize(
    ('fields', 'problem'),
    [
        (dict(first_label=None), 'either first_label or points'),
        (dict(points=np.zeros((2, 3))), 'either first_label or points'),
        (dict(first_label=np.zeros((24, 31), np.uint8)), r'uint8 \(24, 32\)'),
        (dict(first_label=np.zeros((24, 32), np.int64)), 'got int64'),
        (dict(frames=['one.jpg']), '1 files and 6 inputs'),
        (dict(later_labels={6: np.zeros((24, 32), np.uint8)}), r'\[6\]: .* 0 to 5'),
        (dict(later_labels={0: np.zeros((24, 32), np.uint8)}), r'frames \[0\]'),
        (dict(first_label=None, points=np.zeros((3, 2))), r'\[2, J\]'),
    ],
)
def test_contradictions_of_a_video_are_named(fields: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"video 'clip': .*{problem}"):
        noise_video(**fields)
