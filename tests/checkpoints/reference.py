"""What the tensors of the original layouts mean, in dense float64."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.checkpoints.layouts import DEPTHS, HEADS, LAYERS, PATCH, name_of

State = dict[str, Tensor]


def layer_norm(
    x: Tensor, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0
) -> Tensor:
    """Normalise the last dimension."""
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / (var + 1e-6).sqrt() * weight + bias


def gelu(x: Tensor) -> Tensor:
    """GELU with the error function."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def patches(x: Tensor, state: State, name: str, size: int) -> Tensor:
    """Multiply square patches of [B, H, W, C] with a kernel [C_out, C, k, k]."""
    batch, height, width, _ = x.shape
    cut = x.reshape(batch, height // size, size, width // size, size, -1)
    product = torch.einsum('bhiwjc,ocij->bhwo', cut, state[f'{name}.weight'])
    return product + state[f'{name}.bias']


def depthwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Correlate each channel of [B, H, W, C] with its 7x7 kernel [C, 1, 7, 7]."""
    height, width = x.shape[1:3]
    padded = F.pad(x, (0, 0, 3, 3, 3, 3))
    out = torch.zeros_like(x)
    for dy in range(7):
        for dx in range(7):
            shifted = padded[:, dy : dy + height, dx : dx + width]
            out = out + shifted * weight[:, 0, dy, dx]
    return out + bias


def normed(x: Tensor, state: State, name: str) -> Tensor:
    """Layer norm with the parameters of a name."""
    return layer_norm(x, state[f'{name}.weight'], state[f'{name}.bias'])


def linear(x: Tensor, state: State, name: str) -> Tensor:
    """Linear layer; a 1x1 convolution is one too."""
    return x @ state[f'{name}.weight'].flatten(1).T + state[f'{name}.bias']


def respond(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """GRN, ConvNeXt V2, Algorithm 1."""
    norm = (x**2).sum((1, 2), keepdim=True).sqrt()
    relative = norm / (norm.mean(-1, keepdim=True) + 1e-6)
    return scale.flatten() * (x * relative) + shift.flatten() + x


def convnext(state: State, table: dict[str, str], images: Tensor, last: bool) -> Tensor:
    """Features [B, C, h, w] of ConvNeXt in one of the dense layouts."""
    x = images.permute(0, 2, 3, 1)
    for i, depth in enumerate(DEPTHS):
        if i == 0:
            x = patches(x, state, table['stem'], 4)
            x = normed(x, state, table['stem_norm'])
        else:
            x = normed(x, state, name_of(table, 'down_norm', i))
            x = patches(x, state, name_of(table, 'down', i), 2)
        for j in range(depth):
            name = name_of(table, 'dw', i, j)
            y = depthwise(x, state[f'{name}.weight'], state[f'{name}.bias'])
            y = normed(y, state, name_of(table, 'norm', i, j))
            y = gelu(linear(y, state, name_of(table, 'fc1', i, j)))
            if 'grn_scale' in table and name_of(table, 'grn_scale', i, j) in state:
                scale = state[name_of(table, 'grn_scale', i, j)]
                y = respond(y, scale, state[name_of(table, 'grn_shift', i, j)])
            y = linear(y, state, name_of(table, 'fc2', i, j))
            name = name_of(table, 'layer_scale', i, j)
            x = x + (y * state[name].flatten() if name in state else y)
    x = normed(x, state, table['last']) if last else layer_norm(x)
    return x.permute(0, 3, 1, 2)


def fcmae(state: State, images: Tensor) -> Tensor:
    """Features of FCMAE's sparse encoder on whole images, then a norm as it starts.

    Offsets of the kernels run down the columns first.
    """
    x = images.permute(0, 2, 3, 1)
    for i, depth in enumerate(DEPTHS):
        down = f'encoder.downsample_layers.{i}'
        if i == 0:
            x = normed(patches(x, state, f'{down}.0', 4), state, f'{down}.1')
        else:
            x = normed(x, state, f'{down}.0.ln')
            kernel = state[f'{down}.1.kernel']
            corners = [x[:, k % 2 :: 2, k // 2 :: 2] @ kernel[k] for k in range(4)]
            x = sum(corners, state[f'{down}.1.bias'][0])
        for j in range(depth):
            block = f'encoder.stages.{i}.{j}'
            kernel = state[f'{block}.dwconv.kernel']
            dense = torch.zeros(kernel.shape[1], 1, 7, 7, dtype=kernel.dtype)
            for k in range(49):
                dense[:, 0, k % 7, k // 7] = kernel[k]
            y = depthwise(x, dense, state[f'{block}.dwconv.bias'][0])
            y = normed(y, state, f'{block}.norm.ln')
            y = gelu(linear(y, state, f'{block}.pwconv1.linear'))
            y = respond(y, state[f'{block}.grn.gamma'], state[f'{block}.grn.beta'])
            x = x + linear(y, state, f'{block}.pwconv2.linear')
    return layer_norm(x).permute(0, 3, 1, 2)


def tubelets(state: State, name: str, clip: Tensor) -> Tensor:
    """Embed cubes of a clip [B, 3, T, H, W]: tokens [B, N, C] in order of t, y, x."""
    weight = state[f'{name}.weight']
    batch, _, frames, height, width = clip.shape
    t, p = weight.shape[2], PATCH
    cut = clip.reshape(batch, 3, frames // t, t, height // p, p, width // p, p)
    tokens = torch.einsum('bctshiwj,ocsij->bthwo', cut, weight)
    return tokens.flatten(1, 3) + state[f'{name}.bias']


def attention(x: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend, head by head."""
    size = query.shape[-1] // HEADS
    outs = []
    for head in range(HEADS):
        q, k, v = (
            each[..., head * size : (head + 1) * size] for each in (query, key, value)
        )
        weights = (q @ k.transpose(1, 2) / math.sqrt(size)).softmax(-1)
        outs.append(weights @ v)
    return torch.cat(outs, -1)


def transformer(state: State, x: Tensor, prefix: str = '') -> Tensor:
    """Blocks and last norm, with queries, keys and values joint or apart."""
    for i in range(LAYERS):
        block = f'{prefix}blocks.{i}'
        y = normed(x, state, f'{block}.norm1')
        if f'{block}.attn.q.weight' in state:
            parts = [linear(y, state, f'{block}.attn.{part}') for part in 'qkv']
        else:
            parts = list((y @ state[f'{block}.attn.qkv.weight'].T).chunk(3, -1))
            if f'{block}.attn.q_bias' in state:
                parts[0] = parts[0] + state[f'{block}.attn.q_bias']
                parts[2] = parts[2] + state[f'{block}.attn.v_bias']
            else:
                biases = state[f'{block}.attn.qkv.bias'].chunk(3)
                parts = [part + bias for part, bias in zip(parts, biases, strict=True)]
        x = x + linear(attention(x, *parts), state, f'{block}.attn.proj')
        y = normed(x, state, f'{block}.norm2')
        y = linear(gelu(linear(y, state, f'{block}.mlp.fc1')), state, f'{block}.mlp.fc2')
        x = x + y
    return normed(x, state, f'{prefix}norm')


def as_map(tokens: Tensor, images: Tensor) -> Tensor:
    """Arrange tokens [B, N, C] as a map [B, C, h, w]."""
    height, width = (size // PATCH for size in images.shape[-2:])
    return tokens.transpose(1, 2).unflatten(2, (height, width))


def mae(state: State, images: Tensor) -> Tensor:
    """MAE and DINO: the class token comes first."""
    x = patches(images.permute(0, 2, 3, 1), state, 'patch_embed.proj', PATCH).flatten(
        1, 2
    )
    x = torch.cat((state['cls_token'].expand(len(x), -1, -1), x), 1) + state['pos_embed']
    return as_map(transformer(state, x)[:, 1:], images)


def dropmae(state: State, images: Tensor) -> Tensor:
    """DropMAE on a single frame, the one it calls x."""
    x = patches(images.permute(0, 2, 3, 1), state, 'patch_embed.proj', PATCH).flatten(
        1, 2
    )
    x = x + state['temporal_pos_embed_x'] + state['pos_embed'][:, 1:]
    return as_map(transformer(state, x), images)


def mae_st(state: State, images: Tensor) -> Tensor:
    """MAE-ST on a clip of two equal frames at the beginning."""
    x = tubelets(state, 'patch_embed.proj', torch.stack([images] * 2, 2))
    x = x + state['pos_embed_spatial'] + state['pos_embed_temporal'][:, :1]
    first = state['cls_token'] + state['pos_embed_class']
    x = torch.cat((first.expand(len(x), -1, -1), x), 1)
    return as_map(transformer(state, x)[:, 1:], images)


def videomae(state: State, images: Tensor) -> Tensor:
    """VideoMAE on a clip of two equal frames at the beginning."""
    x = tubelets(state, 'encoder.patch_embed.proj', torch.stack([images] * 2, 2))
    count, width = x.shape[1:]
    table = torch.zeros(count, width, dtype=torch.float64)
    for n in range(count):
        for j in range(width):
            angle = n / 10000 ** (2 * (j // 2) / width)
            table[n, j] = math.cos(angle) if j % 2 else math.sin(angle)
    return as_map(transformer(state, x + table, 'encoder.'), images)
