"""What videomac's sparse engine is compared with, under videomac's own protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmpretrain.models import ConvNeXt, ResNet, SparseConvNeXt, SparseResNet
from mmpretrain.models.utils.sparse_modules import SparseHelper
from torch import Tensor, nn

from videomac.models.encoders import ReleasedResNet
from videomac.registry import MODELS
from videomac.sparse import Minkowski, PatchGrid, PatchSparse, SparseBackend

__all__ = ['ENCODERS', 'OURS', 'Contender', 'build', 'contenders']

OURS = 'videomac'


class SparKDense(SparseBackend):
    """mmpretrain's encoders of SparK: dense tensors, masked after every layer."""

    def sparsify(self, images: Tensor, grid: PatchGrid) -> Any:
        """Not used: the mask is handed to the layers through a global."""
        raise NotImplementedError

    def encode(self, encoder: nn.Module, images: Tensor, grid: PatchGrid) -> Tensor:
        """Latent of shape [B, C, h, w]."""
        visible = grid.visible[:, None]
        SparseHelper._cur_active = visible
        pixels = visible.repeat_interleave(grid.patch_size, 2)
        pixels = pixels.repeat_interleave(grid.patch_size, 3)
        return encoder(images * pixels)[-1]


class Dense(SparseBackend):
    """The stock network on whole images: nothing is masked."""

    def sparsify(self, images: Tensor, grid: PatchGrid) -> Any:
        """Not used."""
        raise NotImplementedError

    def encode(self, encoder: nn.Module, images: Tensor, grid: PatchGrid) -> Tensor:
        """Latent of shape [B, C, h, w]."""
        features: Any = encoder(images)
        return features[-1]


def _convnext(arch: str, grn: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    options = dict(arch=arch, use_grn=grn, layer_scale_init_value=0.0 if grn else 1e-6)
    return (
        dict(type=ConvNeXt, **options, gap_before_final_norm=False),
        dict(
            type=SparseConvNeXt, _scope_='mmpretrain', **options, gap_before_output=False
        ),
    )


def _resnet(depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
    norm = dict(type='SparseBatchNorm2d')
    return (
        dict(type=ResNet, depth=depth),
        dict(
            type=SparseResNet,
            _scope_='mmpretrain',
            depth=depth,
            out_indices=(3,),
            norm_cfg=norm,
        ),
    )


#: Config of each encoder and of mmpretrain's masked-dense version, if there is one.
ENCODERS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    'convnextv2-tiny': _convnext('tiny', grn=True),
    'convnextv2-small': _convnext('small', grn=True),
    'convnext-tiny': _convnext('tiny', grn=False),
    'resnet18': _resnet(18),
    'resnet50': _resnet(50),
    'released-resnet50': (dict(type=ReleasedResNet, depth=50), None),
}


@dataclass(frozen=True)
class Contender:
    """An encoder with what runs it."""

    encoder: dict[str, Any]
    sparse: type[SparseBackend]


def contenders(name: str, minkowski: bool) -> dict[str, Contender]:
    """Make the list of who takes part, ours first.

    Args:
        name: Key of :data:`ENCODERS`.
        minkowski: Whether MinkowskiEngine could take part, if it is installed.
    """
    stock, peer = ENCODERS[name]
    made = {OURS: Contender(stock, PatchSparse)}
    if peer is not None:
        made['mmpretrain, masked dense'] = Contender(peer, SparKDense)
    made['dense, nothing masked'] = Contender(stock, Dense)
    if minkowski:
        try:
            Minkowski()
        except ImportError:
            print('MinkowskiEngine is not installed (make minkowski) and takes no part')
        else:
            made['MinkowskiEngine'] = Contender(stock, Minkowski)
    return made


def build(config: dict[str, Any], weights: nn.Module | None = None) -> nn.Module:
    """Build an encoder, with the weights of another one if given.

    Raises:
        RuntimeError: If the other one lacks a weight.
    """
    network: nn.Module = MODELS.build(config)
    if weights is not None:
        missing, _ = network.load_state_dict(weights.state_dict(), strict=False)
        if missing:
            raise RuntimeError(f'weights that the other network lacks: {missing}')
    return network
