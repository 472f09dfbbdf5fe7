"""The server of the page, without a browser."""

from __future__ import annotations

import logging
import urllib.request
from pathlib import Path

import pytest

from tests.web.browser import serving

pytest.importorskip('gradio')


def test_open_log_files_stay_open(tmp_path: Path) -> None:
    """What logged to a file before the server started does so afterwards."""
    from uvicorn.config import LOGGING_CONFIG

    usual = {**LOGGING_CONFIG}
    logger = logging.getLogger('of a run')
    handler = logging.FileHandler(tmp_path / 'run.log')
    logger.addHandler(handler)
    try:
        with serving(tmp_path / 'work_dirs') as server:
            with urllib.request.urlopen(server.url, timeout=60) as answer:
                assert answer.status == 200
            assert handler.stream is not None
            assert handler in [reference() for reference in logging._handlerList]  # type: ignore[attr-defined]
            logger.error('the run goes on')
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert (tmp_path / 'run.log').read_text() == 'the run goes on\n'
    assert usual == LOGGING_CONFIG
    assert 'handlers' in LOGGING_CONFIG
