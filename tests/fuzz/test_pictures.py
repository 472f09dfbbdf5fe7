"""Pictures and joints with damaged bytes: our errors alone."""

from __future__ import annotations

import io
import tempfile
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from tests.datasets.broken import grey16, noise, plain, transparent
from tests.fuzz.damage import FEW, MANY, attempt, damaged
from videomac.datasets import FrameFolders, UnreadableVideoError
from videomac.datasets.jhmdb import read_joints
from videomac.datasets.label_maps import (
    LabelMapError,
    read_foreground,
    read_label_map,
    read_palette,
    write_label_map,
)
from videomac.datasets.network_frames import NetworkFrames
from videomac.datasets.tree_check import TreeCheck


def label_map() -> bytes:
    """A palette PNG."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'a.png')
        ids = np.random.default_rng(0).integers(0, 4, (24, 40)).astype(np.uint8)
        write_label_map(path, ids)
        return path.read_bytes()


def joints() -> bytes:
    """A joint_positions.mat, or nothing to damage without SciPy."""
    savemat = pytest.importorskip('scipy.io').savemat
    buffer = io.BytesIO()
    savemat(buffer, {'pos_img': np.random.default_rng(0).uniform(1, 99, (2, 15, 3))})
    return buffer.getvalue()


PICTURES = (noise('JPEG'), noise('PNG'), grey16(), transparent(), plain('JPEG', 'CMYK'))
FRAMES = damaged(*PICTURES, plain('WEBP'), plain('TIFF'), plain('BMP'), plain('PNG', 'P'))
MAPS = damaged(label_map(), grey16(), plain('PNG', 'L'), plain('PNG'), plain('PNG', 'P'))


def check_frame(content: bytes) -> None:
    """Training, evaluation and the check of a tree take it or name it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow's, of odd metadata
        path = Path(folder, 'frame.jpg')
        path.write_bytes(content)
        source = FrameFolders(folder)
        (video,) = source.scan()
        frames, message = attempt(lambda: source.read(video, [0]), UnreadableVideoError)
        assert frames is not None or str(path) in message
        assert frames is None or (frames.shape[-1] == 3 and frames.dtype == np.uint8)
        inputs = NetworkFrames([path], (8, 8), (0.5,) * 3, (0.5,) * 3)
        frame, message = attempt(lambda: inputs[0], UnreadableVideoError)
        assert frame is not None or str(path) in message
        assert frame is None or frame.shape == (3, 8, 8)
        check = TreeCheck('a tree')
        check.frame(path, None)
        assert all(str(path) in offence for offence in check.offences)


def check_label_map(content: bytes) -> None:
    """A label map is read as ids, or named."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        path = Path(folder, 'map.png')
        path.write_bytes(content)
        for read in (read_label_map, read_foreground, read_palette):
            result, message = attempt(partial(read, path), LabelMapError)
            assert not message or str(path) in message
            assert result is None or (result.ndim == 2 and result.dtype == np.uint8)
        check = TreeCheck('a tree')
        check.label_map(path, (24, 40))
        assert all(str(path) in offence for offence in check.offences)


def check_joints(content: bytes) -> None:
    """Joints are finite, or the file is named."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'joint_positions.mat')
        path.write_bytes(content)
        points, message = attempt(lambda: read_joints(path), ValueError)
        if points is None:
            assert str(path) in message
        else:
            assert points.shape[1:] == (15, 2)
            assert len(points) > 0
            assert np.isfinite(points).all()


@FEW
@given(FRAMES)
def test_frames(content: bytes) -> None:
    check_frame(content)


@pytest.mark.slow
@MANY
@given(FRAMES)
def test_many_frames(content: bytes) -> None:
    check_frame(content)


@FEW
@given(MAPS)
def test_label_maps(content: bytes) -> None:
    check_label_map(content)


@pytest.mark.slow
@MANY
@given(MAPS)
def test_many_label_maps(content: bytes) -> None:
    check_label_map(content)


@FEW
@given(damaged(joints()))
def test_joints(content: bytes) -> None:
    check_joints(content)


@pytest.mark.slow
@MANY
@given(damaged(joints()))
def test_many_joints(content: bytes) -> None:
    check_joints(content)


def test_undamaged_files_are_read(tmp_path: Path) -> None:
    """Else all of the above would hold of a reader that refuses everything."""
    path = tmp_path / 'a.png'
    path.write_bytes(label_map())
    assert read_label_map(path).max() == 3
    path.write_bytes(PICTURES[0])
    assert Image.open(path).size == (40, 24)
    path = tmp_path / 'a.mat'
    path.write_bytes(joints())
    assert read_joints(path).shape == (3, 15, 2)
