"""The isotropic ConvNeXt V2 of Table 2."""

from __future__ import annotations

from typing import Any

from mmpretrain.models import ConvNeXt
from torch import nn

from ...registry import MODELS
from .released import use_batch_grn

__all__ = ['IsotropicConvNeXt']


@MODELS.register_module()
class IsotropicConvNeXt(ConvNeXt):
    """ConvNeXt V2 blocks of one width at one resolution (CNXv2-S† in Table 2).

    A stem that cuts the image into patches, the blocks, one final norm. Parameters are
    named as in :class:`mmpretrain.models.ConvNeXt` with a single stage.

    Args:
        depth: Number of blocks.
        dim: Width.
        stem_patch_size: Kernel and stride of the stem in pixels.
        drop_path_rate: Stochastic depth rate.
        batch_grn: Whether GRN on sparse maps sums over the whole batch; see
            :class:`ReleasedConvNeXt`.
        with_cp: Whether blocks are checkpointed to save memory.
        init_cfg: Initialisation; mmpretrain's for ConvNeXt by default.
    """

    def __init__(
        self,
        depth: int = 18,
        dim: int = 384,
        stem_patch_size: int = 16,
        drop_path_rate: float = 0.0,
        batch_grn: bool = False,
        with_cp: bool = False,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(
            arch=dict(depths=[depth], channels=[dim]),
            stem_patch_size=stem_patch_size,
            use_grn=True,
            layer_scale_init_value=0.0,
            drop_path_rate=drop_path_rate,
            out_indices=(0,),
            gap_before_final_norm=False,
            with_cp=with_cp,
            **(dict(init_cfg=init_cfg) if init_cfg is not None else {}),
        )
        # The stock stem ends in a norm, which this network does not have.
        self.downsample_layers[0] = nn.Sequential(self.downsample_layers[0][0])
        if batch_grn:
            use_batch_grn(self)
