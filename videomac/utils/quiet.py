"""Silence for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger

__all__ = ['forget_levels', 'quiet_log']


def forget_levels() -> None:
    """Let mmengine's loggers ask again whether a level is disabled.

    They remember the answer, and unlike other loggers they are not told when
    ``logging.disable`` changes it.
    """
    for logger in list(MMLogger._instance_dict.values()):
        logger.setLevel(logger.level)


@contextmanager
def quiet_log(level: int = logging.CRITICAL) -> Iterator[None]:
    """Drop log messages up to a level, mmengine's included, inside a ``with`` block."""
    before = logging.root.manager.disable
    logging.disable(max(before, level))
    forget_levels()
    try:
        yield
    finally:
        logging.disable(before)
        forget_levels()
