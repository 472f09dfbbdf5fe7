"""Classification by the nearest neighbours among labelled features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['knn_scores']


@torch.no_grad()
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 1024,
) -> Tensor:
    """Let the k nearest neighbours of each query vote for their classes.

    A neighbour with the cosine similarity s votes with the weight exp(s / T), and a class
    gets the sum of its votes (Wu et al., Unsupervised Feature Learning via Non-parametric
    Instance Discrimination, CVPR 2018, section 3.4). k = 20 and T = 0.07 are the values
    of DINO (Caron et al., ICCV 2021, which takes the best k of 10, 20, 100 and 200).

    Args:
        queries: Features [Q, C], of any length.
        bank: Features [N, C] with known classes.
        labels: Classes [N] of the bank, from 0.
        num_classes: Number of classes.
        k: Number of neighbours; all of the bank where it has fewer.
        temperature: T, above 0.
        chunk: Queries that are compared at a time, which bounds the memory.

    Returns:
        Scores [Q, num_classes] that sum to one.

    Raises:
        ValueError: If shapes, labels or numbers make no sense.
    """
    if queries.dim() != 2 or bank.dim() != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(
            f'features must be [Q, C] and [N, C], got {tuple(queries.shape)} and '
            f'{tuple(bank.shape)}'
        )
    if labels.shape != bank.shape[:1] or not len(labels):
        raise ValueError(
            f'a bank of {len(bank)} features needs as many labels and at least one, got '
            f'{tuple(labels.shape)}'
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f'labels must be 0 to {num_classes - 1}, got {int(labels.min())} to '
            f'{int(labels.max())}'
        )
    if k < 1 or temperature <= 0:
        raise ValueError(f'k and temperature must be positive, got {k} and {temperature}')
    known = F.normalize(bank, dim=1).T
    scores = []
    for part in F.normalize(queries, dim=1).split(chunk):
        near, where = (part @ known).topk(min(k, len(bank)), dim=1)
        # A softmax is the votes up to a factor of the query, and cannot overflow.
        votes = (near / temperature).softmax(dim=1)
        empty = votes.new_zeros(len(part), num_classes)
        scores.append(empty.scatter_add_(1, labels[where], votes))
    return torch.cat(scores) if scores else queries.new_zeros(0, num_classes)
