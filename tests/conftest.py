"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from videomac.utils.quiet import forget_levels

# The same examples every time: what fails in one place fails everywhere.
settings.register_profile('repeatable', derandomize=True, database=None, deadline=None)
settings.load_profile('repeatable')


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a tool does to logging: it owns its process, but tests share one."""
    level = logging.root.manager.disable
    yield
    logging.disable(level)
    forget_levels()
