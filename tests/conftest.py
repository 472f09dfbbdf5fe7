"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a tool does to logging: it owns its process, but tests share one."""
    level = logging.root.manager.disable
    yield
    logging.disable(level)
