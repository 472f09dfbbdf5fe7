"""Pictures of reconstructions against plain statements of what they show."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmpretrain.structures import DataSample
from numpy.typing import NDArray

from tests.models.common import build, config
from tests.models.test_released import released_convnext
from videomac.apis import Reconstruction, Reconstructor, reconstruct
from videomac.checkpoints import UnusableCheckpointError
from videomac.checkpoints.released_layout import convert_released
from videomac.sparse import PatchGrid

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


def noise(length: int, height: int, width: int) -> NDArray[np.uint8]:
    """Frames of random pixels, [T, H, W, 3]."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)


def test_equals_the_models_own_prediction() -> None:
    """Frame 1 by the online and frame 2 by the target network."""
    model = build()
    video = noise(2, 64, 96)
    inputs = torch.from_numpy(video).permute(0, 3, 1, 2).contiguous()
    (sample,) = reconstruct(
        model, [dict(inputs=inputs, data_samples=DataSample())], seed=4
    )
    visible = sample.visible[0, 0, ::32, ::32].numpy()
    networks: tuple[Literal['online', 'target'], ...] = ('online', 'target')
    for frame, network in enumerate(networks):
        result = Reconstructor(model)(
            video, visible=visible, size='original', network=network, progress=False
        )
        for name, mine in (
            ('reconstruction', result.prediction),
            ('pasted', result.pasted),
            ('frames', result.original),
        ):
            want = (sample.get(name)[frame] * 255).round().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(mine[frame], want)
        np.testing.assert_array_equal(result.visible[frame], visible)


def test_predictions_get_the_statistics_of_their_patch() -> None:
    """Stated pixel by pixel, in double precision."""
    model = build().eval()
    head: Any = model.decoder
    with torch.no_grad():
        head.pred.weight.mul_(0.1)  # few pixels leave the range that can be shown
    video = noise(1, 64, 64)
    visible = np.array([[True, False], [False, True]])
    result = Reconstructor(model)(video, visible=visible, size='original')
    pixels = (video[0] - MEAN) / STD
    grid = PatchGrid.from_mask(torch.from_numpy(visible)[None], 32)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        latent = model.sparse.encode(model.encoder, images, grid)
        cells = model.decoder(latent, torch.from_numpy(~visible)[None])  # of 32 pixels
    for row in range(2):
        for col in range(2):
            place = np.s_[32 * row : 32 * row + 32, 32 * col : 32 * col + 32]
            patch = pixels[place]
            mean = patch.sum() / patch.size
            variance = ((patch - mean) ** 2).sum() / (patch.size - 1)
            raw = cells[0, :, row, col].reshape(32, 32, 3).double().numpy()
            want = (raw * np.sqrt(variance + 1e-6) + mean) * STD + MEAN
            got = result.prediction[0][place].astype(float)
            assert ((want > 0) & (want < 255)).mean() > 0.5
            assert np.abs(got - want.clip(0, 255)).max() < 0.51


@settings(max_examples=12)
@given(
    rows=st.integers(2, 4),
    cols=st.integers(2, 4),
    extra=st.integers(0, 31),
    ratio=st.floats(0.3, 0.7),
    seed=st.integers(0, 9),
)
def test_pasted_is_the_original_where_it_is_visible(
    rows: int, cols: int, extra: int, ratio: float, seed: int
) -> None:
    video = noise(2, 32 * rows + extra, 32 * cols + extra // 2)
    reconstructor = Reconstructor(MODEL)
    result = reconstructor(video, mask_ratio=ratio, seed=seed, size='original')
    assert reconstructor.grid_shape(video, size='original') == (rows, cols)
    assert result.visible.shape == (2, rows, cols)
    assert (result.visible.sum((1, 2)) == int(rows * cols * (1 - ratio))).all()
    np.testing.assert_array_equal(result.visible[0], result.visible[1])
    top, left = extra // 2, (extra // 2) // 2
    for t in range(2):
        for i in range(rows):
            for j in range(cols):
                place = np.s_[t, 32 * i : 32 * i + 32, 32 * j : 32 * j + 32]
                shown = bool(result.visible[t, i, j])
                source = result.original if shown else result.prediction
                assert (result.pasted[place] == source[place]).all()
                assert shown or (result.masked[place] == 128).all()
                assert not shown or (result.masked[place] == source[place]).all()
    cut = video[:, top : top + 32 * rows, left : left + 32 * cols]
    np.testing.assert_array_equal(result.original, cut)


MODEL = build()


def test_seeds_and_patches() -> None:
    video = noise(1, 128, 160)
    run = Reconstructor(MODEL)
    first, again, other = (run(video, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.prediction, again.prediction)
    assert (first.visible != other.visible).any()
    assert first.original.shape == (1, 224, 256, 3)  # 224 x 280, cut to patches of 32
    larger = run(video, patch_size=64, size=(128, 192))
    assert larger.original.shape == (1, 128, 192, 3)
    assert larger.visible.shape == (1, 2, 3)


def test_from_a_checkpoint_with_its_config(tmp_path: Path) -> None:
    steps = [dict(type='FramesRandomResizedCrop', size=96)]
    text = dict(model=config(), train_dataloader=dict(dataset=dict(pipeline=steps)))
    path = tmp_path / 'run.pth'
    state = MODEL.state_dict()
    torch.save({'state_dict': state, 'meta': {'cfg': Config(text).pretty_text}}, path)
    loaded = Reconstructor(path, device='cpu')
    video = noise(2, 100, 140)
    assert loaded.image_size == 96
    result = loaded(video)
    np.testing.assert_array_equal(
        result.prediction, Reconstructor(MODEL)(video, size=96).prediction
    )
    torch.save({'state_dict': state}, path)
    with pytest.raises(ValueError, match='does not carry the config'):
        Reconstructor(path)
    given_it = Reconstructor(path, config=text)
    np.testing.assert_array_equal(given_it(video).prediction, result.prediction)
    with pytest.raises(UnusableCheckpointError, match='does not fit VideoMAC'):
        Reconstructor(path, config='videomac/demo')
    with pytest.raises(ValueError, match='only a VideoMAC can be drawn'):
        Reconstructor(path, config='finetune/demo')
    with pytest.raises(FileNotFoundError, match='there is no file'):
        Reconstructor('nothing.pth')


IN_PYTHON = """
from mmpretrain.models import ConvNeXt

from videomac.models import (
    ConvNeXtDecoder,
    EMATarget,
    RandomPatchMasking,
    ReconstructionConsistencyLoss,
    VideoMAC,
)

model = {model}
"""


def test_from_a_checkpoint_of_a_config_in_pure_python(tmp_path: Path) -> None:
    """Its types are classes, and import paths in the checkpoint."""
    own = re.sub(r"'type': '(?:mmpretrain\.)?(\w+)'", r"'type': \1", repr(config()))
    source, path = tmp_path / 'given.py', tmp_path / 'run.pth'
    source.write_text(IN_PYTHON.format(model=own))
    text = Config.fromfile(source).pretty_text
    assert "type='videomac.models.VideoMAC'" in text
    torch.save({'state_dict': MODEL.state_dict(), 'meta': {'cfg': text}}, path)
    video = noise(2, 64, 64)
    expected = Reconstructor(MODEL)(video, size=64).prediction
    for loaded in (Reconstructor(path), Reconstructor(path, config=source)):
        np.testing.assert_array_equal(loaded(video, size=64).prediction, expected)


def test_from_a_checkpoint_of_the_released_code(tmp_path: Path) -> None:
    """No config needed; the networks are those that were put in."""
    state = released_convnext(grn=True).state
    state = {name: value.float() for name, value in state.items()}
    content = dict(online_without_ddp=state, target_without_ddp=state)
    path = tmp_path / 'released.pth'
    torch.save(content, path)
    loaded = Reconstructor(path, device='cpu')
    patch = loaded.model.masking.patch_size
    expected = convert_released(content)
    own = loaded.model.state_dict()
    assert all(torch.equal(own[key], value) for key, value in expected.items())
    video = noise(1, 4 * patch, 4 * patch)
    online, target = (
        loaded(video, size='original', network=name) for name in ('online', 'target')
    )
    np.testing.assert_array_equal(online.prediction, target.prediction)


def test_an_encoder_alone(tmp_path: Path) -> None:
    """Without a decoder a config is of no help."""
    path = tmp_path / 'encoder.pth'
    contents: list[Any] = [MODEL.encoder.state_dict(), {'state_dict': {}}]
    for content in contents:
        torch.save(content, path)
        with pytest.raises(ValueError, match='an encoder alone reconstructs nothing'):
            Reconstructor(path)


class LeftHalf:
    """Masks of one's own with no more than they must have: the left half is visible."""

    patch_size = 32

    def __call__(
        self, batch: int, size: Any, frames: int = 2, device: Any = None, draw: Any = None
    ) -> list[PatchGrid]:
        visible = torch.zeros(batch, size[0] // 32, size[1] // 32, dtype=torch.bool)
        visible[..., : visible.shape[-1] // 2] = True
        return [PatchGrid.from_mask(visible, 32)] * frames


def test_masks_of_ones_own() -> None:
    """They are used as they are, or random ones in their place."""
    run = Reconstructor(build())
    run.model.masking = LeftHalf()
    video = noise(2, 128, 128)

    def visible(**options: Any) -> NDArray[np.bool_]:
        return run(video, size=128, seed=1, progress=False, **options).visible

    assert visible()[..., :2].all()
    assert not visible()[..., 2:].any()
    for options, shape, shown in (
        (dict(mask_ratio=0.5), (2, 4, 4), 8),
        (dict(patch_size=64), (2, 2, 2), 1),
        (dict(mask_ratio=0.5, patch_size=64), (2, 2, 2), 2),
    ):
        found = visible(**options)
        assert found.shape == shape
        assert (found.sum((1, 2)) == shown).all()
        np.testing.assert_array_equal(found[0], found[1])


def test_callbacks_and_stopping(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    seen: list[tuple[int, tuple[int, ...]]] = []
    states: list[str] = []

    def watch(index: int, pictures: Reconstruction) -> None:
        seen.append((index, pictures.pasted.shape))
        if index == 2:
            stop.set()

    result = Reconstructor(MODEL.train())(
        noise(6, 64, 64),
        size=64,
        on_frame=watch,
        progress=lambda state: states.append(str(state)),
        cancel=stop,
    )
    assert MODEL.training
    assert seen == [(i, (1, 64, 64, 3)) for i in range(3)]
    assert [state.split()[0] for state in states] == ['1/6', '2/6', '3/6']
    assert (len(result), result.cancelled) == (3, True)
    assert not capsys.readouterr().err
    assert not Reconstructor(MODEL)(noise(2, 64, 64), size=64).cancelled


def test_sheet(tmp_path: Path) -> None:
    result = Reconstructor(MODEL)(noise(2, 64, 64), size=64)
    sheet = result.sheet()
    for name in ('original', 'masked', 'prediction', 'pasted'):
        picture = getattr(result, name)[1]
        windows = np.lib.stride_tricks.sliding_window_view(sheet, (64, 64, 3))
        assert (windows == picture).all((-1, -2, -3)).any(), name
    assert result.save(tmp_path / 'sheet.png').stat().st_size > 0


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (dict(network='teacher'), "'online' or 'target'"),
        (dict(visible=np.ones((3, 2), bool)), 'bool of 2 x 2'),
        (dict(visible=np.ones((2, 2))), 'got float64'),
        (dict(visible=np.zeros((2, 2), bool)), 'shows no patch'),
        (dict(visible=np.ones((2, 2), bool), mask_ratio=0.5), 'either'),
        (dict(mask_ratio=1.5), 'ratio must be between 0 and 1'),
        (dict(mask_ratio=0.9), 'leaves 0 of 4'),
        (dict(patch_size=20), 'multiple of 32'),
        (dict(size=20), 'hold no patch'),
        (dict(size='large'), "'original'"),
        (dict(size=(50, 64)), 'not a multiple of 32'),
        (dict(size=(64,)), r'\(height, width\), got \(64,\)'),
        (dict(size=[64, 64, 96]), r'\(height, width\), got \[64, 64, 96\]'),
        (dict(frames=[5]), 'frames 0 to 1'),
        (dict(frames=[]), 'no frames'),
    ],
)
def test_bad_arguments(arguments: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Reconstructor(MODEL)(noise(2, 64, 64), **({'size': 64} | arguments))


def test_no_target() -> None:
    model = build(target=None, consistency_loss=None)
    with pytest.raises(ValueError, match='without a target'):
        Reconstructor(model)(noise(1, 64, 64), network='target')
