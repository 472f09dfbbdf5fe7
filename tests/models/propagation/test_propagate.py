"""Propagation of one frame against candidate lists written out cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.models.propagation.oracle import Listed, circle, propagate_by_loops, square
from videomac.models.propagation import (
    Copies,
    PropagationSettings,
    Reference,
    propagate,
)
from videomac.models.propagation.scoring import StripPlan, seen

VALUES = Path(__file__).with_name('reference_values.npz')


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Random features of unit length."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)


def soft(*shape: int, seed: int = 0) -> Tensor:
    """Random labels [K, h, w] that sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).softmax(0)


def expected(
    query: Tensor, references: list[Reference], options: PropagationSettings
) -> Tensor:
    """What the loops make of it, with every copy listed by itself."""
    listed = []
    for each in references:
        free = each.copies.outside
        assert free <= each.copies.inside
        arrays = each.features.float().numpy(), each.labels.numpy()
        listed += [Listed(*arrays, restricted=False)] * free
        listed += [Listed(*arrays)] * (each.copies.inside - free)
    radius = 1e9 if options.radius is None else options.radius
    inside = square(radius) if options.window == 'square' else circle(radius)
    out = propagate_by_loops(
        query.float().numpy(),
        listed,
        inside,
        options.topk,
        options.temperature,
        options.ties,
    )
    return torch.from_numpy(out).float()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_lists_of_candidates_cell_by_cell(data: st.DataObject) -> None:
    draw: Any = data.draw
    h, w = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    options = PropagationSettings(
        window=draw(st.sampled_from(['square', 'circle'])),
        radius=draw(st.sampled_from([0.5, 1, 1.5, 2, 3, 12, None])),
        topk=draw(st.integers(1, 12)),
        temperature=draw(st.sampled_from([0.05, 0.1, 1.0])),
        ties=draw(st.sampled_from(['keep', 'share'])),
    )
    seed = draw(st.integers(0, 99))
    query = unit(h, w, 5, seed=seed)
    references = []
    for number in range(draw(st.integers(1, 3))):
        free = draw(st.integers(0, 1))
        copies = Copies(free + draw(st.integers(1 - free, 3)), free)
        features = unit(h, w, 5, seed=seed + number + 1)
        references.append(Reference(features, soft(3, h, w, seed=number), copies))
    budget, width = draw(st.sampled_from([1, 2000, 2**20])), draw(st.integers(1, 7))
    got = propagate(query, references, options, budget, width)
    torch.testing.assert_close(
        got, expected(query, references, options), atol=1e-5, rtol=0
    )


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    topk=st.integers(1, 6),
    ties=st.sampled_from(['keep', 'share']),
    copies=st.sampled_from([Copies(), Copies(2), Copies(1, 1), Copies(3, 1)]),
    seed=st.integers(0, 99),
)
def test_candidates_with_equal_scores(
    size: tuple[int, int], topk: int, ties: Any, copies: Copies, seed: int
) -> None:
    # Products of small integers are exact, and few values make many ties.
    generator = torch.Generator().manual_seed(seed)
    query, *keys = torch.randint(-1, 2, (3, *size, 2), generator=generator).float()
    references = [
        Reference(keys[0], soft(2, *size), copies),
        Reference(keys[1], soft(2, *size, seed=1)),
    ]
    options = PropagationSettings(radius=1, topk=topk, temperature=0.5, ties=ties)
    got = propagate(query, references, options, strip_width=2)
    torch.testing.assert_close(
        got, expected(query, references, options), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize('ties', ['keep', 'share'])
def test_frozen_video_takes_all_equal_references_alike(ties: Any) -> None:
    features = unit(5, 7, 16)
    labels = [soft(3, 5, 7, seed=seed) for seed in range(4)]
    references = [Reference(features, each) for each in labels]
    options = PropagationSettings(radius=2, topk=2, temperature=0.01, ties=ties)
    got = propagate(features, references, options)
    # At this temperature nothing but the cell itself has weight, in all four frames.
    torch.testing.assert_close(got, torch.stack(labels).mean(0), atol=1e-4, rtol=0)


@pytest.mark.parametrize('ties', ['keep', 'share'])
def test_featureless_cells_average_their_window(ties: Any) -> None:
    zero, labels = torch.zeros(5, 6, 4), soft(3, 5, 6)
    options = PropagationSettings(radius=1, topk=2, ties=ties)
    got = propagate(zero, [Reference(zero, labels)], options)
    counts = torch.nn.functional.avg_pool2d(torch.ones(1, 5, 6), 3, 1, 1)
    mean = torch.nn.functional.avg_pool2d(labels, 3, 1, 1) / counts
    torch.testing.assert_close(got, mean, atol=1e-6, rtol=0)


def dense(
    query: Tensor, references: list[Reference], options: PropagationSettings
) -> Tensor:
    """A matrix of all scores, for larger maps without ties and copies."""
    h, w, channels = query.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    dy = (y.flatten()[:, None] - y.flatten()).abs()
    dx = (x.flatten()[:, None] - x.flatten()).abs()
    far = torch.maximum(dy, dx) > (options.radius or 1e9)
    scores = torch.cat(
        [
            (each.features.reshape(-1, channels) @ query.reshape(-1, channels).T)
            .div(options.temperature)
            .masked_fill(far & (each.copies.outside == 0), -torch.inf)
            for each in references
        ]
    )
    values, where = scores.topk(options.topk, 0)
    labels = torch.cat([each.labels.flatten(1) for each in references], 1)
    return (values.softmax(0) * labels[:, where]).sum(1).view(-1, h, w)


@pytest.mark.parametrize('outside', [0, 1])
def test_width_of_strips_and_memory_make_no_difference(outside: int) -> None:
    h, w = 13, 17
    query = unit(h, w, 16)
    copies = [Copies(1, outside), Copies(), Copies()]
    references = [
        Reference(unit(h, w, 16, seed=i), soft(4, h, w, seed=i), copies[i])
        for i in range(3)
    ]
    options = PropagationSettings(radius=4, topk=5)
    want = dense(query, references, options)
    for width in (1, 5, 12, 40):
        for budget in (1, 30_000, 10**9):
            got = propagate(query, references, options, budget, width)
            torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_features_are_scored_in_float32(dtype: torch.dtype) -> None:
    query = unit(9, 8, 32).to(dtype)
    references = [Reference(unit(9, 8, 32, seed=1).to(dtype), soft(3, 9, 8))]
    options = PropagationSettings(radius=3, temperature=0.05)
    got = propagate(query, references, options)
    assert got.dtype == torch.float32
    torch.testing.assert_close(
        got, expected(query, references, options), atol=1e-5, rtol=0
    )


@settings(max_examples=200, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 900)),
    reach=st.integers(0, 30),
    references=st.integers(1, 21),
    budget=st.integers(1, 2**28),
    width=st.integers(1, 30),
)
def test_plan_keeps_to_the_memory_budget(
    shape: tuple[int, int, int], reach: int, references: int, budget: int, width: int
) -> None:
    plan = StripPlan.fit(shape, reach, references, budget, width)
    assert 1 <= plan.references <= references
    assert 1 <= plan.width <= min(width, shape[1])
    start = shape[1] // 2
    wide = seen(slice(start, min(shape[1], start + plan.width)), reach, shape[1])
    held = shape[0] * (wide.stop - wide.start)
    rows = min(2 * reach, 2 * shape[0] - 2) + 1
    needed = 4 * plan.references * held * (shape[2] + rows * plan.width)
    assert needed <= budget or plan == (1, 1)


def follow(options: PropagationSettings) -> Tensor:
    """Soft maps of the video of the reference values, [8, K, 9, 13]."""
    values = np.load(VALUES)
    features = torch.from_numpy(values['A_feats']).permute(0, 2, 3, 1)
    features = torch.nn.functional.normalize(features, dim=-1)
    ids = torch.from_numpy(values['A_first_ids'])
    maps = [torch.nn.functional.one_hot(ids).permute(2, 0, 1).float()]
    for frame in range(1, len(features)):
        references = [
            Reference(features[i], maps[i], copies)
            for i, copies in options.references(frame).items()
        ]
        maps.append(propagate(features[frame], references, options))
    return torch.stack(maps)


def test_values_of_dinos_own_code() -> None:
    got = follow(PropagationSettings.preset('dino'))[1:].numpy()
    error = np.abs(got - np.load(VALUES)['A_dino_default'])
    assert (error < 1e-5).mean() > 0.999


def test_values_of_crws_own_code() -> None:
    options = PropagationSettings.preset('crw', previous=4, radius=3, topk=5)
    got = follow(options).permute(0, 2, 3, 1).numpy()
    error = np.abs(got - np.load(VALUES)['A_crw_L4_r3_k5_t05'])
    assert (error < 1e-5).mean() > 0.999


def test_bad_input_is_named() -> None:
    query, good = unit(4, 5, 8), Reference(unit(4, 5, 8), soft(2, 4, 5))
    options = PropagationSettings()
    with pytest.raises(ValueError, match='at least one reference'):
        propagate(query, [], options)
    with pytest.raises(ValueError, match=r'reference 1 has features \(5, 4, 8\)'):
        propagate(query, [good, Reference(unit(5, 4, 8), soft(2, 5, 4))], options)
    with pytest.raises(ValueError, match=r'reference 1 has labels \(3, 4, 5\)'):
        propagate(query, [good, Reference(unit(4, 5, 8), soft(3, 4, 5))], options)
    with pytest.raises(ValueError, match='query must be features'):
        propagate(query[0], [good], options)
    with pytest.raises(ValueError, match='memory_budget must be positive'):
        propagate(query, [good], options, memory_budget=0)
    none = Reference(good.features, good.labels, Copies(0, 0))
    with pytest.raises(ValueError, match='inside must be at least 1'):
        propagate(query, [none], options)
