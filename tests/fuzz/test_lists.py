"""Lists of videos: our errors alone, and no path outside the data set."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.damage import FEW, MANY
from videomac.datasets import (
    DAVISDataset,
    JHMDBDataset,
    VideoList,
    VIPDataset,
    YouTubeVOS,
    YouTubeVOSDataset,
)
from videomac.utils.quiet import quiet_log

OURS = (ValueError, FileNotFoundError)
PIECES = (
    *('..', '.', '/', '\\', 'clip', 'a', ' ', '\t', '\r', '\n', '\r\n', '#', '\x00'),
    *('\ufeff', 'é', '\u2028', '\x1b[2J', '~', '$HOME', 'x.mat', 'joint_positions.mat'),
    *('JPEGImages/480p/clip/00000.jpg', '/etc', '../', 'file://', '9' * 300),
)

lists = st.lists(st.sampled_from(PIECES), max_size=12).map(
    lambda pieces: ''.join(pieces).encode()
) | st.binary(max_size=60)


def write(root: Path, place: str, content: bytes) -> None:
    """Write a file below the folder of a data set, and one video beside the set."""
    path = root / 'set' / place
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (root / 'outside').mkdir()
    (root / 'outside' / '0.jpg').write_bytes(b'secret')


def check_training(content: bytes) -> None:
    """Every video of a list lies below data_root."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, 'clip/0.jpg', b'')
        (root / 'list.txt').write_bytes(content)
        try:
            videos = VideoList(str(root / 'list.txt'), str(root / 'set')).scan()
        except OURS:
            return
        for video in videos:
            assert Path(video.path).resolve().is_relative_to(root.resolve() / 'set')


def check_evaluation(make: Callable[[Path], Any], place: str, content: bytes) -> None:
    """Every folder of an evaluation's list lies below data_root."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, place, content)
        try:
            dataset = make(root / 'set')
        except OURS:
            return
        for video in dataset.folders:
            inside = root.resolve() / 'set'
            for path in (video.path, *video.labels):
                assert path.resolve().is_relative_to(inside)
            # Predictions are written below the name.
            assert (inside / video.name).resolve().is_relative_to(inside)
            assert (inside / video.name).resolve() != inside


EVALUATIONS: dict[str, tuple[Callable[[Path], Any], str]] = {
    'davis': (lambda r: DAVISDataset(r, check=False), 'ImageSets/2017/val.txt'),
    'davis16': (lambda r: DAVISDataset(r, 2016, check=False), 'ImageSets/2016/val.txt'),
    'vip': (lambda r: VIPDataset(r, check=False), 'lists/val_videos.txt'),
    'jhmdb': (lambda r: JHMDBDataset(r, check=False), 'testlist_split1.txt'),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log short."""
    with quiet_log():
        yield


@example(b'../outside')
@example(b'clip/../../outside')
@FEW
@given(lists)
def test_training_list(content: bytes) -> None:
    check_training(content)


@pytest.mark.slow
@MANY
@given(lists)
def test_many_training_lists(content: bytes) -> None:
    check_training(content)


@pytest.mark.parametrize('kind', EVALUATIONS)
@example(b'..')  # was taken for a video
@example(b'../x')
@example(b'9' * 5000)  # was an OSError
@example(b'\xef\xbb\xbfclip\r\n')
@example(b'\xff\xfe')
@FEW
@given(lists)
def test_evaluation_list(kind: str, content: bytes) -> None:
    check_evaluation(*EVALUATIONS[kind], content)


@pytest.mark.slow
@pytest.mark.parametrize('kind', EVALUATIONS)
@MANY
@given(lists)
def test_many_evaluation_lists(kind: str, content: bytes) -> None:
    check_evaluation(*EVALUATIONS[kind], content)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(['videos', 'objects', 'frames', '..', 'a']), inner
        )
    ),
    max_leaves=8,
)
videos = st.dictionaries(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(''.join),
    st.fixed_dictionaries({'objects': st.dictionaries(st.text(max_size=2), anything)})
    | anything,
    max_size=3,
)
metas = (anything.map(json.dumps) | videos.map(lambda v: json.dumps({'videos': v}))).map(
    str.encode
) | st.binary(max_size=40)


def check_meta(content: bytes) -> None:
    """Evaluation and training read the same file."""
    check_evaluation(
        lambda root: YouTubeVOSDataset(root, check=False), 'meta.json', content
    )
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), 'JPEGImages/clip/0.jpg', b'')
        (Path(folder) / 'set' / 'meta.json').write_bytes(content)
        try:
            found = YouTubeVOS(str(Path(folder) / 'set')).scan()
        except OURS:
            return
        assert [video.name for video in found] == ['clip']


@example(b'{"videos": {"../outside": {"objects": {}}}}')
@example(b'{"videos": ' + b'[' * 100_000)  # was a RecursionError
@example(b'{"videos": [1, "clip"]}')  # was a TypeError
@FEW
@given(metas)
def test_meta_json(content: bytes) -> None:
    check_meta(content)


@pytest.mark.slow
@MANY
@given(metas)
def test_many_meta_jsons(content: bytes) -> None:
    check_meta(content)
