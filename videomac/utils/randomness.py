"""Random numbers that depend on where a run is, not on what was drawn before.

A generator's state depends on everything that was ever drawn from it. Here generators
are seeded afresh at each place of a run (a sample, an iteration), so that a run that
stops and goes on draws what an uninterrupted one draws, without storing any state.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ['mixed_seed', 'seed_generators', 'seeded']


def mixed_seed(*place: int | str) -> int:
    """Mix the name of a place into a seed.

    Args:
        *place: What makes the place unique, for example the seed of the run, a word for
            what is drawn, and a number.

    Returns:
        An integer in [0, 2**64), the same on every machine; places that differ in
        anything get unrelated seeds.
    """
    text = repr(place).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), 'little')


def seed_generators(seed: int) -> None:
    """Seed the global generators of torch (all devices), NumPy and Python.

    Args:
        seed: An integer in [0, 2**64).
    """
    torch.manual_seed(seed)
    _seed_numpy_and_python(seed)


def _seed_numpy_and_python(seed: int) -> None:
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF])
    random.seed(seed)


@contextmanager
def seeded(seed: int, device: str | torch.device = 'cpu') -> Iterator[None]:
    """Draw from freshly seeded generators within, and leave them as they were.

    Of torch the CPU's generator is meant and, if it is named, that of one GPU: data may
    be loaded in the process that trains, whose GPU is none of its business.

    Args:
        seed: An integer in [-2**63, 2**64), as torch takes it.
        device: Where there is something drawn beside the CPU.
    """
    seed = int(seed)  # a generator takes no number of NumPy, torch.manual_seed does
    place = torch.device(device)
    gpus = [place] if place.type == 'cuda' else []
    states = torch.default_generator.get_state(), np.random.get_state(), random.getstate()
    theirs = [torch.cuda.get_rng_state(gpu) for gpu in gpus]
    torch.default_generator.manual_seed(seed)
    for gpu in gpus:
        with torch.cuda.device(gpu):
            torch.cuda.manual_seed(seed)
    _seed_numpy_and_python(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        for gpu, state in zip(gpus, theirs, strict=True):
            torch.cuda.set_rng_state(state, gpu)
