#!/usr/bin/env python
"""Time label propagation against a plain dense statement of DINO's procedure.

Both get the same features, run in turns in one process, and must agree. For example:

    python benchmarks/propagation.py
    python benchmarks/propagation.py --skip-dense --repeats 20 --channels 2048
    python benchmarks/propagation.py --device cuda

The dense statement takes 4 GB and most of a minute a frame on two cores at the default
size. On a machine that others use too, the seconds of all cores tell more than those on
the clock. Memory is measured in processes of their own, as the growth of the peak of the
resident set over what it was with the features in place.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from videomac.models.propagation import (
    PropagationSettings,
    Reference,
    Window,
    propagate,
)


class Case(NamedTuple):
    """A frame to propagate to: features [h, w, C] and maps [K, h, w]."""

    query: Tensor
    keys: list[Tensor]
    labels: list[Tensor]


def make_case(args: argparse.Namespace) -> Case:
    """Features of a scene that changes from frame to frame, and soft labels."""
    generator = torch.Generator(args.device).manual_seed(0)
    cells = (args.size[0] // args.stride, args.size[1] // args.stride)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=args.device)

    scene = noise(*cells, args.channels)
    frames = []
    for _ in range(args.references + 1):
        frame = noise(*cells, args.channels).add_(scene)
        frames.append(F.normalize(frame, dim=-1).to(getattr(torch, args.dtype)))
    labels = [noise(args.objects, *cells).softmax(0) for _ in range(args.references)]
    return Case(frames[0], frames[1:], labels)


def settings(args: argparse.Namespace) -> PropagationSettings:
    """DINO's preset with the radius and top-k of the command line."""
    return PropagationSettings.preset('dino', radius=args.radius, topk=args.topk)


def ours(case: Case, args: argparse.Namespace) -> Tensor:
    """The windowed propagation of this project."""
    pairs = zip(case.keys, case.labels, strict=True)
    references = [Reference(key, maps) for key, maps in pairs]
    return propagate(case.query, references, settings(args))


def window_mask(case: Case, args: argparse.Namespace) -> Tensor:
    """Which cells see each other, float32 [N, N]."""
    height, width, _ = case.query.shape
    row = torch.arange(height, device=args.device).repeat_interleave(width)
    col = torch.arange(width, device=args.device).repeat(height)
    window = Window('square', args.radius)
    return window.inside(row[:, None] - row, col[:, None] - col).float()


def dense(case: Case, mask: Tensor, args: argparse.Namespace) -> Tensor:
    """DINO's procedure: all affinities, mask, top-k, normalise, labels."""
    height, width, channels = case.query.shape
    query = case.query.reshape(-1, channels).float()
    keys = torch.stack(case.keys).view(len(case.keys), -1, channels).float()
    affinity = torch.exp(torch.matmul(keys, query.T) / 0.1)
    affinity = affinity * mask
    affinity = affinity.view(-1, height * width)
    kth = affinity.topk(args.topk, dim=0).values.amin(0)
    affinity[affinity < kth] = 0
    affinity = affinity / affinity.sum(0)
    labels = torch.stack(case.labels, 1).flatten(1)
    return (labels @ affinity).view(-1, height, width)


class Spent(NamedTuple):
    """Seconds on the clock, and of all cores of this process together."""

    clock: float
    cores: float

    @classmethod
    def median(cls, spent: Sequence[Spent]) -> Spent:
        """The median of each."""
        return cls(*(statistics.median(each) for each in zip(*spent, strict=True)))


def timed(run: Callable[[], Tensor], device: str) -> tuple[Spent, Tensor]:
    """Time a call; its result comes along."""
    if device == 'cuda':
        torch.cuda.synchronize()
    clock, cores = time.perf_counter(), time.process_time()
    out = run()
    if device == 'cuda':
        torch.cuda.synchronize()
    return Spent(time.perf_counter() - clock, time.process_time() - cores), out


def matmul_rate(device: str, channels: int) -> float:
    """Multiply-adds times two a second of a large float32 product, the best of five."""
    a, b = torch.randn(2, 2048, channels, device=device)
    best = min(timed(lambda: a @ b.T, device)[0].clock for _ in range(5))
    return 2 * 2048 * 2048 * channels / best


def resident(field: str) -> int:
    """Bytes of the resident set, now (``'VmRSS'``) or at its peak (``'VmHWM'``).

    Not ``getrusage``, whose peak counts the process that this one was started by.
    """
    status = Path('/proc/self/status').read_text()
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def grown_memory(args: argparse.Namespace) -> int:
    """Bytes that one run of ``args.memory_of`` takes above the features."""
    case = make_case(args)
    mask = window_mask(case, args) if args.memory_of == 'dense' else torch.empty(0)
    matmul_rate(args.device, args.channels)  # load the libraries
    if args.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resident('VmRSS')
    if args.memory_of == 'dense':
        dense(case, mask, args)
    else:
        ours(case, args)
    if args.device == 'cuda':
        return torch.cuda.max_memory_allocated() - before
    return resident('VmHWM') - before


def memory_of(name: str) -> float:
    """Gigabytes that an implementation takes, measured in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], '--memory-of', name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])) / 1e9


def report(args: argparse.Namespace) -> int:
    """Run everything and print it; 1 if the two do not agree."""
    case = make_case(args)
    height, width, channels = case.query.shape
    mask = window_mask(case, args)
    pairs = int(mask.sum()) * args.references
    ours(case, args)  # the first call makes threads and loads libraries
    times: dict[str, list[Spent]] = dict(ours=[], dense=[])
    same = True
    for round_ in range(args.repeats):
        spent, got = timed(lambda: ours(case, args), args.device)
        times['ours'].append(spent)
        if not args.skip_dense and round_ < args.dense_repeats:
            spent, want = timed(lambda: dense(case, mask, args), args.device)
            times['dense'].append(spent)
            error = (got - want).abs()
            close = (error <= 1e-5).double().mean().item()
            same = same and close >= 0.999
            print(f'largest difference {error.max():.1e}, {close:.3%} within 1e-5')
            del want, error

    print(
        f'{height} x {width} cells, C = {channels}, {args.references} references, radius '
        f'{args.radius}, {args.dtype}, {args.device}, {torch.get_num_threads()} threads'
    )
    fast = Spent.median(times['ours'])
    floor = 2 * channels * pairs / matmul_rate(args.device, channels)
    print(
        f'ours   {fast.clock:8.4f} s a frame ({fast.cores:.4f} s of all cores), '
        f'{1 / fast.clock:.1f} frames a second'
    )
    print(
        f'       {floor / fast.clock:.0%} of it is what the products in the window need'
    )
    if times['dense']:
        slow = Spent.median(times['dense'])
        print(
            f'dense  {slow.clock:8.4f} s a frame ({slow.cores:.4f} s of all cores): '
            f'{slow.clock / fast.clock:.1f} ({slow.cores / fast.cores:.1f}) times ours'
        )
    if not args.skip_memory:
        print(f'ours   {memory_of("ours"):8.3f} GB above the features')
        if times['dense']:
            print(f'dense  {memory_of("dense"):8.3f} GB above the features')
    if not same:
        print('The two do not agree.')
    return int(not same)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(480, 832), metavar='N')
    parser.add_argument('--stride', type=int, default=8)
    parser.add_argument('--channels', type=int, default=768)
    parser.add_argument('--references', type=int, default=8)
    parser.add_argument('--radius', type=int, default=12)
    parser.add_argument('--topk', type=int, default=5)
    parser.add_argument('--objects', type=int, default=4)
    parser.add_argument('--dtype', default='float32', help='of the features')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--dense-repeats', type=int, default=1)
    parser.add_argument('--skip-dense', action='store_true')
    parser.add_argument('--skip-memory', action='store_true')
    parser.add_argument('--threads', type=int, default=0, help='0: as torch does')
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--memory-of', choices=['ours', 'dense'], help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.dense_repeats > args.repeats:
        parser.error('--dense-repeats cannot exceed --repeats')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('there is no CUDA device here')
    return args


def main() -> int:
    """Run the benchmark."""
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.memory_of:
        print(json.dumps(grown_memory(args)))
        return 0
    return report(args)


if __name__ == '__main__':
    sys.exit(main())
