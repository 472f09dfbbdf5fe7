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


def test_other_options_make_other_frames(
    tmp_path: Path, clips: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(make_folder(tmp_path / 'clips', clips))
    words = [source, '--out', str(tmp_path / 'out'), '--processes', '1']
    videos.main(words)
    before = read_tree(tmp_path / 'out')
    videos.main([*words, '--quality', '30'])
    assert ' 2 of them in place of older ones, 0 left out' in capsys.readouterr().out
    after = read_tree(tmp_path / 'out')
    frames = [name for name in before if name.endswith('.jpg')]
    assert len(frames) == 11
    assert all(len(after[name]) < len(before[name]) for name in frames)


@pytest.mark.parametrize('own', ['notes.txt', '00000.jpg', 'deep/00000.jpg'])
@pytest.mark.parametrize('where', ['clips', 'other'])
def test_folders_of_others_are_not_replaced(
    where: str, own: str, tmp_path: Path, clips: dict[str, bytes]
) -> None:
    """Beside the videos or elsewhere; not for their names alone."""
    source = make_folder(tmp_path / 'clips', clips)
    out = make_folder(tmp_path / where, {f'c/{own}': b'precious'})
    before = read_tree(tmp_path)
    with pytest.raises(SystemExit, match="c' is there already, and was not written by"):
        videos.main([str(source), '--out', str(out), '--processes', '1'])
    assert read_tree(tmp_path) == before


def test_files_added_to_frames_are_not_lost(
    tmp_path: Path, clips: dict[str, bytes]
) -> None:
    source = str(make_folder(tmp_path / 'clips', clips))
    words = [source, '--out', str(tmp_path / 'out'), '--processes', '1']
    videos.main(words)
    make_folder(tmp_path / 'out', {'c/.DS_Store': b'junk'})
    videos.main([*words, '--quality', '40'])  # junk keeps nothing
    make_folder(tmp_path / 'out', {'c/notes.txt': b'precious'})
    before = read_tree(tmp_path)
    with pytest.raises(SystemExit, match="c' has in it what was not written by a conv"):
        videos.main([*words, '--quality', '30'])
    assert read_tree(tmp_path) == before


def test_frames_that_a_killed_run_did_not_note(
    tmp_path: Path, clips: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are taken over, if they are those of the video."""
    source = str(make_folder(tmp_path / 'clips', clips))
    out = tmp_path / 'out'
    words = [source, '--out', str(out), '--processes', '1']
    videos.main(words)
    whole = read_tree(out)
    for name in ('manifest.json', 'manifest_files.jsonl.gz'):
        (out / name).unlink()
    kept = (out / 'c').stat().st_ino
    videos.main(words)
    assert ' 0 were written now (of 0.0 MB), 2 lay there' in capsys.readouterr().out
    assert (out / 'c').stat().st_ino == kept
    assert read_tree(out) == whole


def test_videos_of_two_folders_for_one_place(
    tmp_path: Path, clips: dict[str, bytes]
) -> None:
    """One folder after the other is as both at once."""
    words = ['--out', str(tmp_path / 'out'), '--processes', '1']
    for name, video in (('a', 'c.MP4'), ('like', 'c.MP4'), ('b', 'deep/er/ä b.mp4')):
        make_folder(tmp_path / name, {'c.mp4': clips[video]})
    videos.main([str(tmp_path / 'a'), *words])
    videos.main([str(tmp_path / 'like'), *words])
    before = read_tree(tmp_path / 'out')
    with pytest.raises(SystemExit, match=r"c' came from 'like', and .*b/c\.mp4 differs"):
        videos.main([str(tmp_path / 'b'), *words])
    assert read_tree(tmp_path / 'out') == before


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
