"""The released networks, stated from the description of the code and its checkpoints.

Everything works on features at the visible cells of a dense float64 map; a sparse
convolution adds up, offset by offset, the products with the kernel's matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


class Sparse:
    """Values [B, H, W, C] and the mask [B, H, W] of the cells that exist."""

    def __init__(self, values: Tensor, mask: Tensor) -> None:
        self.mask = mask
        self.values = values * mask[..., None]

    def each(self, function: Callable[[Tensor], Tensor]) -> Sparse:
        """Apply a function to every cell's channels."""
        return Sparse(function(self.values), self.mask)


def sparse_conv(
    x: Sparse, kernel: Tensor, bias: Tensor | None, stride: int = 1
) -> Sparse:
    """Sum over offsets; kernel [K, ...] with the vertical offset running fastest."""
    depthwise = bias is not None and kernel.dim() == 2 and kernel.shape[0] in (9, 49)
    if kernel.dim() == 2 and not depthwise:
        kernel = kernel[None]
    size = math.isqrt(len(kernel))
    pad = size // 2 if size % 2 else 0
    batch, height, width, _ = x.values.shape
    padded = F.pad(x.values, (0, 0, pad, pad, pad, pad))
    rows, cols = height // stride, width // stride
    out: Tensor | float = 0.0
    for index in range(size * size):
        dx, dy = divmod(index, size)
        part = padded[:, dy : dy + height : stride, dx : dx + width : stride][
            :, :rows, :cols
        ]
        out = out + (part * kernel[index] if depthwise else part @ kernel[index])
    if bias is not None:
        out = out + bias[0]
    mask = x.mask.view(batch, rows, stride, cols, stride).amax((2, 4))
    assert isinstance(out, Tensor)
    return Sparse(out, mask)


def layer_norm(state: State, name: str) -> Callable[[Tensor], Tensor]:
    weight, bias = state[f'{name}.weight'], state[f'{name}.bias']

    def function(values: Tensor) -> Tensor:
        mean = values.mean(-1, keepdim=True)
        var = ((values - mean) ** 2).mean(-1, keepdim=True)
        return (values - mean) / (var + 1e-6) ** 0.5 * weight + bias

    return function


def linear(state: State, name: str) -> Callable[[Tensor], Tensor]:
    return lambda values: values @ state[f'{name}.weight'].T + state[f'{name}.bias']


def gelu(values: Tensor) -> Tensor:
    return values * 0.5 * (1 + torch.erf(values / math.sqrt(2)))


def convnext_block(state: State, name: str, x: Sparse) -> Sparse:
    y = sparse_conv(x, state[f'{name}.dwconv.kernel'], state[f'{name}.dwconv.bias'])
    y = y.each(layer_norm(state, f'{name}.norm.ln'))
    y = y.each(linear(state, f'{name}.pwconv1.linear')).each(gelu)
    if f'{name}.grn.gamma' in state:
        norm = (y.values**2).sum((0, 1, 2)).sqrt()  # over all cells of the batch
        scale = norm / (norm.mean() + 1e-6)
        gamma, beta = state[f'{name}.grn.gamma'][0], state[f'{name}.grn.beta'][0]
        y = y.each(lambda v: gamma * (v * scale) + beta + v)
    y = y.each(linear(state, f'{name}.pwconv2.linear'))
    return Sparse(x.values + y.values, x.mask)


def patch_stem(state: State, name: str, images: Tensor, stride: int) -> Tensor:
    x = F.conv2d(images, state[f'{name}.weight'], state[f'{name}.bias'], stride=stride)
    return x.permute(0, 2, 3, 1)


def cells(mask: Tensor, count: int) -> Tensor:
    return mask.repeat_interleave(count, 1).repeat_interleave(count, 2)


def convnext(state: State, images: Tensor, mask: Tensor, depths: list[int]) -> Tensor:
    stem = patch_stem(state, 'downsample_layers.0.0', images, 4)
    x = Sparse(stem, cells(mask, 8)).each(layer_norm(state, 'downsample_layers.0.1'))
    for i, depth in enumerate(depths):
        if i:
            down = f'downsample_layers.{i}'
            x = x.each(layer_norm(state, f'{down}.0.ln'))
            x = sparse_conv(x, state[f'{down}.1.kernel'], state[f'{down}.1.bias'], 2)
        for j in range(depth):
            x = convnext_block(state, f'stages.{i}.{j}', x)
        x = x.each(layer_norm(state, f'norm{i}.ln'))
    return x.values


def isotropic(state: State, images: Tensor, mask: Tensor, depth: int) -> Tensor:
    x = Sparse(patch_stem(state, 'stem', images, 16), mask)
    for j in range(depth):
        x = convnext_block(state, f'blocks.{j}', x)
    return x.each(layer_norm(state, 'norm.ln')).values


def resnet(state: State, images: Tensor, mask: Tensor, blocks: list[int]) -> Tensor:
    stem = patch_stem(state, 'stem.0', images, 4)
    x = Sparse(stem, cells(mask, 8)).each(layer_norm(state, 'stem.1'))
    for i, count in enumerate(blocks):
        for j in range(count):
            x = resnet_block(state, f'layer{i + 1}.{j}', x, 2 if i and not j else 1)
    return x.values


def resnet_block(state: State, name: str, x: Sparse, stride: int) -> Sparse:
    last = 3 if f'{name}.conv3.kernel' in state else 2
    strided = 2 if last == 3 else 1  # the 3x3 convolution of a bottleneck strides
    y = x
    for k in range(1, last + 1):
        step = stride if k == strided else 1
        y = sparse_conv(y, state[f'{name}.conv{k}.kernel'], None, step)
        y = y.each(layer_norm(state, f'{name}.norm{k}.ln'))
        y = y.each(gelu) if k < last else y
    if f'{name}.downsample.0.kernel' in state:
        x = sparse_conv(x, state[f'{name}.downsample.0.kernel'], None, stride)
        x = x.each(layer_norm(state, f'{name}.downsample.1.ln'))
    return Sparse(x.values + y.values, y.mask).each(gelu)


def decoder(state: State, latent: Tensor, mask: Tensor, depth: int) -> Tensor:
    """Dense decoder on a channels-last latent; returns [B, L, pixels]."""
    x = latent @ state['proj.weight'][:, :, 0, 0].T + state['proj.bias']
    token = state['mask_token'][:, :, 0, 0]
    x = torch.where(mask[..., None].bool(), x, token)
    for i in range(depth):
        name = f'decoder.{i}'
        weight, bias = state[f'{name}.dwconv.weight'], state[f'{name}.dwconv.bias']
        y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=3, groups=len(weight))
        y = layer_norm(state, f'{name}.norm')(y.permute(0, 2, 3, 1))
        y = gelu(linear(state, f'{name}.pwconv1')(y))
        norm = (y**2).sum((1, 2), keepdim=True).sqrt()  # of each image
        scale = norm / (norm.mean(-1, keepdim=True) + 1e-6)
        y = state[f'{name}.grn.gamma'] * (y * scale) + state[f'{name}.grn.beta'] + y
        x = x + linear(state, f'{name}.pwconv2')(y)
    pred = x @ state['pred.weight'][:, :, 0, 0].T + state['pred.bias']
    return pred.flatten(1, 2)
