"""Brute-force statements of the sparse operations, independent of the package.

Maps are float64 arrays [B, C, H, W] with a bool array ``seen`` [B, H, W] of the visible
cells. Loops run over visible cells and kernel offsets; values at masked cells are never
read and are zero in what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Seen = NDArray[np.bool_]
Pair = tuple[int, int]


def visible_cells(visible: Seen, cells: Pair) -> Seen:
    """Visible cells [B, rows * h, cols * w] of visible patches [B, rows, cols]."""
    batch, rows, cols = visible.shape
    seen = np.zeros((batch, rows * cells[0], cols * cells[1]), dtype=bool)
    for b, y, x in np.ndindex(*seen.shape):
        seen[b, y, x] = visible[b, y // cells[0], x // cells[1]]
    return seen


def positions(seen: Seen) -> list[tuple[int, int, int]]:
    """Sample, row and column of every visible cell."""
    return [(b, y, x) for b, y, x in np.ndindex(*seen.shape) if seen[b, y, x]]


def strided(seen: Seen, stride: Pair) -> Seen:
    """Visible cells of the output of an operation with a stride."""
    return seen[:, :: stride[0], :: stride[1]]


def offsets(
    place: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[Pair, Pair]]:
    """Kernel offsets and the input cells under them, for an output cell."""
    for k, m in np.ndindex(*kernel):
        row = place[0] * stride[0] - padding[0] + k * dilation[0]
        col = place[1] * stride[1] - padding[1] + m * dilation[1]
        yield (k, m), (row, col)


def inside(place: Pair, seen: Seen) -> bool:
    """Whether a cell lies on the map."""
    return 0 <= place[0] < seen.shape[1] and 0 <= place[1] < seen.shape[2]


def conv2d(
    x: Array,
    seen: Seen,
    weight: Array,
    bias: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Submanifold convolution: read zeros at masked cells, write visible cells only."""
    outputs, inputs = weight.shape[0], weight.shape[1]
    kernel = (weight.shape[2], weight.shape[3])
    seen_out = strided(seen, stride)
    out = np.zeros((x.shape[0], outputs, *seen_out.shape[1:]))
    share = outputs // groups
    for b, i, j in positions(seen_out):
        for (k, m), (y, z) in offsets((i, j), kernel, stride, padding, dilation):
            if not inside((y, z), seen) or not seen[b, y, z]:
                continue
            for g in range(groups):
                mine = slice(g * share, (g + 1) * share)
                values = x[b, g * inputs : (g + 1) * inputs, y, z]
                out[b, mine, i, j] += weight[mine, :, k, m] @ values
        if bias is not None:
            out[b, :, i, j] += bias
    return out


def max_pool2d(
    x: Array, seen: Seen, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Maximum over the visible cells of each window."""
    seen_out = strided(seen, stride)
    out = np.zeros((*x.shape[:2], *seen_out.shape[1:]))
    for b, i, j in positions(seen_out):
        values = [
            x[b, :, y, z]
            for _, (y, z) in offsets((i, j), kernel, stride, padding, dilation)
            if inside((y, z), seen) and seen[b, y, z]
        ]
        out[b, :, i, j] = np.max(values, axis=0)
    return out


def avg_pool2d(
    x: Array,
    seen: Seen,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
) -> Array:
    """Average over the visible cells of each window, and its padding if that counts."""
    seen_out = strided(seen, stride)
    out = np.zeros((*x.shape[:2], *seen_out.shape[1:]))
    for b, i, j in positions(seen_out):
        total, count = np.zeros(x.shape[1]), 0
        for _, (y, z) in offsets((i, j), kernel, stride, padding, (1, 1)):
            if not inside((y, z), seen):
                count += count_include_pad
            elif seen[b, y, z]:
                total += x[b, :, y, z]
                count += 1
        out[b, :, i, j] = total / count
    return out


def batch_norm(
    x: Array,
    seen: Seen,
    weight: Array,
    bias: Array,
    running: tuple[Array, Array],
    momentum: float,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """Normalise by the visible cells of the batch; also the new running statistics."""
    mean, var = running
    new_mean, new_var = mean, var
    if training:
        values = np.array([x[b, :, y, z] for b, y, z in positions(seen)])
        count = len(values)
        mean = values.sum(0) / count
        var = ((values - mean) ** 2).sum(0) / count
        new_mean = (1 - momentum) * running[0] + momentum * mean
        new_var = (1 - momentum) * running[1] + momentum * var * count / (count - 1)
    out = np.zeros_like(x)
    for b, y, z in positions(seen):
        out[b, :, y, z] = (x[b, :, y, z] - mean) / np.sqrt(var + eps) * weight + bias
    return out, new_mean, new_var


def layer_norm(x: Array, seen: Seen, weight: Array, bias: Array, eps: float) -> Array:
    """Normalise the channels of each visible cell."""
    out = np.zeros_like(x)
    for b, y, z in positions(seen):
        values = x[b, :, y, z]
        centred = values - values.sum() / len(values)
        var = (centred**2).sum() / len(values)
        out[b, :, y, z] = centred / np.sqrt(var + eps) * weight + bias
    return out


def group_norm(
    x: Array, seen: Seen, groups: int, weight: Array, bias: Array, eps: float
) -> Array:
    """Normalise groups of channels over the visible cells of each sample."""
    out = np.zeros_like(x)
    share = x.shape[1] // groups
    for b in range(x.shape[0]):
        here = [(y, z) for c, y, z in positions(seen) if c == b]
        for g in range(groups if here else 0):
            mine = slice(g * share, (g + 1) * share)
            values = np.array([x[b, mine, y, z] for y, z in here])
            mean = values.sum() / values.size
            scale = np.sqrt(((values - mean) ** 2).sum() / values.size + eps)
            for y, z in here:
                normed = (x[b, mine, y, z] - mean) / scale
                out[b, mine, y, z] = normed * weight[mine] + bias[mine]
    return out


def instance_norm(
    x: Array,
    seen: Seen,
    running: tuple[Array, Array],
    momentum: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Normalise each channel of a sample; also the running statistics, over samples."""
    out, means, variances = np.zeros_like(x), [], []
    for b in range(x.shape[0]):
        here = [(y, z) for c, y, z in positions(seen) if c == b]
        if not here:
            continue
        values = np.array([x[b, :, y, z] for y, z in here])
        mean = values.sum(0) / len(values)
        squares = ((values - mean) ** 2).sum(0)
        for y, z in here:
            out[b, :, y, z] = (x[b, :, y, z] - mean) / np.sqrt(
                squares / len(values) + eps
            )
        means.append(mean)
        variances.append(squares / max(len(values) - 1, 1))
    moved = [
        (1 - momentum) * old + momentum * np.mean(new, axis=0)
        for old, new in zip(running, (means, variances), strict=True)
    ]
    return out, moved[0], moved[1]


def sum_space(x: Array, seen: Seen) -> Array:
    """Sum of the visible cells of each sample, [B, C]."""
    total = np.zeros(x.shape[:2])
    for b, y, z in positions(seen):
        total[b] += x[b, :, y, z]
    return total


def mean_space(x: Array, seen: Seen) -> Array:
    """Mean of the visible cells of each sample, [B, C]; zero where none is visible."""
    counts = [sum(c == b for c, _, _ in positions(seen)) for b in range(len(seen))]
    return sum_space(x, seen) / np.array([max(n, 1) for n in counts])[:, None]


def norm_space(x: Array, seen: Seen, p: float = 2.0) -> Array:
    """Vector norm of the visible cells of each sample, [B, C]."""
    result = np.zeros(x.shape[:2])
    for b, c in np.ndindex(*result.shape):
        values = [abs(x[b, c, y, z]) for s, y, z in positions(seen) if s == b]
        if np.isinf(p):
            picked = max if p > 0 else min
            result[b, c] = picked(values, default=0.0)
        else:
            result[b, c] = sum(v**p for v in values) ** (1 / p)
    return result


def grn(
    x: Array, seen: Seen, gamma: Array, beta: Array, eps: float, whole_batch: bool
) -> Array:
    """Global response normalisation (ConvNeXt V2, Algorithm 1) of visible cells."""
    response = norm_space(x, seen)
    if whole_batch:
        response = np.tile(np.sqrt((response**2).sum(0)), (len(x), 1))
    out = np.zeros_like(x)
    for b, y, z in positions(seen):
        scale = response[b] / (response[b].mean() + eps)
        values = x[b, :, y, z]
        out[b, :, y, z] = gamma * (values * scale) + beta + values
    return out
