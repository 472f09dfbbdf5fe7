"""Reconstruction and propagation of a video, drawn from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.media import numbered
from tests.models.common import build, config
from tests.tools.test_train_cli import load_tool
from videomac.apis import Propagator
from videomac.datasets.label_maps import object_palette, read_label_map
from videomac.utils import configs_root, tools_root
from videomac.visualization.overlay import overlay_masks
from videomac.visualization.reconstruction import GAP, HEADER

FOLDER = tools_root() / 'visualization'
reconstruction = load_tool(FOLDER / 'vis_reconstruction.py')
propagation = load_tool(FOLDER / 'vis_propagation.py')

SIZE = (64, 96)  # two by three patches
FRAMES = 5


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint as a run leaves it, with its config."""
    path = tmp_path_factory.mktemp('run') / 'iter_1.pth'
    cfg = Config(dict(default_scope='videomac', model=config()))
    content = dict(meta=dict(cfg=cfg.pretty_text), state_dict=build().state_dict())
    torch.save(content, path)
    return str(path)


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of smooth noise that moves to the right, 8 pixels a frame."""
    folder = tmp_path_factory.mktemp('video')
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (8, 20, 3)).astype(np.uint8))
    wide = noise.resize((160, SIZE[0]), Image.Resampling.BICUBIC)
    for k, name in enumerate(numbered(FRAMES)):
        left = 8 * (FRAMES - 1 - k)
        wide.crop((left, 0, left + SIZE[1], SIZE[0])).save(folder / name)
    return folder


def read_clip(path: Path) -> list[NDArray[np.uint8]]:
    av = pytest.importorskip('av')
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.name == 'h264'
        return [frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)]


def cells(
    sheet: NDArray[np.uint8], row: int, top: int = HEADER
) -> list[NDArray[np.int_]]:
    """The four pictures of a row."""
    y = top + row * (SIZE[0] + GAP)
    lefts = [k * (SIZE[1] + GAP) for k in range(4)]
    return [sheet[y : y + SIZE[0], x : x + SIZE[1]].astype(int) for x in lefts]


def test_reconstruction(
    video: Path, checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The grid shows first and last frame; pasted is the original where visible."""
    out = tmp_path / 'new' / 'x'
    args = [str(video), checkpoint, '--out', str(out), '--rows', '2', '--size', '64']
    reconstruction.main([*args, '--same-mask', '--seed', '3'])
    printed = capsys.readouterr().out
    assert '5 frames, 50% of the patches hidden' in printed
    sheet = np.asarray(Image.open(f'{out}.png'))
    masks = []
    for row, name in enumerate(['00000.png', '00004.png']):
        original, masked, prediction, pasted = cells(sheet, row)
        assert (original == np.asarray(Image.open(video / name))).all()
        seen = (masked == original).all(-1)
        assert seen.reshape(2, 32, 3, 32).all((1, 3)).sum() == 3
        assert (pasted[seen] == original[seen]).all()
        assert (pasted[~seen] == prediction[~seen]).all()
        assert (prediction[~seen] != original[~seen]).any()
        masks.append(seen)
    assert (masks[0] == masks[1]).all()
    frames = read_clip(Path(f'{out}.mp4'))
    assert len(frames) == FRAMES
    assert frames[0].shape[0] == SIZE[0]  # a row has an odd width, a clip has not
    first = frames[0][:, : SIZE[1]].astype(int)
    assert np.abs(first - cells(sheet, 0)[0]).mean() < 12


def test_same_mask(video: Path, tmp_path: Path) -> None:
    """It matters where the model's masks differ between frames."""
    model = config(masking=dict(type='RandomPatchMasking', ratio=0.5, symmetric=False))
    path = tmp_path / 'asymmetric.pth'
    cfg = Config(dict(default_scope='videomac', model=model))
    content = dict(meta=dict(cfg=cfg.pretty_text), state_dict=build().state_dict())
    torch.save(content, path)
    args = [str(video), str(path), '--no-clip', '--size', '64', '--rows', '5']
    kinds = []
    for extra in ([], ['--same-mask']):
        reconstruction.main([*args, '--out', str(tmp_path / 'x'), *extra])
        sheet = np.asarray(Image.open(tmp_path / 'x.png'))
        rows = [cells(sheet, row) for row in range(FRAMES)]
        seen = [(row[1] == row[0]).all(-1).tobytes() for row in rows]
        kinds.append(len(set(seen)))
    assert kinds[0] > 1
    assert kinds[1] == 1


def test_reconstruction_of_pictures(video: Path, checkpoint: str, tmp_path: Path) -> None:
    """A single picture needs no clip; other shares and patches are taken."""
    out = tmp_path / 'x'
    args = [str(video / '00001.png'), checkpoint, '--out', str(out), '--size', 'original']
    reconstruction.main([*args, '--mask-ratio', '0.8', '--network', 'target'])
    assert not list(tmp_path.glob('x.mp4'))
    original, masked, *_ = cells(np.asarray(Image.open(f'{out}.png')), 0)
    assert (masked == original).all(-1).reshape(2, 32, 3, 32).all((1, 3)).sum() == 1


def test_propagation(video: Path, checkpoint: str, tmp_path: Path) -> None:
    """Clip, strip and masks are of one result, which is the frames' with labels."""
    out = tmp_path / 'new' / 'x'
    args = [str(video), checkpoint, '--out', str(out), '--size', '64', '--strip', '2']
    boxes = ['--box', '16', '16', '48', '48', '--box', '60', '8', '90', '30']
    propagation.main([*args, '--stride', '32', '--topk', '3', *boxes])
    masks = [read_label_map(p) for p in sorted(Path(f'{out}_masks').glob('*.png'))]
    assert len(masks) == FRAMES
    expected = np.zeros(SIZE, np.uint8)
    expected[16:48, 16:48] = 1
    expected[8:30, 60:90] = 2
    assert (masks[0] == expected).all()
    picture = np.asarray(Image.open(f'{out}_strip.png'))
    for k, name in ((0, '00000.png'), (1, '00004.png')):
        frame = np.asarray(Image.open(video / name))
        drawn = overlay_masks(frame, masks[4 * k], object_palette())
        left = k * (SIZE[1] + GAP)
        assert (picture[:, left : left + SIZE[1]] == drawn).all()
    frames = read_clip(Path(f'{out}.mp4'))
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * FRAMES
    first = picture[:, : SIZE[1]].astype(int)
    assert np.abs(frames[0].astype(int) - first).mean() < 12


def test_random_weights_of_a_config(video: Path, tmp_path: Path) -> None:
    """'none' has the random weights of tools/test.py, whatever the config names."""
    name = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017.py'
    cfg = Config.fromfile(configs_root() / name)
    cfg.test_dataloader.dataset.size = SIZE[0]
    cfg.dump(tmp_path / 'random.py')
    cfg.model.backbone.checkpoint = 'no/such.pth'
    cfg.dump(tmp_path / 'trained.py')
    for stem in ('random', 'trained'):
        paths = ['--config', str(tmp_path / f'{stem}.py'), '--out', str(tmp_path / stem)]
        box = ['--box', '16', '16', '48', '48']
        propagation.main([str(video), 'none', *paths, *box])
    expected = Propagator.from_config(tmp_path / 'random.py')(
        video, first_mask=read_label_map(tmp_path / 'random_masks' / '00000.png')
    )
    assert expected.masks is not None
    for t, ids in enumerate(expected.masks):
        for stem in ('random', 'trained'):
            drawn = read_label_map(tmp_path / f'{stem}_masks' / f'{t:05d}.png')
            assert (drawn == ids).all()
    assert len(expected) == FRAMES


def test_propagating_again(video: Path, checkpoint: str, tmp_path: Path) -> None:
    """A second run takes the place of the first, of which no mask is left."""
    args = [str(video), checkpoint, '--out', str(tmp_path / 'x'), '--size', '64']
    args += ['--stride', '32', '--gif', '--box', '16', '16', '48', '48']
    for frames, count in (('0:4', 4), ('0:2', 2)):
        propagation.main([*args, '--frames', frames])
        names = sorted(path.name for path in (tmp_path / 'x_masks').iterdir())
        assert names == numbered(count)
        with Image.open(tmp_path / 'x.gif') as image:
            assert getattr(image, 'n_frames', 1) == count
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'x.gif',
        'x_masks',
        'x_strip.png',
    ]


def test_points_and_gif(video: Path, checkpoint: str, tmp_path: Path) -> None:
    out = tmp_path / 'x'
    args = [str(video), checkpoint, '--out', str(out), '--size', '64', '--stride', '32']
    propagation.main([*args, '--point', '30', '20', '--gif', '--frames', '0:4:2'])
    with Image.open(f'{out}.gif') as image:
        assert getattr(image, 'n_frames', 1) == 2
    assert not Path(f'{out}_masks').exists()


def test_bad_input(video: Path, checkpoint: str, tmp_path: Path) -> None:
    """Each mistake is one line that names the option."""
    two = [str(video), checkpoint, '--out', str(tmp_path / 'x')]
    for args, message in (
        (['no/such.mp4', checkpoint], r'no/such\.mp4'),
        ([*two, '--size', 'big'], "--size must be pixels or 'original', got 'big'"),
        ([*two, '--rows', '0'], '--rows must be at least 1'),
        ([*two, '--patch-size', '20'], 'multiple of 32 pixels'),
        # Before the checkpoint is read, and so before any frame is computed.
        ([*two[:1], 'no.pth', '--fps', '0'], 'fps must be 0.001 to 1000 .* got 0'),
        ([*two[:1], 'no.pth', '--device', 'gpu'], "device 'gpu' cannot be used"),
    ):
        with pytest.raises(SystemExit, match=f'^vis_reconstruction.py: .*{message}'):
            reconstruction.main(args)
    for args, message in (
        (two, 'give one of --mask, --box and --point$'),
        ([*two, '--box', '0', '0', '9', '9', '--mask', 'm.png'], 'not mask and box'),
        ([*two, '--box', '0', '0', '97', '9'], 'X0 < X1 <= 96'),
        ([*two, *['--box', '0', '0', '9', '9'] * 255], 'at most 254 objects .* got 255'),
        (
            [*two, '--box', *'2299', '--box', *'1169', '--box', *'6299'],
            '--box 2 2 9 9 is covered by later ones',
        ),
        (
            [str(video), 'no.pth', '--point', '1', '1', '--device', 'gpu'],
            "^vis_propagation.py: the device 'gpu' cannot be used",
        ),
        ([*two, '--point', '1', '1', '--strip', '0'], '--strip must be at least 1'),
        (
            [*two, '--point', '1', '1', '--config', 'x', '--topk', '3'],
            'topk: give either',
        ),
        (
            [str(video), 'none', '--out', two[-1], '--point', '1', '1'],
            'random weights of the encoder of a --config',
        ),
    ):
        with pytest.raises(SystemExit, match=message):
            propagation.main(args)
    assert not list(tmp_path.iterdir())
