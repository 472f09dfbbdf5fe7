"""Convolution and pooling of MinkowskiMap with MinkowskiEngine's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Window, check_kernel, check_pooling, plan_padding
from ..sparse_map import Handler, UnsupportedOperationError
from .engine import load_engine
from .minkowski_map import MinkowskiMap, implements
from .sites import Sites

__all__ = ['avg_pool2d', 'conv2d', 'max_pool2d', 'pad']


@implements('conv2d')
def conv2d(
    func: Handler,
    x: MinkowskiMap,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> MinkowskiMap:
    """Convolve with MinkowskiEngine's kernels and a dense weight.

    1x1 kernels are a matrix product, as in MinkowskiEngine; depthwise kernels its
    channelwise convolution; other groups one convolution each.

    Raises:
        UnsupportedOperationError: If its cells are not those of a dense convolution.
    """
    x.require_layout('conv2d', channels_last=False)
    check_kernel(x, weight, groups)
    view = Window.make(weight.shape[2:], stride, padding, dilation).over(x)
    view.output_cells(x, 'conv2d')
    if view.kernel == view.stride == (1, 1) and groups == 1:
        return x.like(F.linear(x.data, weight.flatten(1), bias))
    kernel = _centred(_computable(weight), view)
    size = (kernel.shape[2], kernel.shape[3])
    # [out, in, rows, columns] -> [columns * rows, in, out]: rows run fastest.
    kernel = kernel.permute(3, 2, 1, 0).flatten(0, 1)
    values, sites = _computable(x.data), x.sites.strided(view.stride)
    run = partial(_convolve, sites=x.sites, out=sites, generator=_generator(view, size))
    if groups == 1:
        out = run(values, kernel)
    elif groups == x.channels == kernel.shape[2]:
        out = _convolve_channels(values, kernel[:, 0], x.sites, _generator(view, size))
    else:
        pairs = zip(values.chunk(groups, 1), kernel.chunk(groups, 2), strict=True)
        out = torch.cat([run(*pair) for pair in pairs], 1)
    if bias is not None:
        out = out + bias
    return x.moved(out.to(x.dtype), sites)


def _computable(values: Tensor) -> Tensor:
    """Bring half precision, for which MinkowskiEngine has no kernels, to single."""
    return values.float() if values.dtype in (torch.half, torch.bfloat16) else values


def _centred(weight: Tensor, view: Window) -> Tensor:
    """Give a kernel the place that MinkowskiEngine knows, by taps that are zero.

    Its odd kernels lie around the cell, its even ones begin at it.
    """
    pads: list[int] = []
    for axis in (1, 0):  # F.pad begins with the last dimension
        taps, step, before = view.kernel[axis], view.dilation[axis], view.padding[axis]
        if before % step:
            raise UnsupportedOperationError(
                f'conv2d with padding {view.padding} and dilation {view.dilation} has no '
                'tap on its own cell, which MinkowskiEngine cannot express. Use '
                "sparse=dict(type='PatchSparse')."
            )
        first = before // step
        last = taps - 1 - first
        reach = 0 if taps % 2 == 0 and first == 0 else max(first, last)
        pads += [reach - first, reach - last] if reach else [0, 0]
    return F.pad(weight, pads) if any(pads) else weight


def _generator(view: Window, size: tuple[int, int]) -> Any:
    """Make MinkowskiEngine's description of a window."""
    return load_engine().KernelGenerator(
        list(size), list(view.stride), list(view.dilation), dimension=2
    )


def _convolve(
    values: Tensor, kernel: Tensor, sites: Sites, out: Sites, generator: Any
) -> Tensor:
    """Convolve rows [M, in] with a kernel [taps, in, out]."""
    from MinkowskiEngineBackend._C import ConvolutionMode

    return load_engine().MinkowskiConvolutionFunction.apply(
        values,
        kernel.contiguous(),
        generator,
        ConvolutionMode.DEFAULT,
        sites.key,
        out.key,
        sites.manager,
    )


def _convolve_channels(
    values: Tensor, kernel: Tensor, sites: Sites, generator: Any
) -> Tensor:
    """Convolve rows [M, C] with a kernel [taps, C], each channel alone.

    MinkowskiEngine has no function for it, only a module that owns its weight. Its
    forward method is given what it reads, so that the loop is MinkowskiEngine's own.
    """
    engine = load_engine()
    module = SimpleNamespace(
        kernel=kernel,
        bias=None,
        kernel_generator=generator,
        in_channels=values.shape[1],
        dimension=2,
    )
    x = engine.SparseTensor(
        values, coordinate_map_key=sites.key, coordinate_manager=sites.manager
    )
    return engine.MinkowskiChannelwiseConvolution.forward(module, x).F


@implements('pad')
def pad(
    func: Handler,
    x: MinkowskiMap,
    pad: Sequence[int],
    mode: str = 'constant',
    value: float | None = None,
) -> MinkowskiMap:
    """Pad channels at once, and rows and columns with zeros for the next convolution."""
    padding, channels = plan_padding(x, pad, mode, value)
    if not padding.fills_with(0.0):
        raise UnsupportedOperationError(
            f'pad in mode {mode!r} with {value}: MinkowskiEngine knows no cells around a '
            "map but absent ones. Use sparse=dict(type='PatchSparse')."
        )
    out = x.like(F.pad(x.data, channels, value=value) if any(channels) else x.data)
    out.padding = padding
    return out


@implements('max_pool2d')
def max_pool2d(
    func: Handler,
    x: MinkowskiMap,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> MinkowskiMap:
    """Maximum over the visible cells of each window."""
    check_pooling(x, 'max_pool2d', return_indices=return_indices)
    view = Window.make(kernel_size, stride or kernel_size, padding, dilation)
    return _pool(x, view.rounded_up(x) if ceil_mode else view, 'max_pool2d')


@implements('avg_pool2d')
def avg_pool2d(
    func: Handler,
    x: MinkowskiMap,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> MinkowskiMap:
    """Average over the visible cells of each window."""
    check_pooling(x, 'avg_pool2d', divisor_override=divisor_override)
    view = Window.make(kernel_size, stride or kernel_size, padding)
    if count_include_pad and view.padding != (0, 0):
        raise UnsupportedOperationError(
            'avg_pool2d with count_include_pad=True counts cells outside the map, which '
            "MinkowskiEngine cannot. Use sparse=dict(type='PatchSparse')."
        )
    return _pool(x, view.rounded_up(x) if ceil_mode else view, 'avg_pool2d')


def _pool(x: MinkowskiMap, view: Window, operation: str) -> MinkowskiMap:
    if x.padding:
        raise UnsupportedOperationError(
            f'{operation} of a map padded by {x.padding.amounts}: the zeros would take '
            "part, which MinkowskiEngine cannot. Use sparse=dict(type='PatchSparse')."
        )
    view.output_cells(x, operation)
    for taps, step, pad in zip(view.kernel, view.dilation, view.padding, strict=True):
        if pad != (step * (taps - 1) // 2 if taps % 2 else 0):
            raise UnsupportedOperationError(
                f'{operation} with kernel {view.kernel}, padding {view.padding} and '
                f'dilation {view.dilation}: MinkowskiEngine pools around the cell with '
                'an odd kernel and from it onwards with an even one, nothing else. Use '
                "sparse=dict(type='PatchSparse')."
            )
    engine, sites = load_engine(), x.sites.strided(view.stride)
    modes = engine.PoolingMode
    out = engine.MinkowskiLocalPoolingFunction.apply(
        _computable(x.data),
        modes.LOCAL_MAX_POOLING if operation == 'max_pool2d' else modes.LOCAL_AVG_POOLING,
        _generator(view, view.kernel),
        x.sites.key,
        sites.key,
        x.sites.manager,
    )
    return x.moved(out.to(x.dtype), sites)
