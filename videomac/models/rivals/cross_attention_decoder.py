"""The decoder of SiamMAE: masked patches ask another frame what is there."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn

from ...registry import MODELS
from ...sparse import PatchGrid
from .token_decoder import EPS, MLP_RATIO, TokenDecoder

__all__ = ['CrossAttentionDecoder', 'CrossSelfBlock']


class CrossSelfBlock(BaseModule):
    """Cross-attention to another sequence, then a ViT block (self-attention and MLP).

    All with the norm before them and a residual connection.

    Args:
        dim: Channels.
        num_heads: Heads of both attentions.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.cross_norm = nn.LayerNorm(dim, eps=EPS)
        self.cross_attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.block = TransformerEncoderLayer(
            dim, num_heads, MLP_RATIO * dim, norm_cfg=dict(type='LN', eps=EPS)
        )

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: The sequence that is worked on, shape [B, N, dim].
            memory: The sequence that is looked at, shape [B, M, dim].

        Returns:
            Shape [B, N, dim].
        """
        query = self.cross_norm(x)
        found, _ = self.cross_attn(query, memory, memory, need_weights=False)
        return self.block(x + found)


@MODELS.register_module()
class CrossAttentionDecoder(TokenDecoder):
    """Cross-self decoder (SiamMAE, section 3).

    As :class:`TokenDecoder`, but every block looks at the tokens of another frame
    first. These go through the same projection; their positions are those that the
    encoder gave them.

    Args:
        in_channels: Channels of the encoder's tokens; the algorithm fills it in.
        patch_size: Side of a patch in pixels; the algorithm fills it in.
        dim: Width of the decoder, a multiple of 4.
        depth: Number of blocks, at least 1.
        num_heads: Heads of the attentions; they divide ``dim``.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If depth, width or heads are out of range.
    """

    def __init__(
        self,
        in_channels: int,
        patch_size: int = 16,
        dim: int = 256,
        depth: int = 4,
        num_heads: int = 8,
        init_cfg: dict[str, object] | list[dict[str, object]] | None = None,
    ) -> None:
        super().__init__(in_channels, patch_size, dim, depth, num_heads, init_cfg)

    def make_block(self, dim: int, num_heads: int) -> nn.Module:
        """Make one of the blocks."""
        return CrossSelfBlock(dim, num_heads)

    def forward(  # type: ignore[override]
        self, tokens: Tensor, grid: PatchGrid, memory: Tensor
    ) -> Tensor:
        """Predict the pixels of every patch of a frame.

        Args:
            tokens: Class token and visible patches of the frame,
                shape [B, 1 + N, in_channels].
            grid: Its visible patches.
            memory: All tokens of the other frame, shape [B, 1 + L, in_channels].

        Returns:
            Shape [B, L, 3 * patch_size²], in the order (row, column, channel).
        """
        x, seen = self.fill(tokens, grid), self.embed(memory)
        for block in self.blocks:
            x = block(x, seen)
        return self.pred(self.norm(x[:, 1:]))
