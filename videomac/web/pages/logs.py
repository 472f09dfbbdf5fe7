"""Logging as it was, while a server starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uvicorn.config import LOGGING_CONFIG

__all__ = ['log_handlers_kept']


@contextmanager
def log_handlers_kept() -> Iterator[None]:
    """Let uvicorn start without settings of its own for logging.

    Its settings are not incremental, for which Python closes every handler that the
    process has: the log file of a run, or of a notebook, would end there. Gradio starts
    uvicorn without a way to choose others, therefore the ones it takes are replaced. Its
    warnings then go where all others go.
    """
    usual = dict(LOGGING_CONFIG)
    LOGGING_CONFIG.clear()
    LOGGING_CONFIG.update(version=1, incremental=True)
    try:
        yield
    finally:
        LOGGING_CONFIG.clear()
        LOGGING_CONFIG.update(usual)
