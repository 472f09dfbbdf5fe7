"""Silence begins and ends where it should."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from mmengine.logging import MMLogger

from videomac.utils.quiet import quiet_log


def test_only_inside(capfd: pytest.CaptureFixture[str]) -> None:
    """Whether the logger has spoken before or not; inner blocks do not end outer ones."""
    for spoken in (True, False):
        logger = MMLogger(str(uuid4()))
        MMLogger._instance_dict[logger.name] = logger  # as get_instance() does
        if spoken:
            logger.info('before')
        with quiet_log(logging.INFO):
            logger.info('hidden')
            with quiet_log():
                logger.warning('hidden')
                with quiet_log(logging.INFO):
                    logger.warning('hidden')
            logger.info('hidden')
            logger.warning('shown')
        logger.info('after')
        del MMLogger._instance_dict[logger.name]
        text = ''.join(capfd.readouterr())
        assert 'hidden' not in text
        assert ('before' in text) == spoken
        assert 'shown' in text
        assert 'after' in text


def test_it_ends_with_an_error() -> None:
    before = logging.root.manager.disable
    with pytest.raises(KeyError), quiet_log():
        raise KeyError
    assert logging.root.manager.disable == before
