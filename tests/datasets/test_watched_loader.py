"""A worker that crashes, is killed or hangs: the error names the sample and its files."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from tests.datasets.media import FakeSource
from videomac.datasets import FramePairDataset, VideoRecord
from videomac.datasets.resumable_loader import Draw, resumable
from videomac.datasets.traced_dataset import TracedDataset
from videomac.datasets.watched_loader import LostSampleError, WatchedLoader, watch
from videomac.engine import LostSampleHook


@pytest.fixture(autouse=True)
def handler_as_it_was() -> Iterator[None]:
    """Put back torch's handler of dead workers, which it sets once in a process."""
    list(DataLoader(TensorDataset(torch.zeros(2)), num_workers=1))
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


class Trap(FakeSource):
    """Frame 7 of the second video is the end of whoever reads it."""

    def __init__(self, harm: int | None) -> None:
        super().__init__([5, 20])
        self.harm = harm

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        if video.name == 'v1' and 7 in indices:
            if self.harm is None:
                time.sleep(600)
            else:
                os.kill(os.getpid(), self.harm)
        return super().read(video, indices)


# 5 samples of the first video come before it.
NAMED = r"It was reading\n  - for [0-9.]+ s: sample 12 of video 'v1' \(1, frames \[7\]\)"


def run(**loops: Any) -> None:
    """Begin a run with these loops."""
    LostSampleHook().before_run(SimpleNamespace(**loops))


def loader(harm: int | None, **options: Any) -> DataLoader[Any]:
    """A loader of single frames in order, as the hook leaves it."""
    data = FramePairDataset(Trap(harm), [], num_frames=1)
    made: DataLoader[Any] = DataLoader(data, 3, num_workers=2, collate_fn=len, **options)
    run(_train_loop=SimpleNamespace(dataloader=made))
    return made


@pytest.mark.parametrize(
    ('harm', 'what', 'advice'),
    [
        (signal.SIGSEGV, 'Segmentation fault', 'repair or remove'),
        (signal.SIGKILL, 'Killed', 'fewer train_dataloader.num_workers'),
    ],
)
@pytest.mark.parametrize('persistent', [False, True])
def test_dead_worker(harm: int, what: str, advice: str, persistent: bool) -> None:
    with pytest.raises(LostSampleError, match=NAMED) as caught:
        for _ in loader(harm, persistent_workers=persistent):
            pass
    assert what in str(caught.value)
    assert advice in str(caught.value)


def wait_for_the_second_batch(batches: Iterator[Any]) -> None:
    """Take a batch and train on it, for long."""
    next(batches)
    time.sleep(60)


def test_worker_that_dies_while_the_main_process_is_elsewhere() -> None:
    batches = iter(loader(signal.SIGKILL, prefetch_factor=4))
    with pytest.raises(LostSampleError, match=NAMED):
        wait_for_the_second_batch(batches)


def test_hanging_worker() -> None:
    with pytest.raises(LostSampleError, match=NAMED) as caught:
        list(loader(None, timeout=2))
    assert 'timed out after 2 seconds' in str(caught.value)
    assert 'raise train_dataloader.timeout' in str(caught.value)


def test_good_data_and_other_errors_are_left_alone() -> None:
    good = DataLoader(FramePairDataset(FakeSource([9]), []), 2, num_workers=1)
    assert watch(good)
    assert [len(batch['frames']) for batch in good] == [2, 2, 2, 2]
    assert good.dataset.reading.list() == []  # type: ignore[attr-defined]

    def fail(results: Any) -> Any:
        raise ZeroDivisionError('in the pipeline')

    for workers in (0, 1):
        data = FramePairDataset(FakeSource([9]), [fail])
        bad: DataLoader[Any] = DataLoader(data, 2, num_workers=workers)
        assert watch(bad)
        with pytest.raises(ZeroDivisionError, match='in the pipeline'):
            list(bad)


class Stream(IterableDataset[int]):
    """Numbers without indices."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


def test_streams_and_other_loaders_are_left_alone() -> None:
    stream: DataLoader[Any] = DataLoader(Stream())
    assert not watch(stream)
    assert type(stream) is DataLoader
    data = FramePairDataset(FakeSource([9]), [])
    assert not watch(WatchedLoader(data))
    run(_train_loop=None, _val_loop={'type': 'ValLoop'})


class Harm:
    """A transform that the picture of this name kills."""

    def __call__(self, info: dict[str, Any]) -> dict[str, Any]:
        if info['img_path'].endswith('5.jpg'):
            os.kill(os.getpid(), signal.SIGKILL)
        return info


def images(pipeline: Sequence[Any] = ()) -> BaseDataset:
    """A data set of mmengine's."""
    data = BaseDataset(lazy_init=True, pipeline=pipeline)
    data.load_data_list = lambda: [{'img_path': f'{i}.jpg'} for i in range(8)]
    data.full_init()
    return data


@pytest.mark.parametrize('seeded', [False, True])
def test_data_sets_of_others(seeded: bool) -> None:
    """Their samples are named in every loader, by the file where it is known."""
    good, bad = (
        DataLoader(images(each), 2, num_workers=1, collate_fn=list)
        for each in ([], [Harm()])
    )
    if seeded:
        bad = resumable(bad, 0)
    loop = SimpleNamespace(dataloader=good, bank_dataloader=bad)
    run(_val_loop=SimpleNamespace(dataloader=loader(None)), _test_loop=loop)
    assert [len(batch) for batch in good] == [2, 2, 2, 2]
    with pytest.raises(LostSampleError) as caught:
        list(bad)
    text = str(caught.value)
    assert re.search(r'It was reading\n  - for [0-9.]+ s: sample 5 \(5\.jpg\)\n', text)
    assert 'fewer test_cfg.bank_dataloader.num_workers' in text


def test_the_loader_at_fault_is_told_among_several() -> None:
    """A worker of one may die while the other is read."""
    other = loader(0)
    assert len(list(other)) == 9
    killed = iter(loader(signal.SIGKILL, prefetch_factor=4))
    with pytest.raises(LostSampleError, match=NAMED):
        wait_for_the_second_batch(killed)
    assert len(list(other)) == 9


class Numbers(Dataset[int]):
    """Numbers, the second of which takes long; their files cannot be looked up."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> int:
        time.sleep(60 * (index == 1))
        return index

    def get_data_info(self, index: int) -> Any:
        raise OSError('the list of files is gone')


class BrokenOff:
    """A batch whose worker dies while it is fetched, and ends a little later."""

    worker: Any  # of the main process
    reading: Any

    def __init__(self, numbers: list[int]) -> None:
        pass

    def __reduce__(self) -> Any:
        return BrokenOff.arrive, ()

    @classmethod
    def arrive(cls) -> None:
        while not cls.reading.list():
            time.sleep(0.01)
        (reading,) = cls.reading.list()
        threading.Timer(0.2, os.kill, (reading.pid, signal.SIGKILL)).start()
        raise ConnectionResetError('by the worker')


@pytest.mark.parametrize('told', [False, True])
def test_worker_that_dies_while_a_batch_is_fetched(told: bool) -> None:
    """Torch may look before it has ended, whether it is told of the end or not."""
    if not told:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    numbers: DataLoader[Any] = DataLoader(
        Numbers(), 1, num_workers=1, collate_fn=BrokenOff
    )
    assert watch(numbers)
    BrokenOff.reading = numbers.dataset.reading  # type: ignore[attr-defined]
    text = r'\(pid.*\nIt was reading\n  - for [0-9.]+ s: sample 1\n'
    with pytest.raises(LostSampleError, match=text):
        next(iter(numbers))


def break_off(numbers: list[int]) -> list[int]:
    if 5 in numbers:
        raise ConnectionResetError('by the storage')
    return numbers


def test_connections_of_the_data_set_are_left_alone() -> None:
    data: Any = range(8)
    for workers in (0, 1):
        numbers: DataLoader[Any] = DataLoader(
            data, num_workers=workers, collate_fn=break_off
        )
        assert watch(numbers)
        with pytest.raises(ConnectionResetError, match='by the storage'):
            list(numbers)


def slowly(numbers: list[Any]) -> int:
    time.sleep(0.05)
    return len(numbers)


@pytest.mark.parametrize('watched', [False, True])
def test_idle_worker_of_another_loader(watched: bool) -> None:
    """The loader that happens to wait is not blamed for it."""
    data = TensorDataset(torch.arange(100))
    idle: Any = DataLoader(data, 50, num_workers=1, persistent_workers=True)
    waiting: DataLoader[Any] = DataLoader(data, num_workers=1, collate_fn=slowly)
    if watched:
        watch(idle, 'val_dataloader')
    watch(waiting)
    assert len(list(idle)) == 2
    (worker,) = idle._iterator._workers
    batches = iter(waiting)
    assert next(batches) == 1
    threading.Timer(0.2, os.kill, (worker.pid, signal.SIGKILL)).start()
    with pytest.raises(RuntimeError, match=f'{worker.pid}.* is killed') as caught:
        list(batches)
    assert isinstance(caught.value, LostSampleError) == watched
    text = str(caught.value)
    assert 'train_dataloader' not in text
    assert ('fewer val_dataloader.num_workers' in text) == watched


def test_whatever_an_index_is() -> None:
    data = TracedDataset({'a': 1, 2: 3})
    assert [data[key] for key in ('a', 2, Draw('a', 0).index)] == [1, 3, 1]
    assert data.describe(2) == 'sample 2'
    assert TracedDataset(Numbers()).describe(3) == 'sample 3'
    held = TracedDataset(TensorDataset(torch.arange(3)))
    assert held[torch.tensor(1)] == (1,)
    held.transform = str
    assert held.dataset.transform is str
    assert len(held.reading.list()) == 0
