"""Processes that train together without GPUs."""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.logging import print_log
from torch import distributed

__all__ = ['prepare_cpu_processes']


def prepare_cpu_processes(cfg: dict[str, Any]) -> bool:
    """Let the processes of ``torchrun`` train together where there is no GPU.

    mmengine gives each process a CUDA device, which fails without one; it leaves alone a
    process group that exists and a model wrapper that the config names.

    Args:
        cfg: Config of the run, changed in place: its ``launcher`` is read.

    Returns:
        Whether this run needed it.
    """
    if cfg.get('launcher') != 'pytorch' or torch.cuda.is_available():
        return False
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
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
