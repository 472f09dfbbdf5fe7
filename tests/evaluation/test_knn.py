"""Votes of nearest neighbours against a loop over all pairs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from videomac.evaluation.knn import knn_scores


def brute_force(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    classes: int,
    k: int,
    temperature: float,
) -> list[list[float]]:
    """Every pair by itself, in plain Python."""
    scores = []
    for query in queries.tolist():
        found = []
        for known, label in zip(bank.tolist(), labels.tolist(), strict=True):
            dot = sum(a * b for a, b in zip(query, known, strict=True))
            found.append((dot / math.hypot(*query) / math.hypot(*known), label))
        votes = [0.0] * classes
        for similarity, label in sorted(found, reverse=True)[:k]:
            votes[label] += math.exp(similarity / temperature)
        scores.append([vote / sum(votes) for vote in votes])
    return scores


@given(
    queries=st.integers(1, 5),
    known=st.integers(1, 12),
    width=st.integers(1, 6),
    classes=st.integers(1, 4),
    k=st.integers(1, 15),
    temperature=st.sampled_from([0.07, 0.5, 3.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_against_brute_force(
    queries: int,
    known: int,
    width: int,
    classes: int,
    k: int,
    temperature: float,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    q = 3 * torch.randn(queries, width, generator=generator, dtype=torch.float64)
    b = torch.randn(known, width, generator=generator, dtype=torch.float64)
    if width == 1:  # all similarities are 1 or -1: which of the equals vote is open
        k = known
    labels = torch.randint(0, classes, (known,), generator=generator)
    got = knn_scores(q, b, labels, classes, k, temperature, chunk=2)
    want = torch.tensor(
        brute_force(q, b, labels, classes, k, temperature), dtype=torch.float64
    )
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_two_neighbours_by_hand() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    # Similarities 0.6, 0.8 and -0.6; the third is not among the nearest two.
    got = knn_scores(torch.tensor([[3.0, 4.0]]), bank, torch.tensor([0, 1, 2]), 3, k=2)
    odds = math.exp(0.2 / 0.07)
    torch.testing.assert_close(got, torch.tensor([[1, odds, 0]]) / (1 + odds))


def test_bad_input() -> None:
    bank, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    with pytest.raises(ValueError, match=r'\[Q, C\]'):
        knn_scores(torch.randn(2, 5), bank, labels, 3)
    with pytest.raises(ValueError, match='as many labels'):
        knn_scores(bank, bank, labels[:2], 3)
    with pytest.raises(ValueError, match='0 to 1'):
        knn_scores(bank, bank, labels, 2)
    with pytest.raises(ValueError, match='positive'):
        knn_scores(bank, bank, labels, 3, k=0)
    with pytest.raises(ValueError, match='positive'):
        knn_scores(bank, bank, labels, 3, temperature=0.0)
