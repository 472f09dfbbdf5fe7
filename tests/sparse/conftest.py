"""Settings of the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope='module')
def one_thread() -> Iterator[None]:
    """Compute with one thread: on busy cores tiny operations wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
