"""Videos of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.preparation.sources import make_folder, make_zip, read_tree
from tests.real_data import real_data
from tests.tools.dataset_converters.common import (
    build_dataset,
    converter,
    draw_video,
    offences,
)

videos = converter('videos')


@pytest.fixture(scope='module')
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Draw two videos of different lengths."""
    folder = tmp_path_factory.mktemp('clips')
    return {
        'deep/er/ä b.mp4': draw_video(folder / 'a.mp4', 4).read_bytes(),
        'c.MP4': draw_video(folder / 'c.mp4', 7).read_bytes(),
    }


def test_frames_and_videos(tmp_path: Path, clips: dict[str, bytes]) -> None:
    source = make_zip(tmp_path / 'clips.zip', clips | {'readme.txt': b'x'})
    out = tmp_path / 'frames'
    videos.main([str(source), '--out', str(out), '--processes', '2', '--content'])
    assert len(list((out / 'deep/er/ä b').iterdir())) == 4
    assert len(list((out / 'c').iterdir())) == 7
    dataset = build_dataset('_base_/datasets/k400.py', 'train', out, fraction=1)
    assert len(dataset) == 3 + 6
    kept = tmp_path / 'kept'
    videos.main([str(source), '--out', str(kept), '--keep-videos', '--content'])
    found = read_tree(kept)
    assert {name: found[name] for name in clips} == clips
    assert len(build_dataset('_base_/datasets/video_files.py', 'train', kept)) == 3 + 6


def test_single_files_are_sources(tmp_path: Path, clips: dict[str, bytes]) -> None:
    folder = make_folder(tmp_path / 'clips', clips)
    out = tmp_path / 'out'
    words = [str(folder / 'c.MP4'), str(folder / 'deep'), '--out', str(out)]
    videos.main([*words, '--processes', '1'])
    assert sorted(p.parent.name for p in out.rglob('00000.jpg')) == ['c', 'ä b']


def test_videos_with_one_place_are_told(tmp_path: Path, clips: dict[str, bytes]) -> None:
    files = {'a.mp4': clips['c.MP4'], 'a.mkv': b'x', 'a/b.mp4': clips['c.MP4']}
    source = make_folder(tmp_path / 'clips', files)
    with pytest.raises(SystemExit) as caught:
        videos.main([str(source), '--out', str(tmp_path / 'out')])
    assert "both belong to 'a'" in str(caught.value)
    assert "'a/b' would lie inside 'a', a video" in str(caught.value)


def test_other_options_make_other_frames(tmp_path: Path, clips: dict[str, bytes]) -> None:
    source = str(make_folder(tmp_path / 'clips', clips))
    words = [source, '--out', str(tmp_path / 'out'), '--processes', '1']
    videos.main(words)
    before = read_tree(tmp_path / 'out')
    videos.main([*words, '--quality', '30'])
    after = read_tree(tmp_path / 'out')
    frames = [name for name in before if name.endswith('.jpg')]
    assert len(frames) == 11
    assert all(len(after[name]) < len(before[name]) for name in frames)


def test_broken_and_absent_videos(tmp_path: Path, clips: dict[str, bytes]) -> None:
    root = make_folder(tmp_path / 'out', {'c.mp4': clips['c.MP4'][:200]})
    (found,) = offences(videos, root)
    assert f'{root}/c.mp4' in found
    (root / 'c.mp4').unlink()
    assert offences(videos, root) == ['there is no video']


def test_real_videos(tmp_path: Path) -> None:
    source = real_data('videos', 'intel_asl_bird.mkv')
    out = tmp_path / 'out'
    words = [str(source), '--out', str(out), '--short-side', '64', '--processes', '1']
    videos.main([*words, '--content'])
    import decord

    number = len(decord.VideoReader(str(source)))
    assert len(list((out / 'intel_asl_bird').iterdir())) == number
