"""The arithmetic of scaling against simulations and closed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.models.common import build
from tests.utils.test_passes import dealt
from videomac.analysis import (
    Machine,
    Plan,
    Workload,
    all_reduce_bytes,
    costs,
    estimate,
    kept_bytes,
    measure_workload,
    unseen_samples,
)

WORK = Workload(work=8e9, backward_share=0.5, trainable=10**7, parameters=2 * 10**7)


def plan(**changes: Any) -> Plan:
    """A plan of 8 processes, with arguments replaced."""
    return Plan(**(dict(processes=8, batch_size=64, samples=5120) | changes))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_unseen_samples(samples: int, processes: int, size: int) -> None:
    batches = [dealt(samples, rank, processes, size) for rank in range(processes)]
    seen = {index for each in batches for batch in each for index in batch}
    assert unseen_samples(samples, processes, size) == samples - len(seen)


def ring_sum(values: list[list[int]]) -> int:
    """Sum vectors over a ring, one part at a time, and count what a process sends.

    Reduce-scatter, then all-gather; each vector has as many parts as there are processes.
    """
    n, sent = len(values), 0
    expected = [sum(column) for column in zip(*values, strict=True)]
    for step in range(2 * (n - 1)):
        parts = [(rank - step) % n for rank in range(n)]
        if step >= n - 1:
            parts = [(rank + 1 - step + n - 1) % n for rank in range(n)]
        moved = [values[rank][part] for rank, part in enumerate(parts)]
        for rank, part in enumerate(parts):
            there = (rank + 1) % n
            kept = values[there][part] if step < n - 1 else 0
            values[there][part] = kept + moved[rank]
        sent += 1
    assert all(each == expected for each in values), 'the simulation is no all-reduce'
    return sent


@pytest.mark.parametrize('processes', [1, 2, 3, 8])
@pytest.mark.parametrize('width', [2, 4])
def test_all_reduce_sends_what_a_ring_sends(processes: int, width: int) -> None:
    vectors = [
        [10**rank + part for part in range(processes)] for rank in range(processes)
    ]
    each = 6  # values in a part
    expected = ring_sum(vectors) * each * width
    assert all_reduce_bytes(each * processes, processes, width) == pytest.approx(expected)


def test_one_process_by_hand() -> None:
    """8e9 multiply-adds a sample at 4e12 a second are 2 ms; 5,120 samples, 10 passes."""
    found = estimate(WORK, plan(processes=1, passes=10), Machine(rate=4e12))
    assert found.compute == found.seconds == pytest.approx(64 * 0.002)
    assert found.sent == found.all_reduce == found.loading == 0
    assert found.gpu_hours == pytest.approx(10 * 5120 * 0.002 / 3600)
    assert found.samples_per_second == pytest.approx(500)
    assert (found.efficiency, found.cores_needed) == (1, None)


def test_traffic_by_hand() -> None:
    """Of 70 MB at 0.7 GB/s, 0.1 s, the backward pass of 0.064 s hides all but 0.036 s."""
    machine = Machine(rate=4e12, bandwidth=0.7e9)
    found = estimate(WORK, plan(), machine)
    assert found.sent == pytest.approx(70e6)
    assert found.all_reduce == pytest.approx(0.1)
    assert found.seconds == pytest.approx(0.128 + 0.036)
    assert found.seconds_without_overlap == pytest.approx(0.228)
    assert found.efficiency == pytest.approx(0.128 / 0.164)
    assert found.gpu_hours == pytest.approx(10 * 0.164 * 8 / 3600)
    half = estimate(WORK, plan(), machine, width=2)
    assert half.seconds == pytest.approx(0.128)


def test_accumulation_by_hand() -> None:
    """Four iterations to a step: the gradient travels once, beside the last of them."""
    machine = Machine(rate=4e12, bandwidth=0.7e9)
    found = estimate(WORK, plan(accumulation=4), machine)
    assert found.compute == pytest.approx(4 * 0.128)
    assert found.seconds == pytest.approx(4 * 0.128 + 0.036)
    # Ten iterations are three steps, the last of which is short.
    assert found.gpu_hours == pytest.approx(3 * found.seconds * 8 / 3600)
    assert found.activations == estimate(WORK, plan(), machine).activations


def test_loading_by_hand() -> None:
    """500 pairs a second on a GPU need 5 cores of 100; two of them make it wait."""
    found = estimate(WORK, plan(), Machine(rate=4e12, pairs_per_core=100))
    assert found.cores_needed == pytest.approx(5)
    assert found.efficiency == 1
    found = estimate(WORK, plan(), Machine(rate=4e12, pairs_per_core=100, cores=2))
    assert found.seconds == found.loading == pytest.approx(64 / 200)
    assert found.efficiency == pytest.approx(0.4)


def test_repeats_read_less() -> None:
    """Four crops of each pair that is read are four times the work, not the reading."""
    machine = Machine(rate=4e12, pairs_per_core=100)
    once, four = (estimate(WORK, plan(repeats=repeats), machine) for repeats in (1, 4))
    assert four.seconds == pytest.approx(4 * once.seconds)
    assert four.cores_needed == pytest.approx((once.cores_needed or 0) / 4)
    assert plan(repeats=4, accumulation=2).step_samples == 8 * 64 * 4 * 2


sizes = st.floats(0.01, 100)


@given(sizes, sizes, sizes, sizes, st.integers(1, 64), st.integers(1, 4))
def test_bounds(
    rate: float, bandwidth: float, pairs: float, cores: float, processes: int, steps: int
) -> None:
    machine = Machine(rate * 1e12, bandwidth * 1e9, pairs * 10, cores)
    found = estimate(WORK, plan(processes=processes, accumulation=steps), machine)
    assert found.compute <= found.seconds <= found.seconds_without_overlap
    assert max(found.all_reduce, found.loading) <= found.seconds_without_overlap
    assert 0 < found.efficiency <= 1
    assert found.cores_needed is not None
    enough = Machine(rate * 1e12, bandwidth * 1e9, pairs * 10, found.cores_needed)
    again = estimate(WORK, plan(processes=processes, accumulation=steps), enough)
    assert again.loading == pytest.approx(again.seconds)


def test_state_is_that_of_an_optimiser() -> None:
    """Bytes of weights, gradients and moments after a step of AdamW."""
    model = build()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    torch.stack(
        list(model(torch.rand(1, 2, 3, 64, 64), mode='loss').values())
    ).sum().backward()
    optimizer.step()
    tensors = list(model.parameters()) + [p.grad for p in trained if p.grad is not None]
    for state in optimizer.state.values():
        tensors += [state['exp_avg'], state['exp_avg_sq']]
    expected = sum(t.numel() * t.element_size() for t in tensors)
    workload = measure_workload(model, (64, 64))
    assert workload.state_bytes(1) == expected
    buckets = sum(p.numel() * 4 for p in trained)
    assert workload.state_bytes(2) == expected + buckets


def test_kept_bytes() -> None:
    """Exponentials keep their result, and what is multiplied with itself is kept once."""
    x = torch.rand(1000, requires_grad=True)
    assert kept_bytes(lambda: x.exp()) == 4000
    assert kept_bytes(lambda: (x + 1).square()) == 4000
    layer = torch.nn.Linear(10, 20)
    rows = torch.rand(30, 10)
    assert kept_bytes(lambda: layer(rows)) == 4 * rows.numel()  # the weight is no extra
    assert kept_bytes(lambda: x + 1) == 0


def test_measured_workload() -> None:
    model = build(encoder=dict(type='mmpretrain.ResNet', depth=18)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected_draw = torch.rand(3)
    torch.manual_seed(3)
    found = measure_workload(model, (64, 96))
    assert torch.equal(torch.rand(3), expected_draw), 'randomness was used up'
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert found.work == costs(model, (64, 96))[-1].visible
    frames = torch.rand(5, 2, 3, 64, 96)
    kept = kept_bytes(
        lambda: torch.stack(list(model(frames, mode='loss').values())).sum()
    )
    assert found.copies + 5 * found.activations == pytest.approx(kept, rel=0.02)


def test_measured_workload_with_checkpointing_and_amp() -> None:
    """Recomputing keeps less and is no more work; half precision keeps about half."""
    encoder = dict(type='mmpretrain.ResNet', depth=18)
    plain = measure_workload(build(encoder=encoder), (128, 128))
    checkpointed = measure_workload(
        build(encoder=encoder | dict(with_cp=True)), (128, 128)
    )
    assert checkpointed.activations < 0.7 * plain.activations
    assert checkpointed.work == plain.work
    amp = measure_workload(build(encoder=encoder), (128, 128), amp=True)
    assert 0.4 * plain.activations < amp.activations < 0.7 * plain.activations
    assert amp.work == plain.work


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(samples=504), 'make no batch of 64'),
        (dict(processes=0), 'processes must be above 0'),
        (dict(accumulation=0), 'accumulation must be above 0'),
        (dict(passes=float('nan')), 'passes must be above 0, got nan'),
    ],
)
def test_bad_plans(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**changes)


def test_bad_machines_and_workloads() -> None:
    with pytest.raises(ValueError, match='rate must be above 0'):
        Machine(rate=0)
    with pytest.raises(ValueError, match='cores must be above 0, got -1'):
        Machine(rate=1, cores=-1)
    with pytest.raises(ValueError, match='backward_share'):
        Workload(1, 1.5, 1, 1)
    with pytest.raises(ValueError, match='2 of them are trainable'):
        Workload(1, 0.5, 2, 1)
