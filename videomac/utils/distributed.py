"""Processes that train together without GPUs, or share videos on any machine."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import torch
from mmengine.dist import init_dist
from mmengine.logging import print_log
from torch import distributed
from torch._C._distributed_c10d import PrefixStore, TCPStore

__all__ = [
    'end_processes',
    'prepare_cpu_processes',
    'prepare_restarted_processes',
    'start_sharing_processes',
]

#: What tells the processes where to meet, and who they are.
MEETING = ('init_method', 'store', 'rank', 'world_size')

#: How long a process may wait for the others, which have longer videos.
PATIENCE = timedelta(days=7)


def prepare_cpu_processes(cfg: dict[str, Any]) -> bool:
    """Let the processes of ``torchrun`` or Slurm train together where there is no GPU.

    mmengine gives each process a CUDA device, which fails without one; it leaves alone a
    process group that exists and a model wrapper that the config names.

    Args:
        cfg: Config of the run, changed in place: its ``launcher`` is read.

    Returns:
        Whether this run needed it.
    """
    launcher = cfg.get('launcher')
    if launcher not in ('pytorch', 'slurm') or torch.cuda.is_available():
        return False
    if not distributed.is_initialized():
        if launcher == 'slurm':
            _name_slurm_task()
        _init_group('gloo')
    if cfg.get('model_wrapper_cfg') is None:
        cfg['model_wrapper_cfg'] = dict(
            type='MMDistributedDataParallel',
            device_ids=None,  # of a module on the CPU
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    print_log(
        f'No GPU: {distributed.get_world_size()} processes train on the CPU (gloo)',
        level=logging.WARNING,
    )
    return True


def _name_slurm_task() -> None:
    """Tell a task of Slurm in torch's words who it is, as mmengine does on GPUs.

    Raises:
        RuntimeError: The process is no task of Slurm.
    """
    env = os.environ
    names = {
        'RANK': 'SLURM_PROCID',
        'WORLD_SIZE': 'SLURM_NTASKS',
        'LOCAL_RANK': 'SLURM_LOCALID',
    }
    missing = [name for name in (*names.values(), 'SLURM_NODELIST') if not env.get(name)]
    if missing:
        raise RuntimeError(
            f'--launcher slurm is for tasks that srun starts, but {", ".join(missing)} '
            'is not set; see tools/slurm_train.sh'
        )
    for name, theirs in names.items():
        env[name] = env[theirs]
    env.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in env:
        command = ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        env['MASTER_ADDR'] = found.stdout.split()[0]


def prepare_restarted_processes(cfg: dict[str, Any]) -> bool:
    """Let processes that ``torchrun`` has started again, after a crash, find each other.

    mmengine leaves alone a process group that exists. On the first start, and without
    GPUs (see :func:`prepare_cpu_processes`), this does nothing.

    Args:
        cfg: Config of the run: its ``launcher`` and ``env_cfg.dist_cfg`` are read.

    Returns:
        Whether this run needed it.
    """
    if cfg.get('launcher') != 'pytorch' or not torch.cuda.is_available():
        return False
    if distributed.is_initialized() or not _attempt():
        return False
    torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    options = dict(cfg.get('env_cfg', {}).get('dist_cfg', {}))
    options.pop('init_backend', None)  # of mmengine; torch does not know it
    if options.get('timeout') is not None:  # in seconds, as mmengine takes it
        options['timeout'] = timedelta(seconds=options['timeout'])
    _init_group(options.pop('backend', 'nccl'), **options)
    return True


def _attempt() -> int:
    """How often ``torchrun`` has started the processes again."""
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0)


def _init_group(backend: str, **options: Any) -> None:
    """Make the group of the processes of ``torchrun``.

    torchrun's store lives on when it starts the processes again, and with it the
    addresses of those that died: each attempt gets keys of its own.
    """
    if not _attempt() or os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True':
        distributed.init_process_group(backend, **options)
        return
    store = TCPStore(
        os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']), is_master=False
    )
    others = {name: value for name, value in options.items() if name not in MEETING}
    distributed.init_process_group(
        backend,
        store=PrefixStore(f'attempt_{_attempt()}', store),
        rank=int(os.environ['RANK']),
        world_size=int(os.environ['WORLD_SIZE']),
        **others,
    )


def start_sharing_processes(launcher: str) -> torch.device:
    """Start processes that share videos and exchange nothing but their scores.

    They talk through gloo, with GPUs too: NCCL would give up on a process that computes
    for long.

    Args:
        launcher: ``'none'``, ``'pytorch'`` (``torchrun``), ``'slurm'`` or ``'mpi'``.

    Returns:
        The device of this process: its GPU where there are GPUs, else the CPU (not with
        ``'mpi'``, which needs GPUs).

    Raises:
        RuntimeError: The launcher is Slurm, and the process is no task of it.
    """
    if launcher == 'slurm':
        _name_slurm_task()
    if launcher == 'mpi':
        init_dist(launcher, backend='gloo', timeout=PATIENCE.total_seconds())
        return torch.device('cuda', torch.cuda.current_device())
    if launcher != 'none' and not distributed.is_initialized():
        distributed.init_process_group('gloo', timeout=PATIENCE)
    if not torch.cuda.is_available():
        return torch.device('cpu')
    local_rank = int(os.environ.get('LOCAL_RANK', 0))
    device = torch.device('cuda', local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def end_processes(status: int = 0) -> None:
    """Leave the group of processes and end this one, without Python's shutting down.

    Gloo's threads drop the tensors of the last exchange when they come to it. If Python
    is shutting down by then, they find no interpreter, the process aborts, and
    ``torchrun`` takes a run that went well for failed. So this runs what was to be run at
    exit and ends the process at once, as processes forked by :mod:`multiprocessing` do.

    Outside a group this does nothing. A run that failed must not call it, since the other
    processes may be waiting for this one.

    Args:
        status: Exit status of the process.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    distributed.destroy_process_group()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
