"""Timing several ways to do the same thing, side by side in one process."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from videomac.analysis import kept_bytes

__all__ = ['Measured', 'alternate', 'matmul_rate', 'measure_memory', 'median_ratio']

Step = Callable[[], object]


@dataclass(frozen=True)
class Measured:
    """What was measured of one contender.

    Attributes:
        seconds: Time of each round.
        kept: Bytes of activations kept for the backward pass.
        peak: Most bytes of memory that a step took.
    """

    seconds: list[float]
    kept: int | None = None
    peak: int | None = None


def _synchronise(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def alternate(
    steps: Mapping[str, Step],
    rounds: int,
    device: torch.device,
    rate: Callable[[], float],
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, list[float]], list[float]]:
    """Time the steps by turns, so that whatever else the machine does hits all of them.

    Args:
        steps: What to time.
        rounds: How often to time each.
        device: Where the steps compute.
        rate: Measures what the machine can do; called once a round.
        warmup: Untimed rounds.
        clock: What is read before and after each step, in seconds.

    Returns:
        Seconds of each round, by step, and what ``rate`` returned. The order within a
        round is turned around every time.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    rates: list[float] = []
    begin = time.perf_counter()
    for number in range(-warmup, rounds):
        if number >= 0:
            rates.append(rate())
        for name in list(steps)[:: 1 if number % 2 else -1]:
            _synchronise(device)
            start = clock()
            steps[name]()
            _synchronise(device)
            if number >= 0:
                times[name].append(clock() - start)
        done = (number + warmup + 1) / (rounds + warmup)
        left = (time.perf_counter() - begin) * (1 / done - 1)
        end = '\n' if done == 1 else ''
        print(f'\r{done:4.0%}, {left:4.0f} s left', end=end, file=sys.stderr, flush=True)
    return times, rates


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Median over the rounds of how many times as long one takes as the other."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def matmul_rate(
    device: torch.device, dtype: torch.dtype, seconds: float = 0.2
) -> Callable[[], float]:
    """Make a function that measures multiply-adds a second of one matrix product.

    The product is that of a ConvNet's pointwise layer, large enough for the full rate.
    """
    rows, inner, columns = (8192,) * 3 if device.type == 'cuda' else (2048, 768, 3072)
    first = torch.randn(rows, inner, device=device, dtype=dtype)
    second = torch.randn(inner, columns, device=device, dtype=dtype)

    def measure() -> float:
        best, end = float('inf'), time.perf_counter() + seconds
        while time.perf_counter() < end:
            _synchronise(device)
            start = time.perf_counter()
            torch.mm(first, second)
            _synchronise(device)
            best = min(best, time.perf_counter() - start)
        return rows * inner * columns / best

    return measure


def _peak_memory(step: Step, device: torch.device) -> int:
    """Most bytes that tensors made in a step take at one time."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step()
    # Events of the public list are sums of their operation; these are each allocation.
    kineto = recorded.profiler.kineto_results  # type: ignore[union-attr]
    events = [e for e in kineto.events() if e.name() == '[memory]']
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def measure_memory(
    seconds: list[float],
    forward: Callable[[], torch.Tensor],
    step: Step,
    device: torch.device,
) -> Measured:
    """Add the memory of a forward pass and of a whole step to measured times."""
    return Measured(seconds, kept_bytes(forward), _peak_memory(step, device))
