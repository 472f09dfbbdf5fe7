"""The data set of frame pairs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from tests.datasets.media import FakeSource, numbered, write_frames
from tests.real_data import real_data
from videomac.datasets import FramePairDataset
from videomac.registry import DATASETS


def names(data: FramePairDataset) -> list[str]:
    """Names of the videos in use."""
    return [video.name for video in data.videos]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    gap=st.integers(1, 5),
    num_frames=st.integers(1, 4),
)
def test_every_sample_once(lengths: list[int], gap: int, num_frames: int) -> None:
    expected = [
        (f'v{v}', list(range(i, n, gap))[:num_frames])
        for v, n in enumerate(lengths)
        for i in range(n)
        if i + gap * (num_frames - 1) < n
    ]
    if not expected:
        with pytest.raises(ValueError, match=f'gap={gap}'):
            FramePairDataset(FakeSource(lengths), [], gap, num_frames)
        return
    data = FramePairDataset(FakeSource(lengths), [], gap, num_frames)
    assert len(data) == len(expected)
    for i, (video, indices) in enumerate(expected):
        sample = data[i]
        assert (sample['video'], sample['frame_indices']) == (video, indices)
        assert sample['frames'].shape == (num_frames, 3, 4, 5)
        content = [[int(video[1:]), index, 0] for index in indices]
        assert sample['frames'][:, :, 0, 0].tolist() == content
    assert data[-1]['frame_indices'] == expected[-1][1]
    for outside in (len(data), -len(data) - 1):
        with pytest.raises(IndexError, match='does not exist'):
            data[outside]


def test_short_videos_are_counted(messages: list[str]) -> None:
    data = FramePairDataset(FakeSource([1, 5, 3, 1]), [], gap=1)
    assert names(data) == ['v1', 'v2']
    assert len(data) == 4 + 2
    assert data.metainfo == {'gap': 1, 'num_frames': 2, 'num_videos': 2}
    warning = next(m for m in messages if 'fewer than' in m)
    assert '2 of 4 videos' in warning
    assert 'v0 (1), v3 (1)' in warning
    with pytest.raises(ValueError, match=r'gap=9.*no video is left\. Lower gap'):
        FramePairDataset(FakeSource([5, 9]), [], gap=9)


@pytest.mark.parametrize('fraction', [1.0, 0.5])
def test_a_source_without_videos(fraction: float) -> None:
    with pytest.raises(ValueError, match='FakeSource found no video'):
        FramePairDataset(FakeSource([]), [], fraction=fraction)


def test_fraction() -> None:
    source = FakeSource([5] * 100)
    some = names(FramePairDataset(source, [], fraction=0.3))
    assert len(some) == len(set(some)) == 30
    assert some == sorted(some, key=lambda name: int(name[1:]))
    assert some == names(FramePairDataset(source, [], fraction=0.3))
    assert some == names(FramePairDataset(source, [], fraction=0.3, gap=4))
    assert some != names(FramePairDataset(source, [], fraction=0.3, seed=1))
    assert len(names(FramePairDataset(source, [], fraction=1 / 1000))) == 1
    assert len(names(FramePairDataset(source, []))) == 100


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('gap', 0),
        ('gap', 1.5),
        ('num_frames', 0),
        ('fraction', 0),
        ('fraction', 1.1),
        ('max_unreadable', -0.1),
        ('max_unreadable', 2),
        ('min_draws', 0),
        ('max_refetch', 0),
    ],
)
def test_wrong_arguments(name: str, value: float) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f'{name} must be .* got {value}'):
        FramePairDataset(FakeSource([5]), [], **arguments)


def test_wrong_source_and_unknown_key() -> None:
    with pytest.raises(TypeError, match=r"FrameSource.*'data'"):
        FramePairDataset('data', [])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='FrameSource'):
        FramePairDataset(
            {'type': 'FramePairDataset', 'source': FakeSource([2]), 'pipeline': []}, []
        )
    cfg = {
        'type': 'FramePairDataset',
        'source': FakeSource([5]),
        'pipeline': [],
        'gaps': 2,
    }
    with pytest.raises(TypeError, match='gaps'):
        DATASETS.build(cfg)


def test_unreadable_samples_are_replaced(messages: list[str]) -> None:
    torch.manual_seed(0)
    data = FramePairDataset(FakeSource([50, 50], broken=[(0, 3)]), [])
    for _ in range(2):
        samples = [data[i] for i in range(len(data))]
        assert not any(3 in s['frame_indices'] and s['video'] == 'v0' for s in samples)
    counts = data.counts
    assert counts['unreadable'] >= 4  # two samples use frame 3, in each of two rounds
    assert counts['draws'] == 2 * len(data) + counts['unreadable']
    assert counts['paths'] == ['v0/3']
    warnings = [m for m in messages if 'broken on purpose' in m]
    assert len(warnings) == 1  # once per path
    assert 'v0/3' in warnings[0]


def test_too_many_unreadable() -> None:
    broken = [(0, i) for i in range(0, 100, 6)]
    data = FramePairDataset(FakeSource([100], broken), [], min_draws=20)
    with pytest.raises(RuntimeError, match=r'max_unreadable=0\.05') as caught:
        list(DataLoader(data, collate_fn=list))
    draws, unreadable = data.counts['draws'], data.counts['unreadable']
    assert 20 <= draws < 30  # at the first failure from the 20th read on
    assert f'{unreadable} of {draws} reads' in str(caught.value)
    assert 'v0/0' in str(caught.value)
    assert 'Repair or remove' in str(caught.value)


def test_allowed_share_does_not_stop() -> None:
    broken = [(0, i) for i in range(0, 100, 6)]
    source = FakeSource([100], broken)
    data = FramePairDataset(source, [], min_draws=20, max_unreadable=0.9)
    for i in range(len(data)):
        data[i]
    assert 0.1 < data.counts['unreadable'] / data.counts['draws'] < 0.9


def test_nothing_readable_stops_at_once() -> None:
    broken = [(0, i) for i in range(9)]
    data = FramePairDataset(FakeSource([9], broken), [], max_unreadable=1.0)
    with pytest.raises(RuntimeError, match='20 samples in a row'):
        data[0]


def test_errors_of_the_pipeline_are_not_hidden() -> None:
    def fail(results: Any) -> Any:
        raise ZeroDivisionError

    data = FramePairDataset(FakeSource([9]), [fail])
    with pytest.raises(ZeroDivisionError):
        data[0]


def test_unreadable_files(tmp_path: Path, messages: list[str]) -> None:
    write_frames(tmp_path / 'a', numbered(20, '.jpg'))
    (tmp_path / 'a' / '00007.jpg').write_bytes(b'')
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    data = FramePairDataset(source, [])
    assert all(7 not in data[i]['frame_indices'] for i in range(len(data)))
    (path,) = data.counts['paths']
    assert path.endswith('00007.jpg')
    assert sum(path in m for m in messages) == 1


def build_loader(source: dict[str, Any], **dataset: Any) -> DataLoader[Any]:
    """A data loader as a training has it."""
    pipeline = [
        {'type': 'FramesRandomResizedCrop', 'size': 32},
        {'type': 'FramesRandomFlip'},
        {'type': 'PackFrames'},
    ]
    return Runner.build_dataloader(
        {
            'batch_size': 4,
            'num_workers': 2,
            'drop_last': True,
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'collate_fn': {'type': 'default_collate'},
            'dataset': DATASETS.build(
                dict(type='FramePairDataset', source=source, pipeline=pipeline, **dataset)
            ),
        },
        seed=0,
    )


def test_loader_end_to_end(tmp_path: Path) -> None:
    write_frames(tmp_path / 'x' / 'a', numbered(6), level=0)
    write_frames(tmp_path / 'x' / 'b', numbered(8), size=(20, 30), level=100)
    loader = build_loader({'type': 'FrameFolders', 'data_root': str(tmp_path)}, gap=2)
    seen = []
    for batch in loader:
        assert batch['inputs'].shape == (4, 2, 3, 32, 32)
        assert batch['inputs'].dtype == torch.uint8
        for frames, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
            level = 100 if sample.video == 'x/b' else 0
            expected = [level + i for i in sample.frame_indices]
            assert frames[:, 0, 0, 0].tolist() == expected
            seen.append((sample.video, *sample.frame_indices))
    assert len(seen) == 8  # of 4 + 6, the last 2 dropped
    assert len(set(seen)) == 8


def test_real_youtube_vos() -> None:
    source = {'type': 'YouTubeVOS', 'data_root': str(real_data('ytvos', 'train'))}
    loader = build_loader(source, fraction=0.1)
    assert loader.dataset.metainfo['num_videos'] == 3  # type: ignore[attr-defined]
    batch = next(iter(loader))
    assert batch['inputs'].shape == (4, 2, 3, 32, 32)
    assert len(FramePairDataset(source, [])) == 652 - 27
