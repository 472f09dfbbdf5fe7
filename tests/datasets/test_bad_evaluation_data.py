"""Broken evaluation data: one error with path and advice, when the data set is made."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.broken import BROKEN, SIZE, UNUSUAL, break_path, encoded
from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_vip,
    make_youtube_vos,
    moving_squares,
    video_of,
)
from videomac.datasets import (
    BrokenTreeError,
    DAVISDataset,
    JHMDBDataset,
    UnreadableVideoError,
    VIPDataset,
    YouTubeVOSDataset,
)
from videomac.datasets.jhmdb import read_joints

Make = Callable[[Path], Path]
SQUARES = moving_squares(4, (SIZE[1], SIZE[0]))
JOINTS = np.random.default_rng(0).uniform(0, 24, (4, 15, 2))


def davis(root: Path) -> Path:
    return make_davis(root, {'goat': SQUARES}) / 'JPEGImages/480p/goat/00002.jpg'


def vip(root: Path) -> Path:
    return make_vip(root, {'goat': SQUARES}) / 'Images/goat/000000000051.jpg'


def jhmdb(root: Path) -> Path:
    make_jhmdb(root, {'run/goat': JOINTS}, size=(SIZE[1], SIZE[0]))
    return root / 'Rename_Images/run/goat/00003.png'


def youtube_vos(root: Path) -> Path:
    return make_youtube_vos(root, {'goat': SQUARES}, {}) / 'JPEGImages/goat/00010.jpg'


DATASETS = {
    'davis': (davis, DAVISDataset),
    'vip': (vip, VIPDataset),
    'jhmdb': (jhmdb, JHMDBDataset),
    'youtube_vos': (youtube_vos, YouTubeVOSDataset),
}


@pytest.mark.parametrize('kind', DATASETS)
@pytest.mark.parametrize('case', BROKEN)
def test_broken_frame_is_named_at_once(tmp_path: Path, kind: str, case: str) -> None:
    make, dataset = DATASETS[kind]
    path = make(tmp_path)
    _, content, reason = BROKEN[case]
    path.write_bytes(content())
    with pytest.raises(BrokenTreeError) as caught:
        dataset(tmp_path)
    assert f'{path} cannot be read: ' in str(caught.value)
    assert reason in str(caught.value)
    assert '1 problem\n' in str(caught.value)
    assert 'Unpack the data set anew' in str(caught.value)
    # Whoever does without the check gets the same where the frame is read.
    frames = video_of(dataset(tmp_path, check=False)).inputs
    with pytest.raises(UnreadableVideoError) as read:
        frames[2]
    assert str(path) in str(read.value)


@pytest.mark.parametrize('damage', ['broken link', 'folder'])
def test_frame_that_is_no_file(tmp_path: Path, damage: str) -> None:
    path = davis(tmp_path)
    reason = break_path(path, damage)
    with pytest.raises(BrokenTreeError, match=f'00002.jpg cannot be read: .*{reason}'):
        DAVISDataset(tmp_path)


@pytest.mark.parametrize('case', UNUSUAL)
def test_unusual_frame_is_read(tmp_path: Path, case: str) -> None:
    path = davis(tmp_path)
    _, content, colour = UNUSUAL[case]
    path.write_bytes(content())
    frame = video_of(DAVISDataset(tmp_path, size=None)).inputs[2]
    assert frame.shape == (3, SIZE[1], SIZE[0])  # EXIF's rotation is not done
    mean, std = np.array([(0.485, 0.456, 0.406), (0.228, 0.224, 0.225)])
    values = (frame.numpy().mean((1, 2)) * std + mean) * 255
    np.testing.assert_allclose(values, colour, atol=3)


def test_frames_of_two_sizes(tmp_path: Path) -> None:
    path = davis(tmp_path)
    Image.new('RGB', (64, 64)).save(path)
    with pytest.raises(BrokenTreeError, match=r'00002\.jpg is 64x64 .* is 40x24'):
        DAVISDataset(tmp_path)


@pytest.mark.parametrize('kind', DATASETS)
def test_two_frames_of_one_name(tmp_path: Path, kind: str) -> None:
    make, dataset = DATASETS[kind]
    path = make(tmp_path)
    other = '.jpeg' if path.suffix == '.jpg' else '.jpg'
    Image.new('RGB', SIZE).save(path.with_suffix(other))
    with pytest.raises(BrokenTreeError) as caught:
        dataset(tmp_path)
    assert caught.value.offences == (
        f'{path.parent} has 2 frames named {path.stem}, which differ in their suffixes; '
        'keep one',
    )


#: What lies in place of a label map, and what the error says.
MASKS: dict[str, tuple[bytes, str]] = {
    'another size': (encoded(Image.new('P', (8, 9)), 'PNG'), 'is 8x9 .* is 40x24'),
    'a photo': (encoded(Image.new('RGB', SIZE, (1, 2, 3)), 'PNG'), 'no colour of the pa'),
    'a jpeg': (encoded(Image.new('L', SIZE), 'JPEG'), 'a JPEG, which blurs ids'),
    'grey and alpha': (encoded(Image.new('LA', SIZE), 'PNG'), 'mode LA; expected a pale'),
    'cmyk': (encoded(Image.new('CMYK', SIZE), 'TIFF'), 'mode CMYK; expected a palette'),
    '16 bits': (
        encoded(Image.fromarray(np.full(SIZE[::-1], 300, np.uint16)), 'PNG'),
        r'its values reach 300; ids must lie in 0\.\.255',
    ),
    'floats': (encoded(Image.new('F', SIZE), 'TIFF'), 'mode F; expected a palette'),
    'empty': (b'', 'the file is empty; fetch it anew'),
}


@pytest.mark.parametrize('case', MASKS)
@pytest.mark.parametrize('kind', ['davis', 'vip', 'youtube_vos'])
def test_wrong_mask_is_named_at_once(tmp_path: Path, kind: str, case: str) -> None:
    make, dataset = DATASETS[kind]
    frame = make(tmp_path)
    masks = sorted((tmp_path / 'Annotations').rglob('*.png'))
    path = masks[-1]
    assert frame.is_file()
    content, reason = MASKS[case]
    path.write_bytes(content)
    with pytest.raises(BrokenTreeError, match=rf'{path.name}.*{reason}'):
        dataset(tmp_path)


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'I;16', 'RGB', 'RGBA'])
def test_masks_of_other_modes_that_hold_ids(tmp_path: Path, mode: str) -> None:
    davis(tmp_path)
    ids = (SQUARES[1] == 1).astype(np.uint8)
    image = {
        '1': Image.fromarray(ids.astype(bool)),
        'L': Image.fromarray(ids),
        'P': Image.fromarray(ids),
        'I;16': Image.fromarray(ids.astype(np.uint16)),
    }.get(mode, Image.fromarray(ids[..., None] * np.array([128, 0, 0], np.uint8)))
    if mode == 'P':
        image.putpalette([9] * 768)
    if mode == 'RGBA':
        image = image.convert(mode)
    assert image.mode == mode
    image.save(tmp_path / 'Annotations/480p/goat/00001.png')
    labels = video_of(DAVISDataset(tmp_path)).meta['labels']
    np.testing.assert_array_equal(labels[1], ids)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ({'pos_img': np.zeros((15, 2, 4))}, r'must be \[2, 15, T\] .* got \[15, 2, 4\]'),
        ({'pos_img': np.zeros((2, 15, 0))}, r'must be \[2, 15, T\]'),
        ({'pos_img': np.zeros((2, 15, 4, 1))}, r'must be \[2, 15, T\]'),
        ({'pos_img': np.full((2, 15, 4), np.nan)}, 'without NaN'),
        ({'pos_world': np.zeros((2, 15, 4))}, "cannot be read as MATLAB's .*pos_img"),
        ({'pos_img': 'text'}, "cannot be read as MATLAB's"),
        ({'pos_img': {'a': 1}}, "cannot be read as MATLAB's"),
        ({'pos_img': np.ones((2, 15, 4)) * 1j}, 'complex'),
    ],
)
def test_mat_of_wrong_content(
    tmp_path: Path, content: dict[str, Any], reason: str
) -> None:
    savemat = pytest.importorskip('scipy.io').savemat
    jhmdb(tmp_path)
    path = tmp_path / 'joint_positions/run/goat/joint_positions.mat'
    savemat(path, content)
    with pytest.raises(ValueError, match=reason) as caught:
        read_joints(path)
    assert str(path) in str(caught.value)
    with pytest.raises(BrokenTreeError, match=reason):
        JHMDBDataset(tmp_path)


LISTS = {
    'davis': 'ImageSets/2017/val.txt',
    'vip': 'lists/val_videos.txt',
    'jhmdb': 'testlist_split1.txt',
}


@pytest.mark.parametrize('kind', LISTS)
def test_lists_with_blank_lines_crlf_and_bom(tmp_path: Path, kind: str) -> None:
    make, dataset = DATASETS[kind]
    make(tmp_path)
    path = tmp_path / LISTS[kind]
    line = path.read_bytes().strip()
    path.write_bytes(b'\xef\xbb\xbf\r\n  ' + line + b'\t\r\n\r\n \r\n')
    (name,) = dataset(tmp_path).metainfo['videos']
    assert name.endswith('goat')
    path.write_bytes(b'\xff\xfe' + line)
    with pytest.raises(ValueError, match=rf"{path.name}' is not UTF-8 .*Save it as UTF"):
        dataset(tmp_path)
    path.write_bytes(b'\r\n \n')
    with pytest.raises(ValueError, match='names no video'):
        dataset(tmp_path)


def test_missing_column_is_named_with_its_line(tmp_path: Path) -> None:
    jhmdb(tmp_path)
    path = tmp_path / LISTS['jhmdb']
    path.write_text(path.read_text() + '\n\nRename_Images/run/goat\n')
    with pytest.raises(ValueError, match=r'line 4 of .* in either order, got .*goat'):
        JHMDBDataset(tmp_path)


HOSTILE = {
    'davis': [
        '..',
        '../passwd',
        '/etc/../x',
        '.',
        'a\\..\\b',
        'a\x00b',
        'a\x1b[2J',
    ],
    'vip': ['..', 'a/..', '/', '.', 'a\x1b[2J'],
    'jhmdb': [
        'j/../../joint_positions.mat f/../..',
        '/joint_positions.mat /',
        'j/../goat/joint_positions.mat f/../goat',
    ],
}


@pytest.mark.parametrize(
    ('kind', 'line'), [(kind, line) for kind, lines in HOSTILE.items() for line in lines]
)
def test_no_list_leads_out_of_the_data_set(tmp_path: Path, kind: str, line: str) -> None:
    make, dataset = DATASETS[kind]
    make(tmp_path)
    path = tmp_path / LISTS[kind]
    path.write_text(path.read_text() + line + '\n')
    with pytest.raises(ValueError, match=r'names the video .*expected the name'):
        dataset(tmp_path)
    with pytest.raises(ValueError, match='names the video'):
        dataset(tmp_path, check=False)


@pytest.mark.parametrize('name', ['../up', '/root', 'a/../../b', '', 'a//b', '\ud800'])
def test_no_meta_json_leads_out_of_the_data_set(tmp_path: Path, name: str) -> None:
    youtube_vos(tmp_path)
    path = tmp_path / 'meta.json'
    meta = json.loads(path.read_text())
    meta['videos'][name] = {'objects': {}}
    path.write_text(json.dumps(meta))
    with pytest.raises(ValueError, match='names the video'):
        YouTubeVOSDataset(tmp_path)


@pytest.mark.parametrize('kind', ['davis', 'vip', 'jhmdb'])
def test_videos_that_are_named_twice_count_once(tmp_path: Path, kind: str) -> None:
    """In the list, and among those that are asked for."""
    make, dataset = DATASETS[kind]
    make(tmp_path)
    once = dataset(tmp_path)
    name = once.folders[0].name
    (path,) = [*tmp_path.rglob('*.txt')]
    path.write_text(path.read_text() * 2)
    for found in (dataset(tmp_path), dataset(tmp_path, videos=[name, name])):
        assert found.folders == once.folders
        assert found.metainfo == once.metainfo
        assert len(found) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_frame_without_permission(tmp_path: Path) -> None:
    davis(tmp_path).chmod(0)
    with pytest.raises(BrokenTreeError, match='may not read it; change its permissions'):
        DAVISDataset(tmp_path)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    frame = davis(tmp_path)
    label = tmp_path / 'Annotations/480p/goat/00002.png'
    for path in (frame, label):
        odd = os.fsencode(path.parent) + b'/0000\xe9' + os.fsencode(path.suffix)
        try:
            os.rename(path, odd)
        except OSError:
            pytest.skip('this file system wants names in UTF-8')
    inputs = video_of(DAVISDataset(tmp_path)).inputs
    assert all(inputs[i].shape[0] == 3 for i in range(4))
    os.unlink(odd)
    with pytest.raises(BrokenTreeError, match='is missing') as caught:
        DAVISDataset(tmp_path)
    assert str(caught.value).isascii()


def test_a_stray_number_makes_no_endless_numbering(tmp_path: Path) -> None:
    path = davis(tmp_path)
    path.rename(path.with_name('9' * 200 + '.jpg'))
    with pytest.raises(BrokenTreeError, match='problems'):
        DAVISDataset(tmp_path)
