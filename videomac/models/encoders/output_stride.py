"""Stock ConvNets at another output stride, with the same parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from ...sparse.geometry import as_pair
from .dilated_pool import DilatedAvgPool2d, Pair

__all__ = ['build_with_output_stride', 'set_output_stride']

#: Side in pixels of the trial image: four cells at a stride of 64.
TRIAL_SIZE = 256
CHANGEABLE = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, DilatedAvgPool2d)


@MODELS.register_module('OutputStride')
def build_with_output_stride(
    encoder: Mapping[str, Any], stride: int, dilate: bool = True
) -> nn.Module:
    """Build an encoder and bring it to an output stride, for configs.

    What is built is the encoder itself, not a wrapper: its class and the names of its
    parameters are those of the stock network.

    Args:
        encoder: Config of the encoder.
        stride: Its new output stride in pixels.
        dilate: See :func:`set_output_stride`.

    Raises:
        ValueError: See :func:`set_output_stride`.
    """
    network: nn.Module = MODELS.build(dict(encoder))
    set_output_stride(network, stride, dilate)
    return network


def set_output_stride(network: nn.Module, stride: int, dilate: bool = True) -> None:
    """Bring a ConvNet to a smaller output stride, in place.

    Convolutions and poolings that would go beyond the stride lose their own stride. With
    ``dilate``, they and all that follow are dilated so that each reads the cells that it
    read before (Chen et al., DeepLab, 2018): in eval mode the new map, taken at every
    ``native / stride``-th cell, equals the native one, up to layers that look at the
    whole map (GRN, squeeze-excite). Without it kernels keep their size in cells, and so
    see less of the image (Jabri et al., 2020, for label propagation).

    Which layers these are is measured, by running a copy without data on an image, and
    not read off attributes, so that parallel branches (shortcuts) are treated alike. A
    network whose stride was changed before is changed further: two steps down give what
    one gives.

    Args:
        network: Made of torch's ``Conv2d``, ``MaxPool2d`` and ``AvgPool2d`` (or
            sub-classes) where it looks around or shrinks its maps.
        stride: New output stride in pixels.
        dilate: Whether kernels are dilated.

    Raises:
        ValueError: The network cannot have this stride, or a layer cannot be changed;
            the network is then as it was.
    """
    if not isinstance(stride, int) or stride < 1:
        raise ValueError(f'stride must be a positive int, got {stride!r}')
    trial = copy.deepcopy(network).to('meta')
    plan = _plan(trial, stride, dilate)
    if plan:
        _apply(trial, plan)
        _check(trial, stride)
        _apply(network, plan)


@dataclass(frozen=True)
class _Layer:
    """A layer as it was met: its sides of the map in cells, before and after."""

    name: str
    module: nn.Module
    before: int
    after: int

    def __str__(self) -> str:
        return f'{self.name!r} ({type(self.module).__name__})'

    @property
    def looks_around(self) -> bool:
        """Whether it reads more than one cell, or passes over some."""
        sides = (getattr(self.module, name, 1) for name in ('kernel_size', 'stride'))
        return any(side is not None and max(as_pair(side)) > 1 for side in sides)

    @property
    def strides(self) -> tuple[int, int]:
        """Pixels from cell to cell, before and after.

        Raises:
            ValueError: They are no whole numbers.
        """
        if TRIAL_SIZE % self.before or TRIAL_SIZE % self.after:
            raise ValueError(
                f'the layer {self} turns {self.before} into {self.after} cells when the '
                f'image has {TRIAL_SIZE} pixels, so there is no whole stride. The '
                'padding of the layers must keep the size of the map.'
            )
        return TRIAL_SIZE // self.before, TRIAL_SIZE // self.after


def _measure(network: nn.Module) -> list[_Layer]:
    """Run a network without data and write down its innermost layers, in order."""
    layers: list[_Layer] = []
    given: list[tuple[Any, ...]] = []

    def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
        given.append(args)

    def leave(name: str) -> Any:
        def hook(module: nn.Module, padded: tuple[Any, ...], out: Any) -> None:
            args = given.pop()
            if args and all(
                isinstance(x, Tensor) and x.dim() == 4 for x in (args[0], out)
            ):
                # The last but one is a side both in [B, C, H, W] and in [B, H, W, C].
                layers.append(_Layer(name, module, args[0].shape[-2], out.shape[-2]))

        return hook

    for name, module in network.named_modules():
        if not any(module.children()):
            module.register_forward_pre_hook(enter, prepend=True)  # before its _Pad
            module.register_forward_hook(leave(name))
    network.eval()
    kind = next(network.parameters(), torch.empty(0, device='meta'))
    with torch.no_grad():
        network(kind.new_zeros(1, 3, TRIAL_SIZE, TRIAL_SIZE))
    return layers


def _plan(network: nn.Module, stride: int, dilate: bool) -> dict[str, int]:
    """Find the layers to change and the factor by which each is to be dilated.

    Raises:
        ValueError: It cannot be done.
    """
    layers = [layer for layer in _measure(network) if layer.looks_around]
    steps = {1, *(layer.strides[1] for layer in layers)}
    if stride not in steps:
        raise ValueError(
            f'{type(network).__name__} cannot have the output stride {stride}: it has '
            f'{max(steps)}, and on the way there {sorted(steps - {max(steps)})}'
        )
    plan: dict[str, int] = {}
    for layer in layers:
        before, after = layer.strides
        dilation = before // stride if dilate else 1
        if after <= stride or (before == after and dilation == 1):
            continue
        if before < stride:
            raise ValueError(
                f'the layer {layer} goes from the stride {before} to {after}, '
                f'past {stride}'
            )
        if plan.setdefault(layer.name, dilation) != dilation:
            raise ValueError(f'the layer {layer} is used at several strides')
        _check_changeable(layer)
    return plan


def _check_changeable(layer: _Layer) -> None:
    """Check that a layer is one that :func:`_apply` knows how to change.

    Raises:
        ValueError: It is not.
    """
    module, reason = layer.module, None
    if not isinstance(module, CHANGEABLE):
        reason = 'only Conv2d, MaxPool2d and AvgPool2d can be changed'
    elif any(word in type(module).__name__ for word in ('Same', 'AdaptivePadding')):
        reason = (
            'its padding depends on the size of the map. Take the variant with fixed '
            "padding (in timm, the name without 'tf_')"
        )
    elif getattr(module, 'padding_mode', 'zeros') != 'zeros':
        reason = f'its padding_mode is {module.padding_mode!r}'
    elif getattr(module, 'divisor_override', None) or getattr(
        module, 'return_indices', False
    ):
        reason = 'its divisor_override or return_indices is set'
    if reason is not None:
        raise ValueError(f'the stride of {layer} cannot be changed: {reason}')


def _check(network: nn.Module, stride: int) -> None:
    """Check that the changed network runs and that nothing goes beyond the stride.

    Raises:
        ValueError: It does not, or something does.
    """
    name = type(network).__name__
    try:
        layers = _measure(network)
    except RuntimeError as error:
        raise ValueError(
            f'{name} does not run at the output stride {stride}, since something other '
            f'than Conv2d, MaxPool2d and AvgPool2d changes the size of its maps: {error}'
        ) from error
    for layer in layers:
        # A side of one cell comes from pooling over the whole map.
        if TRIAL_SIZE // layer.before == stride and 1 < layer.after < layer.before:
            raise ValueError(
                f'{name} cannot have the output stride {stride}: {layer} shrinks the '
                'map, and only Conv2d, MaxPool2d and AvgPool2d can be changed'
            )


class _Pad:
    """Pads what a layer is given; a forward pre-hook that can be copied and saved."""

    def __init__(self, start: Pair, end: Pair, value: float) -> None:
        self.pad = (start[1], end[1], start[0], end[0])
        self.value = value

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (F.pad(args[0], self.pad, value=self.value), *args[1:])


def _apply(network: nn.Module, plan: Mapping[str, int]) -> None:
    """Take the strides of layers away and dilate them by the factors."""
    for name, factor in plan.items():
        module: Any = network.get_submodule(name)
        if isinstance(module, DilatedAvgPool2d):  # of an earlier change
            module.spread(factor)
            continue
        kernel, own = as_pair(module.kernel_size), as_pair(getattr(module, 'dilation', 1))
        dilation = (factor * own[0], factor * own[1])
        # Cell i of the native map read a * own - padding from i * stride on.
        total = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        lead = _take_padding(module, kernel, own)
        start = (factor * lead[0], factor * lead[1])
        end = (total[0] - start[0], total[1] - start[1])
        if isinstance(module, nn.AvgPool2d) and (factor > 1 or start != end):
            counted = module.count_include_pad and max(lead) > 0
            parent, _, child = name.rpartition('.')
            pool = DilatedAvgPool2d(kernel, lead, dilation, counted)
            pool.to(next(network.parameters(), torch.empty(0)).device)
            setattr(network.get_submodule(parent), child, pool)
            continue
        module.stride = 1 if isinstance(module.stride, int) else (1, 1)
        if not isinstance(module, nn.AvgPool2d):
            module.dilation = dilation
        _set_padding(module, start, end)


def _take_padding(module: Any, kernel: Pair, dilation: Pair) -> Pair:
    """Cells that a layer pads above and to the left; takes the hook for them away."""
    if module.padding == 'same':
        rows, cols = (d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
        return rows, cols
    rows, cols = as_pair(module.padding)
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, _Pad):
            rows, cols = rows + hook.pad[2], cols + hook.pad[0]
            del module._forward_pre_hooks[key]
    return rows, cols


def _set_padding(module: Any, start: Pair, end: Pair) -> None:
    """Pad by so many cells above and to the left, and below and to the right."""
    if hasattr(module, 'ceil_mode'):
        module.ceil_mode = False  # which is about the last window of a stride
    pools = isinstance(module, nn.MaxPool2d)
    # torch wants the padding of a pooling to be half a kernel, even of a dilated one.
    fits = not pools or max(start) <= min(as_pair(module.kernel_size)) // 2
    if start == end and fits:
        module.padding = start
    elif not pools and all(e - s in (0, 1) for s, e in zip(start, end, strict=True)):
        module.padding = 'same'  # which puts an odd cell at the end
    else:
        module.padding = (0, 0)
        value = float('-inf') if pools else 0.0
        module.register_forward_pre_hook(_Pad(start, end, value))
