"""Gradient checkpointing of synchronised BatchNorm in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distributed.test_sync_norm import run_processes

SCRIPT = Path(__file__).with_name('checkpointed_sync_norms.py')


@pytest.mark.parametrize('name', ['patches', 'masked'])
def test_checkpointed_norms_of_two_processes(name: str) -> None:
    run_processes(SCRIPT, name)
