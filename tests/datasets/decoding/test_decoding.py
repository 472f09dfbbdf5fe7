"""Decoding no more than a crop needs, against Pillow, which decodes everything."""

import io
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.datasets.broken import huge_jpeg
from tests.datasets.decoding.pictures import jpeg, pillow_crop, smooth
from tests.real_data import real_data
from videomac.datasets.decoding import (
    DECODERS,
    JpegHeader,
    best_decoder,
    crop_jpegs,
    plan_window,
    read_header,
    resize_window,
)
from videomac.datasets.decoding.decoders import decode_region
from videomac.datasets.decoding.turbojpeg import TurboJPEG, turbojpeg

KINDS: dict[str, dict[str, Any]] = {
    '4:2:0': {'subsampling': 2},
    '4:2:2': {'subsampling': 1},
    '4:4:4': {'subsampling': 0},
    'progressive': {'progressive': True},
    'restarts': {'restart_marker_blocks': 4},
    'grey': {'mode': 'L'},
    'RGB': {'keep_rgb': True},
    'EXIF': {'exif': b'Exif\0\0' + b'\xff\xc0 looks like a frame, is none' * 9},
}


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> str:
    """Every decoder that is installed."""
    name: str = request.param
    if name == 'turbojpeg' and turbojpeg() is None:
        pytest.skip('there is no libturbojpeg 3')
    if name == 'simplejpeg':
        pytest.importorskip('simplejpeg')
    return name


@pytest.mark.parametrize('kind', KINDS)
def test_header_is_pillows(kind: str) -> None:
    for height, width in ((1, 1), (37, 61), (200, 96)):
        data = jpeg(smooth(height, width), **KINDS[kind])
        assert read_header(data) == JpegHeader(height, width)
        assert Image.open(io.BytesIO(data)).size == (width, height)


def test_what_is_left_to_pillow() -> None:
    data = jpeg(smooth(24, 40))
    cmyk = jpeg(smooth(24, 40), 'CMYK')
    arithmetic = data.replace(b'\xff\xc0', b'\xff\xc9', 1)
    twelve_bits = data.replace(b'\xff\xc0\x00\x11\x08', b'\xff\xc0\x00\x11\x0c', 1)
    assert twelve_bits != data
    for other in (cmyk, arithmetic, twelve_bits, huge_jpeg(), data[:-2], b'', b'GIF89a'):
        assert read_header(other) is None
    assert read_header(data + b'\0' * 16) == JpegHeader(24, 40)  # padded


@given(cut=st.integers(0, 700))
def test_header_of_anything_raises_nothing(cut: int) -> None:
    data = jpeg(smooth(24, 40))
    assert read_header(data[:cut] + b'\xff\xd9') in (None, JpegHeader(24, 40))
    read_header(b'\xff\xd8' + data[cut:])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('reduction', [1, 2, 4, 8])
def test_region_is_cut_from_the_whole(kind: str, reduction: int, decoder: str) -> None:
    H, W = 150, 210
    data = jpeg(smooth(H, W), **KINDS[kind])
    h, w = -(-H // reduction), -(-W // reduction)
    image = Image.open(io.BytesIO(data))
    if reduction > 1:
        image.draft(None, (max(W // reduction, 1), max(H // reduction, 1)))
    whole = np.asarray(image.convert('RGB'))
    assert whole.shape == (h, w, 3)
    rng = np.random.default_rng(0)
    for _ in range(12):
        height, width = int(rng.integers(1, h + 1)), int(rng.integers(1, w + 1))
        top = int(rng.integers(h - height + 1))
        left = int(rng.integers(w - width + 1))
        part = decode_region(data, (top, left, height, width), reduction, decoder)
        expected = whole[top : top + height, left : left + width]
        # Versions of libjpeg round chroma differently by a step or two.
        assert np.abs(part.astype(int) - expected).max() <= 3


@settings(max_examples=60)
@given(st.data())
def test_plan_covers_the_window(data: st.DataObject) -> None:
    H, W = data.draw(st.integers(8, 3000)), data.draw(st.integers(8, 3000))
    height, width = data.draw(st.integers(1, H)), data.draw(st.integers(1, W))
    top = data.draw(st.integers(0, H - height))
    left = data.draw(st.integers(0, W - width))
    size = (data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300)))
    plan = plan_window((top, left, height, width), (H, W), size)
    m = plan.reduction
    for axis, start, length, whole, out in (
        (plan.rows, top, height, H, size[0]),
        (plan.columns, left, width, W, size[1]),
    ):
        assert axis.first >= 0
        assert axis.first + axis.number <= -(-whole // m)
        assert axis.first <= start / m + 0.05 * length / m / out
        assert axis.first + axis.number >= (start + length) / m
        if m == 1:
            assert (axis.first, axis.number, axis.added) == (start, length, 0)
            continue
        assert length / m >= out  # never enlarged
        assert axis.number * axis.factor >= axis.added + out
        # Where the first pixel of the result begins, in pixels of the picture.
        begin = (axis.first + axis.added / axis.factor) * m
        assert abs(begin - start) <= 0.06 * length / out


@pytest.mark.parametrize('reduction', [2, 4, 8])
def test_reduced_window_lies_where_pillow_puts_it(reduction: int) -> None:
    """A picture that already is reduced, so that only the resizing is compared."""
    rng = np.random.default_rng(reduction)
    small = smooth(600, 780)[::3, ::3]
    compared = 0
    for _ in range(20):
        H, W = 200 * reduction, 260 * reduction
        height = int(rng.integers(H // 2, H * 9 // 10))
        width = int(rng.integers(W // 2, W * 9 // 10))
        window = (
            int(rng.integers(H - height + 1)),
            int(rng.integers(W - width + 1)),
            height,
            width,
        )
        plan = plan_window(window, (H, W), (64, 80))
        if plan.reduction != reduction:
            continue
        top, left, h, w = plan.region
        pixels = torch.from_numpy(small[top : top + h, left : left + w])
        result = resize_window(pixels.permute(2, 0, 1)[None], plan, 'bicubic')[0]
        actual = result.permute(1, 2, 0).numpy().astype(int)
        errors = []
        for misplaced in (0, 0.5):
            x, y = window[1] / reduction + misplaced, window[0] / reduction + misplaced
            box = (x, y, x + width / reduction, y + height / reduction)
            box = (*box[:2], min(box[2], 260), min(box[3], 200))
            image = Image.fromarray(small)
            expected = np.array(image.resize((80, 64), Image.Resampling.BICUBIC, box))
            errors.append(np.abs(actual - expected).mean())
        assert errors[0] < errors[1] / 2
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear', 'nearest'])
def test_full_resolution_crop_is_pillows(interpolation: str, decoder: str) -> None:
    files = [jpeg(smooth(120, 160, seed), subsampling=2) for seed in (0, 1)]
    window, size = (13, 27, 80, 101), (48, 64)
    crops = crop_jpegs(
        files, (120, 160), window, size, interpolation, decoder, reduce=False
    )
    assert crops.shape == (2, 3, *size)
    assert crops.dtype == torch.uint8
    resample = Image.Resampling[interpolation.upper()]
    for data, crop in zip(files, crops, strict=True):
        expected = pillow_crop(data, window, size, resample)
        error = np.abs(crop.permute(1, 2, 0).numpy().astype(int) - expected)
        # Nearest pixels of torch lie up to one pixel from Pillow's.
        assert error.mean() < (8 if interpolation == 'nearest' else 0.5)


def test_reduced_crops_of_photographs(decoder: str) -> None:
    """The mean difference that issue 7 allows, 2 of 255, on frames of DAVIS."""
    folder = real_data('davis2017', 'JPEGImages', '480p')
    torch.manual_seed(0)
    errors, reductions = [], []
    for name in ('blackswan', 'camel', 'car-shadow', 'dog'):
        data = (folder / name / '00010.jpg').read_bytes()
        header = read_header(data)
        assert header == JpegHeader(480, 854)
        for _ in range(4):
            height, width = (int(n) for n in torch.randint(300, 470, (2,)))
            top = int(torch.randint(480 - height, ()))
            left = int(torch.randint(854 - width, ()))
            window, size = (top, left, height, width), (112, 112)
            reductions.append(plan_window(window, (480, 854), size).reduction)
            (crop,) = crop_jpegs([data], (480, 854), window, size, decoder=decoder)
            expected = pillow_crop(data, window, size)
            error = np.abs(crop.permute(1, 2, 0).numpy().astype(int) - expected)
            errors.append(error.mean())
    assert np.mean(np.array(reductions) > 1) > 0.5
    assert np.mean(errors) < 1
    assert max(errors) < 2


def test_damage_is_an_error() -> None:
    data = bytearray(jpeg(smooth(120, 160)))
    data[-600:-2] = b'\0' * 598
    names = [n for n in ('turbojpeg', 'simplejpeg') if best_decoder() in (n, 'turbojpeg')]
    for name in names:
        if name == 'simplejpeg':
            pytest.importorskip('simplejpeg')
        with pytest.raises(ValueError, match=r'\w'):
            decode_region(bytes(data), (0, 0, 120, 160), 1, name)


def test_opencv_refuses_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match='OpenCV cannot decode'):
        decode_region(b'no picture', (0, 0, 1, 1), 1, 'opencv')
    with pytest.raises(ValueError, match='40x24 pixels were decoded, not 99x24'):
        decode_region(jpeg(smooth(24, 40)), (0, 0, 24, 99), 1, 'opencv')


def test_best_decoder_needs_nothing_but_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    import videomac.datasets.decoding.decoders as module

    monkeypatch.setattr(module, 'turbojpeg', lambda: None)
    monkeypatch.setitem(sys.modules, 'simplejpeg', None)
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    assert best_decoder.__wrapped__() == 'opencv'
    with pytest.raises(ImportError, match='pip install turbojpeg'):
        decode_region(jpeg(smooth(8, 8)), (0, 0, 8, 8), 1, 'turbojpeg')


def test_old_library_is_refused() -> None:
    with pytest.raises(OSError, match='libnothing'):
        TurboJPEG('libnothing.so')
    with pytest.raises(AttributeError, match='tj3Init'):
        TurboJPEG('libc.so.6')
