"""What a training run costs on several GPUs: time, traffic, cores and memory.

Pure arithmetic on a few measured or counted quantities; docs/en/scaling.md derives it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..utils.passes import iterations_per_pass

__all__ = [
    'Estimate',
    'Machine',
    'Plan',
    'Workload',
    'all_reduce_bytes',
    'estimate',
    'unseen_samples',
]


def _positive(values: object, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        # Not `value <= 0`, which is false of NaN.
        if value is not None and not value > 0:
            raise ValueError(f'{name} must be above 0, got {value!r}')


@dataclass(frozen=True)
class Workload:
    """What a model asks for, whoever computes it.

    Attributes:
        work: Multiply-adds of the training step of one sample, on visible patches.
        backward_share: Share of them in the backward pass, in [0, 1].
        trainable: Number of trainable parameters.
        parameters: Number of all parameters, those of the target network included.
        activations: Bytes kept for the backward pass of one sample.
        copies: Bytes kept for it that do not depend on the number of samples, such as
            weights in a lower precision.

    Raises:
        ValueError: A value is out of its range.
    """

    work: float
    backward_share: float
    trainable: int
    parameters: int
    activations: float = 0.0
    copies: float = 0.0

    def __post_init__(self) -> None:
        _positive(self, 'work', 'trainable')
        if not 0 <= self.backward_share <= 1:
            raise ValueError(f'backward_share is not in [0, 1]: {self.backward_share!r}')
        if self.parameters < self.trainable:
            raise ValueError(
                f'there are {self.parameters} parameters, but {self.trainable} of them '
                'are trainable'
            )

    def state_bytes(self, processes: int) -> int:
        """Memory in each process that does not depend on the batch, in bytes.

        All weights in fp32; of the trainable ones the gradient and both moments of
        AdamW; with several processes the buckets in which DistributedDataParallel
        sends gradients.
        """
        each = 4 + 8 + (4 if processes > 1 else 0)
        return 4 * self.parameters + each * self.trainable


@dataclass(frozen=True)
class Plan:
    """How much is trained, on how many GPUs.

    Attributes:
        processes: Number of processes; each has a GPU.
        batch_size: Pairs that a process reads in an iteration.
        samples: Pairs in the data set.
        passes: Passes over the data.
        accumulation: Iterations to a step of the optimiser.
        repeats: Crops of each pair that is read.
        drop_last: Whether an incomplete batch is left out.

    Raises:
        ValueError: A value is not positive, or the data make no batch.
    """

    processes: int
    batch_size: int
    samples: int
    passes: float = 1
    accumulation: int = 1
    repeats: int = 1
    drop_last: bool = True

    def __post_init__(self) -> None:
        counts = ('processes', 'batch_size', 'samples', 'accumulation', 'repeats')
        _positive(self, *counts, 'passes')
        if not self.iterations_per_pass:
            raise ValueError(
                f'{self.samples} samples for {self.processes} processes make no batch '
                f'of {self.batch_size}: take smaller batches or fewer processes'
            )

    @property
    def iterations_per_pass(self) -> int:
        """Iterations of one pass over the data."""
        return iterations_per_pass(
            self.samples, self.processes, self.batch_size, self.drop_last
        )

    @property
    def iterations(self) -> float:
        """Iterations of the run."""
        return self.passes * self.iterations_per_pass

    @property
    def step_samples(self) -> int:
        """Samples in a step of the optimiser, of all processes."""
        return self.processes * self.batch_size * self.accumulation * self.repeats


@dataclass(frozen=True)
class Machine:
    """What the machine can do.

    Attributes:
        rate: Multiply-adds a second that a GPU sustains in training.
        bandwidth: Bytes a second that a GPU can send while it receives as many; of the
            slowest link of the ring. None for unlimited.
        pairs_per_core: Pairs a second that a core reads.
        cores: Cores that read for each GPU. None for as many as it takes.

    Raises:
        ValueError: A value is not positive.
    """

    rate: float
    bandwidth: float | None = None
    pairs_per_core: float | None = None
    cores: float | None = None

    def __post_init__(self) -> None:
        _positive(self, 'rate', 'bandwidth', 'pairs_per_core', 'cores')


@dataclass(frozen=True)
class Estimate:
    """What a run costs.

    Attributes:
        compute: Seconds of computing in a step of the optimiser.
        all_reduce: Seconds in which gradients travel.
        loading: Seconds that loading the samples of a step takes with the cores there
            are; 0 where it is not limited.
        seconds: Of a step: the longest of loading and of computing with the part of
            the traffic that does not fit beside the backward pass.
        seconds_without_overlap: The same if nothing travels during the backward pass.
        sent: Bytes that each process sends in a step.
        samples_per_second: Of all processes.
        efficiency: Samples a second of a process, as a share of those of one alone that
            loading does not limit; in (0, 1].
        gpu_hours: Of the run.
        cores_needed: Cores for each GPU with which loading takes as long as the rest;
            None if it is not known how much a core reads.
        state: Bytes of memory in each process that the batch does not change.
        activations: Bytes kept for the backward pass in each process.
    """

    compute: float
    all_reduce: float
    loading: float
    seconds: float
    seconds_without_overlap: float
    sent: float
    samples_per_second: float
    efficiency: float
    gpu_hours: float
    cores_needed: float | None
    state: int
    activations: float


def unseen_samples(samples: int, processes: int, batch_size: int) -> int:
    """Count the samples that a pass leaves out where incomplete batches are dropped.

    Shuffled data leave out others in each pass.
    """
    seen = iterations_per_pass(samples, processes, batch_size) * batch_size * processes
    return max(0, samples - seen)


def all_reduce_bytes(parameters: int, processes: int, width: int = 4) -> float:
    """Count what each process sends when gradients are summed over a ring.

    Args:
        parameters: Values in the gradient.
        processes: Length n of the ring.
        width: Bytes of a value: 4, or 2 where gradients are compressed to 16 bits.

    Returns:
        ``2 (n - 1) / n`` times the size of the gradient, which is what any all-reduce
        sends at least (Patarasuk and Yuan, 2009); each process receives as much.
    """
    return 2 * (processes - 1) / processes * parameters * width


def estimate(work: Workload, plan: Plan, machine: Machine, width: int = 4) -> Estimate:
    """Estimate what a run costs.

    Args:
        work: What the model asks for.
        plan: What is trained on how many GPUs.
        machine: What the machine can do.
        width: Bytes of a value of the gradient while it travels.
    """
    own_samples = plan.step_samples // plan.processes
    compute = work.work * own_samples / machine.rate
    sent = all_reduce_bytes(work.trainable, plan.processes, width)
    travel = sent / machine.bandwidth if machine.bandwidth else 0.0
    # Gradients travel in the last iteration of a step, as the backward pass makes them.
    backward = work.backward_share * compute / plan.accumulation
    exposed = compute + max(0.0, travel - backward)
    read = plan.batch_size * plan.accumulation
    loading, needed = 0.0, None
    if machine.pairs_per_core is not None:
        needed = read / exposed / machine.pairs_per_core
        if machine.cores is not None:
            loading = read / (machine.pairs_per_core * machine.cores)
    seconds = max(exposed, loading)
    steps = math.ceil(plan.iterations / plan.accumulation)
    return Estimate(
        compute=compute,
        all_reduce=travel,
        loading=loading,
        seconds=seconds,
        seconds_without_overlap=max(compute + travel, loading),
        sent=sent,
        samples_per_second=plan.step_samples / seconds,
        efficiency=compute / seconds,
        gpu_hours=steps * seconds * plan.processes / 3600,
        cores_needed=needed,
        state=work.state_bytes(plan.processes),
        activations=own_samples / plan.accumulation * work.activations + work.copies,
    )
