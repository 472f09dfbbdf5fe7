"""Processes that torchrun has started again make the group that the config asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from torch import distributed
from torch._C._distributed_c10d import TCPStore

from videomac.utils.distributed import prepare_restarted_processes

INIT = distributed.init_process_group


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Groups that are made; a machine with GPUs, at its second attempt."""
    made: list[Any] = []
    monkeypatch.setattr(
        'torch.distributed.init_process_group',
        lambda *args, **options: made.append((args, options)),
    )
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('torch.cuda.set_device', lambda index: None)
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    monkeypatch.setenv('TORCHELASTIC_USE_AGENT_STORE', 'False')
    monkeypatch.setenv('LOCAL_RANK', '0')
    return made


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, ('nccl', {})),
        ({'dist_cfg': dict(backend='gloo')}, ('gloo', {})),
        (
            {'dist_cfg': dict(backend='nccl', timeout=7200)},
            ('nccl', {'timeout': timedelta(hours=2)}),
        ),
        (
            {'dist_cfg': dict(init_backend='torch', init_method='env://')},
            ('nccl', {'init_method': 'env://'}),
        ),
    ],
)
def test_with_all_that_mmengine_would_pass_on(
    settings: dict[str, Any], expected: tuple[str, Any], groups: list[Any]
) -> None:
    cfg: dict[str, Any] = {'launcher': 'pytorch', 'env_cfg': settings}
    assert prepare_restarted_processes(cfg)
    assert groups == [((expected[0],), expected[1])]
    assert cfg == {'launcher': 'pytorch', 'env_cfg': settings}


def test_in_the_store_of_torchrun(
    monkeypatch: pytest.MonkeyPatch, groups: list[Any]
) -> None:
    """It says where to meet and who is who, whatever the config says of that."""
    server = TCPStore('127.0.0.1', 0, 1, True, wait_for_workers=False)
    for name, value in (
        ('TORCHELASTIC_USE_AGENT_STORE', 'True'),
        ('MASTER_ADDR', '127.0.0.1'),
        ('MASTER_PORT', str(server.port)),
        ('RANK', '0'),
        ('WORLD_SIZE', '1'),
    ):
        monkeypatch.setenv(name, value)
    settings = dict(
        backend='gloo', init_method='env://', rank=0, world_size=1, timeout=60
    )
    assert prepare_restarted_processes(
        {'launcher': 'pytorch', 'env_cfg': {'dist_cfg': settings}}
    )
    ((args, options),) = groups
    try:
        INIT(*args, **options)
        assert distributed.get_world_size() == 1
    finally:
        distributed.destroy_process_group()


def test_not_at_the_first_start(
    groups: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('TORCHELASTIC_RESTART_COUNT')
    assert not prepare_restarted_processes({'launcher': 'pytorch'})
    assert not groups
