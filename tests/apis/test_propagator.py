"""Propagation from Python against the tool and the model used directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tests.datasets.trees import make_davis, make_vip, moving_squares, video_of
from tests.models.common import SMALL_ARCH, build
from tests.models.propagation.clip import moving_square
from tests.models.propagation.clip import video as raw_video
from tests.tools.test_train_cli import load_tool
from videomac.apis import Propagator, load_encoder
from videomac.datasets import VIPDataset
from videomac.datasets.label_maps import object_palette, read_label_map
from videomac.datasets.video_input import open_video
from videomac.models.propagation import (
    FeatureExtractor,
    LabelPropagator,
    PropagationSettings,
)
from videomac.utils import tools_root
from videomac.visualization.overlay import overlay_masks, overlay_pose

CONFIG = 'propagation/davis2017/videomac_resnet18_s8_davis2017'
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Colours(nn.Module):
    """Random colours of the pixels of cells of 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 12, 4, 4)
        self.conv.weight.data = torch.randn(12, 3, 4, 4, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.conv(images)
        return features


def squares(length: int = 6) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """A red square that moves over blue, uint8 [T, H, W, 3], and its masks."""
    frames, masks = moving_square(length)
    pictures = (255 * frames).byte().permute(0, 2, 3, 1).contiguous().numpy()
    return pictures, masks


def propagator(**settings: Any) -> Propagator:
    known = dict(size=None, stride=None, device='cpu', radius=3, temperature=0.01)
    return Propagator(Colours(), **(known | settings))


def by_the_model(pictures: NDArray[np.uint8], preset: str, **labels: Any) -> Any:
    """What LabelPropagator makes of the normalised frames."""
    pixels = (pictures / 255 - np.array(MEAN)) / np.array(STD)
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    network = Colours()

    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            return F.normalize(self.network(images))

    model = LabelPropagator(Unit(), preset, radius=3, temperature=0.01)
    return model.predict_video(raw_video(tensors, **labels))


@pytest.mark.parametrize('preset', ['dino', 'crw', 'vfs'])
def test_equals_the_model_used_directly(preset: str) -> None:
    pictures, masks = squares()
    result = propagator(preset=preset)(pictures, masks[0])
    want = by_the_model(pictures, preset, first_label=masks[0])
    assert result.masks is not None
    assert result.masks.dtype == np.uint8
    np.testing.assert_array_equal(result.masks, np.stack(want['masks']))
    for got, mask in zip(result.masks, masks, strict=True):
        assert ((got == 3) & (mask == 3)).sum() / ((got == 3) | (mask == 3)).sum() > 0.7


def test_points_equal_those_of_the_model() -> None:
    pictures, _ = squares()
    points = [[6.0, 12.0], [40.0, 20.0]]
    result = propagator(preset='crw')(pictures, points=points)
    want = by_the_model(pictures, 'crw', points=np.array(points).T.copy())
    assert result.points is not None
    assert result.visible is not None
    np.testing.assert_array_equal(result.points[0], points)
    np.testing.assert_allclose(result.points, want['points'], atol=1e-4)
    np.testing.assert_array_equal(result.visible, want['visible'])
    np.testing.assert_array_equal(
        result.overlay(-1),
        overlay_pose(pictures[-1], want['points'][-1], want['visible'][-1]),
    )
    with pytest.raises(ValueError, match='no masks to save'):
        result.save_masks('folder')


def test_later_masks() -> None:
    pictures, masks = squares(4)
    later = np.zeros((32, 64), np.uint8)
    later[24:32, 40:60] = 5
    result = propagator()(pictures, masks[0], later_masks={2: later})
    want = by_the_model(pictures, 'dino', first_label=masks[0], later_labels={2: later})
    assert result.masks is not None
    np.testing.assert_array_equal(result.masks, np.stack(want['masks']))
    assert 5 in result.masks[2:]


def test_equals_the_tool(tmp_path: Path) -> None:
    """from_config on a folder predicts the files of tools/test.py, random weights too."""
    root = make_davis(tmp_path / 'DAVIS', {'dog': moving_squares(4, (48, 64))})
    place = 'test_dataloader.dataset'
    options = [f'{place}.data_root={root}', f'{place}.size=64,64', 'model.topk=7']
    tool = load_tool(tools_root() / 'test.py')
    arguments = [f'{CONFIG}.py', 'none', '--work-dir', str(tmp_path / 'run')]
    tool.main([*arguments, '--cfg-options', *options])
    mine = Propagator.from_config(
        CONFIG, options={f'{place}.size': (64, 64), 'model.topk': 7}, device='cpu'
    )
    folder = root / 'JPEGImages/480p/dog'
    first = root / 'Annotations/480p/dog/00000.png'
    for video in (folder, sorted(folder.iterdir())):
        result = mine(video, first)
        assert result.masks is not None
        for index, ids in enumerate(result.masks):
            path = tmp_path / 'run/predictions/dog' / f'{index:05d}.png'
            np.testing.assert_array_equal(ids, read_label_map(path))


VIP = """
_base_ = ['videomac::propagation/vip/videomac_resnet18_s8_vip.py']
test_dataloader = dict(
    dataset=dict(_delete_=True, type='VIPDataset', data_root='', size=(40, 40)))
"""


def test_inputs_are_those_of_the_data_set(tmp_path: Path) -> None:
    """What a config leaves out is the default of its data set's class."""
    root = make_vip(tmp_path / 'VIP', {'dog': moving_squares(3)})
    (tmp_path / 'vip.py').write_text(VIP)
    mine = Propagator.from_config(tmp_path / 'vip.py', device='cpu')
    crw = propagator(preset='crw', size=(40, 40), round_resized=False)
    want = video_of(VIPDataset(root, size=(40, 40))).inputs
    clip = open_video(root / 'Images/dog')
    for made in (mine, crw):
        got = made._sample(clip, np.ones((48, 64), np.uint8), None, None).inputs
        assert all(torch.equal(got[i], want[i]) for i in range(3))


def test_backbones_of_all_kinds(tmp_path: Path) -> None:
    """A checkpoint, its encoder, its model and its config give the same masks."""
    model = build()
    path = tmp_path / 'run.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    network = dict(
        type='mmpretrain.ConvNeXt',
        arch=SMALL_ARCH,
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=False,
    )
    pictures, masks = squares(4)
    options: Any = dict(size=64, multiple=32, stage=2, device='cpu')
    extractor = FeatureExtractor(network, str(path), out_stage=2, output_stride=8)
    expected = LabelPropagator(extractor)
    results = []
    for backbone, checkpoint in (
        (path, None),
        (str(path), None),
        (load_encoder(path), None),
        (model, None),
        (model.encoder, None),
        (network, path),
    ):
        made = Propagator(backbone, checkpoint, **options)
        state = made.model.backbone.state_dict()
        for key, value in expected.backbone.state_dict().items():
            assert torch.equal(state[key], value)
        masks_of_it = made(pictures, masks[0]).masks
        assert masks_of_it is not None
        results.append(masks_of_it)
    assert all(np.array_equal(each, results[0]) for each in results)
    # The caller's network is as it was.
    assert build().encoder.out_indices == model.encoder.out_indices
    assert model.encoder(torch.zeros(1, 3, 64, 64))[-1].shape[2:] == (2, 2)


def test_settings_arrive() -> None:
    settings = propagator(
        preset='vfs', topk=9, previous=2, window='square'
    ).model.settings
    assert (settings.topk, settings.previous, settings.window) == (9, 2, 'square')
    assert settings.first_frame == 'again'


@pytest.mark.parametrize(
    'options',
    [
        {'model.preset': 'crw', 'model.previous': 3},
        {'model': {'preset': 'crw', 'previous': 3}},
    ],
)
def test_another_preset_of_a_config_brings_its_own_values(options: Any) -> None:
    """What the config spells out for its own preset does not stay."""
    made = Propagator.from_config(CONFIG, options=options, device='cpu')
    assert made.model.settings == PropagationSettings.preset('crw', previous=3)
    same = {'model.preset': 'dino', 'model.topk': 7}
    made = Propagator.from_config(CONFIG, options=same, device='cpu')
    assert made.model.settings == PropagationSettings.preset('dino', topk=7)


def test_stopping_and_callbacks() -> None:
    pictures, masks = squares(6)
    whole = propagator()(pictures, masks[0])
    seen: list[int] = []
    states: list[tuple[int, int]] = []
    part = propagator()(
        pictures,
        masks[0],
        on_frame=lambda index, ids: seen.append(index),
        progress=lambda state: states.append((state.done, state.total)),
        cancel=lambda: len(seen) == 4,
    )
    assert seen == [0, 1, 2, 3]
    assert states == [(1, 6), (2, 6), (3, 6), (4, 6)]
    assert (part.cancelled, whole.cancelled) == (True, False)
    assert part.masks is not None
    assert whole.masks is not None
    np.testing.assert_array_equal(part.masks, whole.masks[:4])
    with pytest.raises(IndexError, match='4 frames'):
        part.overlay(4)


def test_files(tmp_path: Path) -> None:
    pictures, masks = squares(3)
    palette = np.roll(object_palette(), 1, axis=0)
    picture = Image.fromarray(masks[0])
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / 'first.png')
    result = propagator()(pictures, tmp_path / 'first.png')
    assert result.masks is not None
    assert result.palette is not None
    paths = result.save_masks(tmp_path / 'masks')
    assert [path.name for path in paths] == ['00000.png', '00001.png', '00002.png']
    for path, ids in zip(paths, result.masks, strict=True):
        np.testing.assert_array_equal(read_label_map(path), ids)
        with Image.open(path) as saved:
            np.testing.assert_array_equal(np.asarray(saved.convert('RGB')), palette[ids])
    want = overlay_masks(pictures[1], result.masks[1], result.palette)
    np.testing.assert_array_equal(result.overlay(1), want)
    assert result.save_clip(tmp_path / 'clip').stat().st_size > 0


@pytest.mark.parametrize('kind', ['bool', 'black and white', 'one', 'picture', 'file'])
def test_masks_of_one_object(kind: str, tmp_path: Path) -> None:
    pictures, masks = squares(3)
    foreground = masks[0] > 0
    white = (255 * foreground).astype(np.uint8)
    Image.fromarray(white).save(tmp_path / 'white.png')
    given: Any = {
        'bool': foreground,
        'black and white': white,
        'one': foreground.astype(np.int64),
        'picture': Image.fromarray(white),
        'file': tmp_path / 'white.png',
    }[kind]
    result = propagator()(pictures, given)
    assert result.masks is not None
    np.testing.assert_array_equal(result.masks[0], foreground)


def test_void_becomes_background() -> None:
    pictures, masks = squares(3)
    void = masks[0].copy()
    void[:4] = 255
    result = propagator()(pictures, void)
    assert result.masks is not None
    np.testing.assert_array_equal(result.masks[0], masks[0])


FULL = np.ones((32, 64), np.uint8)


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (dict(first_mask=np.ones((64, 32), np.uint8)), 'is 32 x 64 pixels.*are 64 x 32'),
        (dict(first_mask=0 * FULL), 'first_mask is empty'),
        (dict(first_mask=np.ones((32, 64, 3), np.uint8)), r'\[32, 64, 3\]'),
        (dict(first_mask=FULL * 0.5), 'float64'),
        (dict(first_mask=FULL.astype(int) * 300), '300'),
        (dict(first_mask=FULL.astype(int) * -1), 'ids -1'),
        (dict(), 'either first_mask or points'),
        (dict(first_mask=FULL, points=[[1, 1]]), 'either first_mask or points'),
        (dict(points=[1, 2]), r'\[J, 2\]'),
        (dict(points=[[70, 3]]), r'\(70, 3\) lies outside'),
        (dict(points=[[float('nan'), 3]]), 'lies outside'),
        (dict(points=[[3, 3]], later_masks={1: FULL}), 'go with first_mask'),
        (dict(first_mask=FULL, later_masks={9: FULL}), r'frames \[9\]: .* 0 to 2'),
        (dict(first_mask=FULL, later_masks={0: FULL}), 'frame 0 are the first'),
        (dict(first_mask=FULL, frames=[0]), 'it takes two'),
    ],
)
def test_bad_labels(arguments: Any, problem: str) -> None:
    pictures, _ = squares(3)
    with pytest.raises(ValueError, match=problem):
        propagator()(pictures, **arguments)


def test_bad_backbones_and_files(tmp_path: Path) -> None:
    pictures, _ = squares(3)
    with pytest.raises(FileNotFoundError, match=r'first_mask .*no such file'):
        propagator()(pictures, tmp_path / 'mask.png')
    with pytest.raises(FileNotFoundError, match='no file or folder'):
        propagator()(tmp_path / 'clip.mp4', FULL)
    with pytest.raises(FileNotFoundError, match='no checkpoint'):
        Propagator(tmp_path / 'epoch_1.pth')
    with pytest.raises(ValueError, match="stride=None leaves the network's own"):
        Propagator(Colours(), stride=2)
    with pytest.raises(ValueError, match='unknown settings'):
        propagator(top_k=3)
    with pytest.raises(ValueError, match='preset must be one of'):
        propagator(preset='best')
    with pytest.raises(ValueError, match='needs a checkpoint'):
        Propagator(dict(type='mmpretrain.ResNet', depth=18))
    with pytest.raises(ValueError, match='name or config of a backbone'):
        Propagator(Colours(), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='is no config of propagation'):
        Propagator.from_config('videomac/demo')
    with pytest.raises(ValueError, match='Did you mean'):
        Propagator.from_config('videomac_resnet18_s8_davis2018')
