"""The tools that draw videos do not write over what they are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.datasets.label_maps import write_label_map
from videomac.utils import tools_root
from videomac.visualization import clips
from videomac.visualization.clips import ClipWriter

reconstruction = load_tool(tools_root() / 'visualization' / 'vis_reconstruction.py')
propagation = load_tool(tools_root() / 'visualization' / 'vis_propagation.py')

BOX = ['--box', '4', '4', '20', '20']


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    if not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    writer = ClipWriter(tmp_path / 'clip', 4)
    for value in range(4):
        writer.add(np.full((64, 96, 3), 60 * value, np.uint8))
    return writer.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Frames under names that the tools write, too."""
    path = tmp_path / 'video_masks'
    path.mkdir()
    for name in ('00000.png', '00001.png', 'grid_strip.png'):
        Image.new('RGB', (96, 64), 'red').save(path / name)
    return path


def refuses(tool: str, args: list[str], message: str, root: Path) -> None:
    """Check that a tool stops before it looks for the network, and nothing changes."""
    files = {p: p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()}
    main = propagation.main if tool == 'propagation' else reconstruction.main
    with pytest.raises(SystemExit, match=message):
        main([args[0], 'no.pth', *args[1:]])
    assert {p: p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()} == files


def test_the_clip_itself(clip: Path, tmp_path: Path) -> None:
    message = r"clip\.mp4' is the input; name another --out"
    out = ['--out', str(clip.with_suffix(''))]
    refuses('reconstruction', [str(clip), *out], message, tmp_path)
    refuses('propagation', [str(clip), *out, *BOX], message, tmp_path)
    other = [*out, '--gif', *BOX]  # which writes other files
    refuses('propagation', [str(clip), *other], 'no checkpoint', tmp_path)
    refuses('reconstruction', [str(clip), *out, '--no-clip'], 'no.pth', tmp_path)


def test_frames_of_the_folder(folder: Path, tmp_path: Path) -> None:
    for tool, stem, extra in (
        ('reconstruction', '00001', []),
        ('propagation', 'grid', ['--point', '3', '3']),
        ('propagation', '../video', BOX),
    ):
        args = [str(folder), '--out', str(folder / stem), *extra]
        refuses(tool, args, r"\.png' is the input; name another --out", tmp_path)
    one = ['--frames', '0:1', '--no-clip', '--out', str(folder / '00001')]
    refuses('reconstruction', [str(folder), *one], 'is the input', tmp_path)


def test_annotations(folder: Path, tmp_path: Path) -> None:
    """The mask that is given, and others that are there."""
    annotations = tmp_path / 'gt_masks'
    annotations.mkdir()
    ids = np.zeros((64, 96), np.uint8)
    ids[:9] = 1
    for name in ('00000.png', '00001.png'):
        write_label_map(annotations / name, ids)
    args = [str(folder), '--out', str(tmp_path / 'gt')]
    mask = ['--mask', str(annotations / '00001.png')]
    refuses('propagation', [*args, *mask], r"00001\.png' is the input", tmp_path)
    refuses('propagation', [*args, *BOX], 'is no mask of an earlier run', tmp_path)
    # Points are not written as masks.
    refuses('propagation', [*args, '--point', '3', '3'], 'no checkpoint', tmp_path)
    shutil.rmtree(annotations)
    refuses('propagation', [*args, *BOX], 'no checkpoint', tmp_path)


def test_folders_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('x')
    for tool, extra in (('reconstruction', []), ('propagation', BOX)):
        args = [str(folder), '--out', str(tmp_path / 'file' / 'x'), *extra]
        refuses(tool, args, "nothing can be written to '.*file'", tmp_path)
