"""Random numbers of a seed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ['seeded']


@contextmanager
def seeded(seed: int, device: str | torch.device = 'cpu') -> Iterator[None]:
    """Let torch draw the numbers of a seed, and put its state back at the end.

    Args:
        seed: Of the CPU's generator and, if that is a GPU, the device's.
        device: Where there is something drawn beside the CPU. The generators of other
            GPUs are not touched, as ``torch.manual_seed`` would.
    """
    place = torch.device(device)
    gpus = [place] if place.type == 'cuda' else []
    with torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
