"""A worker that crashes, is killed or hangs: the error names the sample and its files."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, TensorDataset

from tests.datasets.media import FakeSource
from videomac.datasets import FramePairDataset, VideoRecord
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


def loader(harm: int | None, **options: Any) -> DataLoader[Any]:
    """A loader of single frames in order, as the hook leaves it."""
    data = FramePairDataset(Trap(harm), [], num_frames=1)
    made: DataLoader[Any] = DataLoader(data, 3, num_workers=2, collate_fn=len, **options)
    LostSampleHook().before_train(SimpleNamespace(train_dataloader=made))
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


def test_other_data_sets_and_loaders_are_left_alone() -> None:
    plain: DataLoader[Any] = DataLoader(TensorDataset())
    assert not watch(plain)
    assert type(plain) is DataLoader
    data = FramePairDataset(FakeSource([9]), [])
    assert not watch(WatchedLoader(data))
