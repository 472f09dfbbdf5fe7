"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from mmengine.registry import init_default_scope

from videomac.utils.quiet import forget_levels, quiet_log

# The same examples every time: what fails in one place fails everywhere.
settings.register_profile('repeatable', derandomize=True, database=None, deadline=None)
settings.load_profile('repeatable')


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Hold every test, and the tools that it calls, to leaving the log switched on."""
    before = logging.root.manager.disable
    yield
    after = logging.root.manager.disable
    logging.disable(before)
    forget_levels()
    assert after == before, f'messages up to level {after} are dropped from here on'


@pytest.fixture
def quiet_scope() -> Iterator[None]:
    """Build by the names of this package, without what mmengine says of it."""
    init_default_scope('videomac')
    with quiet_log():
        yield
