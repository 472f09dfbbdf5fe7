"""ViT, decoders and losses of the rivals in numpy, by loops over samples and patches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]
State = Mapping[str, Array]


def weights(module: nn.Module) -> dict[str, Array]:
    """State dict as arrays."""
    state = module.state_dict()
    return {name: value.double().numpy() for name, value in state.items()}


def part(state: State, name: str) -> dict[str, Array]:
    """The weights below a name."""
    start = f'{name}.'
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def linear(x: Array, state: State) -> Array:
    """Each row times the matrix plus the bias."""
    return np.stack([state['weight'] @ row + state['bias'] for row in x])


def norm(x: Array, state: State) -> Array:
    """LayerNorm, row by row."""
    rows = []
    for row in x:
        centred = row - row.mean()
        rows.append(centred / math.sqrt((centred**2).mean() + 1e-6))
    return np.stack(rows) * state['weight'] + state['bias']


def gelu(x: Array) -> Array:
    """X times the normal distribution's cumulative function."""
    return x * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x)


def attend(query: Array, key: Array, value: Array, heads: int) -> Array:
    """Softmax attention, head by head and query by query."""
    width = query.shape[1] // heads
    out = np.zeros((len(query), query.shape[1]))
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        for i, one in enumerate(query[:, own]):
            scores = np.array([one @ other for other in key[:, own]]) / math.sqrt(width)
            share = np.exp(scores - scores.max())
            out[i, own] = sum(
                s * v for s, v in zip(share / share.sum(), value[:, own], strict=True)
            )
    return out


def vit_block(x: Array, state: State, heads: int) -> Array:
    """Self-attention and MLP, each with the norm before."""
    qkv = linear(norm(x, part(state, 'ln1')), part(state, 'attn.qkv'))
    query, key, value = np.split(qkv, 3, axis=1)
    x = x + linear(attend(query, key, value, heads), part(state, 'attn.proj'))
    hidden = gelu(linear(norm(x, part(state, 'ln2')), part(state, 'ffn.layers.0.0')))
    return x + linear(hidden, part(state, 'ffn.layers.1'))


def cross_block(x: Array, memory: Array, state: State, heads: int) -> Array:
    """Attention to the memory, then a ViT block."""
    weight = np.split(state['cross_attn.in_proj_weight'], 3)
    bias = np.split(state['cross_attn.in_proj_bias'], 3)
    query, key, value = (
        linear(rows, dict(weight=w, bias=b))
        for rows, w, b in zip(
            (norm(x, part(state, 'cross_norm')), memory, memory),
            weight,
            bias,
            strict=True,
        )
    )
    found = attend(query, key, value, heads)
    x = x + linear(found, part(state, 'cross_attn.out_proj'))
    return vit_block(x, part(state, 'block'), heads)


def position(row: int, col: int, width: int) -> Array:
    """Sine and cosine of row, then of column."""
    quarter = width // 4
    angles = [[n / 10000 ** (k / quarter) for k in range(quarter)] for n in (row, col)]
    return np.array([f(a) for each in angles for f in (math.sin, math.cos) for a in each])


def patches(image: Array, size: int) -> Array:
    """Pixels of every patch in the order (row, column, channel)."""
    rows, cols = image.shape[1] // size, image.shape[2] // size
    return np.array(
        [
            [
                image[channel, i * size + y, j * size + x]
                for y in range(size)
                for x in range(size)
                for channel in range(3)
            ]
            for i in range(rows)
            for j in range(cols)
        ]
    )


def encode(image: Array, places: Sequence[int], state: State, heads: int) -> Array:
    """Tokens of the class and of the patches at the places."""
    kernel = state['patch_embed.projection.weight']
    size = kernel.shape[-1]
    flat = kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1)
    embedding = dict(weight=flat, bias=state['patch_embed.projection.bias'])
    table = state['pos_embed'][0]
    tokens = [state['cls_token'][0, 0] + table[0]]
    for place, token in enumerate(linear(patches(image, size), embedding)):
        if place in places:
            tokens.append(token + table[1 + place])
    x = np.stack(tokens)
    layer = 0
    while part(state, f'layers.{layer}'):
        x = vit_block(x, part(state, f'layers.{layer}'), heads)
        layer += 1
    return norm(x, part(state, 'ln1'))


def decode(
    tokens: Array,
    places: Sequence[int],
    shape: tuple[int, int],
    state: State,
    heads: int,
    memory: Array | None = None,
) -> Array:
    """Pixels of all patches of a grid of rows and columns."""
    visible = linear(tokens, part(state, 'embed'))
    width = visible.shape[1]
    x = [visible[0]]
    for row in range(shape[0]):
        for col in range(shape[1]):
            place = row * shape[1] + col
            seen = place in places
            content = (
                visible[1 + list(places).index(place)]
                if seen
                else state['mask_token'][0, 0]
            )
            x.append(content + position(row, col, width))
    values = np.stack(x)
    seen_whole = None if memory is None else linear(memory, part(state, 'embed'))
    block = 0
    while part(state, f'blocks.{block}'):
        own = part(state, f'blocks.{block}')
        if seen_whole is None:
            values = vit_block(values, own, heads)
        else:
            values = cross_block(values, seen_whole, own, heads)
        block += 1
    return linear(norm(values[1:], part(state, 'norm')), part(state, 'pred'))


def reconstruction_loss(
    predictions: Sequence[Array],
    images: Iterable[Array],
    places: Sequence[Sequence[int]],
    size: int,
) -> float:
    """Mean over all masked patches of the mean squared error to normalised pixels."""
    errors = []
    for predicted, image, visible in zip(predictions, images, places, strict=True):
        for place, pixels in enumerate(patches(image, size)):
            if place not in visible:
                target = (pixels - pixels.mean()) / math.sqrt(pixels.var(ddof=1) + 1e-6)
                errors.append(((predicted[place] - target) ** 2).mean())
    return float(np.mean(errors))
