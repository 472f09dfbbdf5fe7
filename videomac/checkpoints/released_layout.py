"""Parameter layout of checkpoints of the released VideoMAC code.

Facts of the layout: sparse kernels are stored as [K, C_in, C_out] ([K, C] when
depthwise, [C_in, C_out] for 1x1) with the first spatial offset running fastest, biases as
[1, C], norms below ``ln``, linears below ``linear``, GRN as [1, C].
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ['convert_kernel', 'convert_released']

_RENAMED = (
    (r'\.(ln|linear)\.', '.'),
    (r'\bdwconv\b', 'depthwise_conv'),
    (r'\bpwconv([12])\b', r'pointwise_conv\1'),
    (r'\bkernel$', 'weight'),
    # ResNet: mmcv names the norms of a block after their kind.
    (r'^(encoder\.layer\d+\.\d+)\.norm(\d)', r'\1.ln\2'),
    # Isotropic: one stage of ConvNeXt.
    (r'^encoder\.stem\.(weight|bias)$', r'encoder.downsample_layers.0.0.\1'),
    (r'^encoder\.blocks\.', 'encoder.stages.0.'),
    (r'^encoder\.norm\.', 'encoder.norm0.'),
    # The decoder is one module here.
    (r'^decoder\.(\d+)\.', r'decoder.blocks.\1.'),
    (r'^(proj|pred)\.', r'decoder.\1.'),
    (r'^mask_token$', 'decoder.mask_token'),
)


def convert_kernel(kernel: Tensor, depthwise: bool) -> Tensor:
    """Turn a sparse kernel into the weight of a dense convolution.

    Args:
        kernel: [K, C_in, C_out], [K, C] (depthwise) or [C_in, C_out] (1x1).
        depthwise: Whether the convolution is depthwise.

    Returns:
        [C_out, C_in, k, k], or [C, 1, k, k] when depthwise.

    Raises:
        ValueError: If the number of offsets K is no square.
    """
    if kernel.dim() == 2 and not depthwise:
        return kernel.T[:, :, None, None]
    side = math.isqrt(kernel.shape[0])
    if side * side != kernel.shape[0]:
        raise ValueError(f'a kernel of {kernel.shape[0]} offsets is not square')
    if depthwise:
        return kernel.reshape(side, side, -1).permute(2, 1, 0)[:, None]
    return kernel.reshape(side, side, *kernel.shape[1:]).permute(3, 2, 1, 0)


def _convert_network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    converted = {}
    for name, value in state.items():
        plain = name.removeprefix('module.')
        new = plain
        for pattern, replacement in _RENAMED:
            new = re.sub(pattern, replacement, new)
        if plain.endswith('kernel'):
            value = convert_kernel(value, depthwise='dwconv' in plain)
        elif plain != 'mask_token' and re.search(r'(bias|gamma|beta)$', plain):
            value = value.flatten()
        converted[new] = value.contiguous()
    return converted


def convert_released(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Turn a released checkpoint into a state dict of :class:`VideoMAC`.

    Args:
        checkpoint: The file's content, with ``online_without_ddp`` and possibly
            ``target_without_ddp``, or the state dict of one network.

    Returns:
        State dict for a model with a released or isotropic encoder; the target's part is
        there if the checkpoint has one. Load it with ``strict=True``.
    """
    online = checkpoint.get('online_without_ddp', checkpoint)
    state = _convert_network(online)
    if 'target_without_ddp' in checkpoint:
        target = _convert_network(checkpoint['target_without_ddp'])
        state |= {f'target.{name}': value for name, value in target.items()}
    return state
