"""VIP from drawn trees; broken ones are reported at once."""

from pathlib import Path

import numpy as np
import pytest

from tests.datasets.trees import make_vip, moving_squares, video_of
from videomac.datasets import BrokenTreeError, LabelMapError, VIPDataset
from videomac.registry import DATASETS

SQUARES = moving_squares(5)


@pytest.mark.parametrize('mirror', [False, True])
def test_vip_propagates_classes(tmp_path: Path, mirror: bool) -> None:
    maps = [ids.copy() for ids in moving_squares(4, objects=3)]
    maps[0][-1], maps[0][:, -1] = 255, 40  # neither is a class
    root = make_vip(
        tmp_path / 'VIP', {'videos7': maps, 'videos2': SQUARES}, mirror=mirror
    )
    dataset = DATASETS.build(dict(type='VIPDataset', data_root=root))
    assert dataset.metainfo['videos'] == ['videos7', 'videos2']
    assert len(dataset.metainfo['classes']) == 20
    video = video_of(dataset)
    assert video.inputs[0].shape == (3, 560, 560)
    assert [Path(path).stem[-3:] for path in video.frames] == ['001', '026', '051', '076']
    assert video.first_label is not None
    assert set(np.unique(video.first_label)) == {0, 1, 2, 3}
    assert np.array_equal(video.meta['labels'][2], maps[2])


def test_vip_lists_of_paths_and_frames_without_leading_zeros(tmp_path: Path) -> None:
    root = make_vip(tmp_path, {'videos7': SQUARES})
    (root / 'lists/val_videos.txt').write_text(
        'datasets/VIP/Images/videos7 datasets/VIP/Annotations/Category_ids/videos7\n'
    )
    for path in sorted(root.rglob('0000*.*')):
        path.rename(path.with_name(f'{int(path.stem)}{path.suffix}'))
    stems = [Path(path).stem for path in video_of(VIPDataset(root)).frames]
    assert stems == ['1', '26', '51', '76', '101'], 'sorted by number, not by letters'


def test_vip_instances_come_with_their_classes(tmp_path: Path) -> None:
    root = make_vip(tmp_path, {'videos7': SQUARES}, instances=True)
    texts = sorted((root / 'Annotations/Instance_ids/videos7').glob('*.txt'))
    texts[0].write_text('1 4\n2 13\n')
    dataset = VIPDataset(root, labels='instance')
    classes = video_of(dataset).meta['classes']
    assert classes[0] == {1: 4, 2: 13}
    assert classes[1] == {1: 1, 2: 2}
    texts[1].write_text('1 4\n2 hat\n')
    with pytest.raises(LabelMapError, match='line 2 must be'):
        classes[1]
    texts[1].write_text('1 4 0.9 left\n\n255\t19\r\n')
    assert classes[1] == {1: 4, 255: 19}, 'the first two columns count'
    texts[1].unlink()
    with pytest.raises(
        BrokenTreeError, match=r'1 problem.*\n.*026\.txt: there is no suc'
    ):
        VIPDataset(root, labels='instance')


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'1 4\n2 hat\n', 'line 2 must be "instance class"'),
        (b'1\n', 'line 1 must be'),
        (b'-1 4\n', r'instance in 0\.\.255'),
        (b'256 4\n', r'instance in 0\.\.255'),
        (b'1 4\n\n2 20\n', r"line 3 .*class in 0\.\.19, got '2 20'"),
        (b'1 -4\n', r'class in 0\.\.19'),
        (b'\xff\xfe1 4', r'cannot be read as text .*utf-8'),
    ],
)
def test_broken_lists_of_instances_are_named_at_once(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    root = make_vip(tmp_path, {'videos7': SQUARES}, instances=True)
    (path,) = (root / 'Annotations/Instance_ids/videos7').glob('*26.txt')
    path.write_bytes(content)
    with pytest.raises(BrokenTreeError, match=rf'1 problem\n.*26\.txt: .*{reason}'):
        VIPDataset(root, labels='instance')
    dataset = VIPDataset(root, labels='instance', check=False)
    with pytest.raises(LabelMapError, match=reason) as info:
        video_of(dataset).meta['classes'][1]
    assert info.value.path == str(path)
    VIPDataset(root)  # its classes of parts do not need the list


def test_broken_vip(tmp_path: Path) -> None:
    root = make_vip(tmp_path, {'videos7': SQUARES})
    (root / 'Images/videos7/000000000051.jpg').unlink()
    (root / 'Annotations/Category_ids/videos7/000000000001.png').unlink()
    with pytest.raises(BrokenTreeError) as info:
        VIPDataset(root)
    assert '2 problems' in str(info.value)
    assert '001.png is missing' in str(info.value)
    assert '051.png annotates a frame' in str(info.value)
