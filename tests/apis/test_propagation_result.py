"""What is saved of a propagation never takes the place of what people gave."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from videomac.apis import Propagation, open_video
from videomac.datasets.label_maps import read_label_map, write_label_map
from videomac.visualization import clips
from videomac.visualization.clips import ClipWriter


def result(count: int, first: int = 0, video: object = None) -> Propagation:
    """Masks that tell their frame by their id."""
    masks = np.full((count, 32, 48), 1, np.uint8)
    masks += np.arange(first, first + count, dtype=np.uint8)[:, None, None]
    frames = np.zeros((count, 32, 48, 3), np.uint8) if video is None else video
    return Propagation(open_video(frames), masks=masks)  # type: ignore[arg-type]


def ids_in(folder: Path) -> dict[str, int]:
    return {p.name: int(read_label_map(p).max()) for p in sorted(folder.glob('*.png'))}


def test_masks_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    """All of them: none of a longer one stays among the new ones."""
    (tmp_path / 'notes.txt').write_text('mine')
    result(4).save_masks(tmp_path)
    result(2, first=7).save_masks(str(tmp_path))
    assert ids_in(tmp_path) == {'00000.png': 8, '00001.png': 9}
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('name', ['00000.png', '00009.png', 'frame.JPG'])
def test_other_pictures_are_not_touched(tmp_path: Path, name: str) -> None:
    """Annotations and frames, under names that would be written or not."""
    result(2).save_masks(tmp_path)
    picture = tmp_path / name
    picture.unlink(missing_ok=True)
    if picture.suffix == '.png':
        write_label_map(picture, np.full((32, 48), 5, np.uint8))
    else:
        Image.new('RGB', (48, 32)).save(picture)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"{name}' is no mask of an earlier run"):
        result(3, first=4).save_masks(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_masks_that_were_corrected_are_kept(tmp_path: Path) -> None:
    """A mask that a person has changed and saved is no longer ours."""
    path = result(2).save_masks(tmp_path)[1]
    with Image.open(path) as image:
        image.load()
    image.putpixel((0, 0), 9)
    image.save(path)
    with pytest.raises(ValueError, match=r"00001\.png' is no mask of an earlier run"):
        result(2).save_masks(tmp_path)
    assert ids_in(tmp_path) == {'00000.png': 1, '00001.png': 9}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / 'masks').write_text('x')
    with pytest.raises(NotADirectoryError, match=r"masks' is a file"):
        result(2).save_masks(tmp_path / 'masks')


def test_a_clip_does_not_replace_its_frames(tmp_path: Path) -> None:
    """By whatever name; parts of a video know their file, too."""
    if not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    writer = ClipWriter(tmp_path / 'clip', 3)
    frame: NDArray[np.uint8] = np.full((32, 48, 3), 90, np.uint8)
    for _ in range(3):
        writer.add(frame)
    path = writer.close()
    content = path.read_bytes()
    os.symlink(path, tmp_path / 'link.mp4')
    done = result(2, video=open_video(path)[1:])
    for stem in ('clip', 'link', f'../{tmp_path.name}/clip'):
        with pytest.raises(ValueError, match=r"\.mp4' is the input; save the clip under"):
            done.save_clip(tmp_path / stem)
    assert path.read_bytes() == content
    assert done.save_clip(tmp_path / 'other').is_file()
