"""Log records and small media for the tests of this folder."""

import logging
from collections.abc import Iterator

import pytest
from mmengine.logging import MMLogger


class _Messages(logging.Handler):
    """Keeps the messages it is given."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.INFO)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What videomac logs during the test (mmengine's logger does not propagate)."""
    logger = MMLogger.get_current_instance()
    handler = _Messages([])
    logger.addHandler(handler)
    yield handler.messages
    logger.removeHandler(handler)
