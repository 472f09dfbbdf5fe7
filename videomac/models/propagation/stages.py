"""Maps of chosen stages of a network that was built to return others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from logging import WARNING
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from ..encoders.released import ReleasedConvNeXt

__all__ = ['LastStage', 'choose_stages']


class LastStage(nn.Module):
    """A network that returns the map of its last stage alone, with the norm after it.

    Args:
        network: Any that returns maps, see :func:`choose_stages`, which changes it.

    Attributes:
        network: The network itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._maps = choose_stages(network, [-1], final_norm=True)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Compute the map.

        Args:
            images: Normalised, [B, 3, H, W].

        Returns:
            [B, C, h, w].

        Raises:
            ValueError: If the network returns no maps.
        """
        (features,) = self._maps(self.network, images)
        return features


def choose_stages(
    network: nn.Module, stages: Sequence[int], final_norm: bool
) -> Callable[[nn.Module, Tensor], list[Tensor]]:
    """Make a network return the maps of some stages.

    Networks of mmpretrain are changed: what they return, and stages after the last that
    is asked for are taken out where that is easy (ResNets, ConvNeXts).

    Args:
        network: Any that returns maps [B, C, h, w].
        stages: In the network's own counting from 0, or back from -1.
        final_norm: Whether a norm after the stage is applied, where there is one. Warns
            of networks whose norm cannot be left out.

    Returns:
        A function from the network and images [B, 3, H, W] to the maps, in the order of
        the network.

    Raises:
        ValueError: If the network has no such stage.
    """
    timm_model = getattr(network, 'timm_model', None)
    if hasattr(timm_model, 'forward_intermediates'):
        if final_norm:
            _norm_before_head(timm_model)
        return partial(_timm_maps, stages=list(stages), norm=final_norm)
    if hasattr(network, 'out_indices'):
        count = _stage_count(network)
        chosen = sorted({_from_zero(stage, count, network) for stage in stages})
        _return_stages(network, chosen, final_norm)
        return _all_maps
    if not final_norm:
        _warn_of_norm(network)
    return partial(_some_maps, stages=list(stages))


def _norm_before_head(timm_model: Any) -> None:
    """Bring a final norm that sits in the head, as of a ConvNeXt, before it.

    timm applies ``norm_pre`` to the last map when it is asked for norms, which does
    nothing where the head has the norm, behind its pooling. On maps it is mmpretrain's
    norm of the last stage: over the channels of each cell.
    """
    norm = getattr(getattr(timm_model, 'head', None), 'norm', None)
    place = getattr(timm_model, 'norm_pre', None)
    if norm is not None and isinstance(place, nn.Identity):
        timm_model.norm_pre = norm


def _warn_of_norm(network: nn.Module) -> None:
    """Say that a norm, if there is one after the stage, is not taken away."""
    print_log(
        f'final_norm=False does nothing to {type(network).__name__}: its maps are taken '
        'as it returns them, with a norm if it applies one',
        'current',
        WARNING,
    )


def _timm_maps(
    network: Any, images: Tensor, stages: list[int], norm: bool
) -> list[Tensor]:
    """Maps of timm's own counting, ViTs included."""
    return network.timm_model.forward_intermediates(
        images, indices=stages, norm=norm, output_fmt='NCHW', intermediates_only=True
    )


def _some_maps(network: nn.Module, images: Tensor, stages: list[int]) -> list[Tensor]:
    """Some of the maps that a network returns."""
    maps = _all_maps(network, images)
    chosen = sorted({_from_zero(stage, len(maps), network) for stage in stages})
    return [maps[stage] for stage in chosen]


def _all_maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What a network returns, checked."""
    out = network(images)
    maps = [out] if isinstance(out, Tensor) else list(out)
    for each in maps:
        if not isinstance(each, Tensor) or each.dim() != 4:
            got = tuple(each.shape) if isinstance(each, Tensor) else type(each)
            raise ValueError(
                f'{type(network).__name__} returns {got} and not maps [B, C, h, w]; a '
                "ViT of mmpretrain does with out_type='featmap'"
            )
    return maps


def _stage_count(network: Any) -> int:
    for name in ('num_stages', 'num_layers'):
        if isinstance(getattr(network, name, None), int):
            return int(getattr(network, name))
    # Networks that name no number return their last stage by default.
    return 1 + max(network.out_indices)


def _from_zero(stage: int, count: int, network: nn.Module) -> int:
    if not -count <= stage < count:
        raise ValueError(
            f'out_stage {stage}: {type(network).__name__} has {count} stages, 0 to '
            f'{count - 1}'
        )
    return stage % count


def _return_stages(network: Any, stages: list[int], final_norm: bool) -> None:
    """Change what a network of mmpretrain returns."""
    if isinstance(network, ReleasedConvNeXt):
        network.returned = tuple(stages)
        if not final_norm and len(stages) > 1:
            raise ValueError(
                'final_norm=False: ReleasedConvNeXt feeds the normed maps forward, so '
                'that only the last of several stages could be had without its norm'
            )
    else:
        network.out_indices = tuple(stages)
    if hasattr(network, 'gap_before_final_norm'):
        network.gap_before_final_norm = False
    if 'featmap' in getattr(network, 'OUT_TYPES', ()):
        network.out_type = 'featmap'  # of a ViT that was built to classify
    convnext = isinstance(getattr(network, 'downsample_layers', None), nn.ModuleList)
    if hasattr(network, 'final_norm') and not final_norm:
        network.final_norm = False  # of a ViT
    elif not (final_norm or convnext or hasattr(network, 'res_layers')):
        _warn_of_norm(network)
    if convnext:
        for stage in stages:
            # A stage that was not returned in training has no norm.
            if not (final_norm and hasattr(network, f'norm{stage}')):
                setattr(network, f'norm{stage}', nn.Identity())
    _cut_after(network, max(stages))


def _cut_after(network: Any, last: int) -> None:
    """Take out the stages that are not needed."""
    if hasattr(network, 'res_layers'):
        for name in network.res_layers[last + 1 :]:
            setattr(network, name, nn.Identity())
    elif isinstance(getattr(network, 'downsample_layers', None), nn.ModuleList):
        for stage in range(last + 1, len(network.stages)):
            network.downsample_layers[stage] = nn.Identity()
            network.stages[stage] = nn.Identity()
            if hasattr(network, f'norm{stage}'):
                setattr(network, f'norm{stage}', nn.Identity())
