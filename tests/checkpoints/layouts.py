"""State dicts in the key layouts of other projects, tiny and random, in float64.

Names and shapes are as the original code creates them. The tables of names are at once
the statement of what each tensor means, which tests/checkpoints/reference.py computes.
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDTHS = [4, 6, 8, 10]
DEPTHS = [1, 1, 2, 1]
DIM, LAYERS, HEADS, PATCH, GRID = 8, 2, 2, 4, 3

#: Role of a layer in ConvNeXt: its name in a layout; i stage, j block, d = 2 i,
#: s = 2 i + 1.
FACEBOOK = dict(
    stem='downsample_layers.0.0',
    stem_norm='downsample_layers.0.1',
    down_norm='downsample_layers.{i}.0',
    down='downsample_layers.{i}.1',
    dw='stages.{i}.{j}.dwconv',
    norm='stages.{i}.{j}.norm',
    fc1='stages.{i}.{j}.pwconv1',
    fc2='stages.{i}.{j}.pwconv2',
    grn_scale='stages.{i}.{j}.grn.gamma',
    grn_shift='stages.{i}.{j}.grn.beta',
    layer_scale='stages.{i}.{j}.gamma',
    last='norm',
    head='head',
)
TIMM = dict(
    stem='stem.0',
    stem_norm='stem.1',
    down_norm='stages.{i}.downsample.0',
    down='stages.{i}.downsample.1',
    dw='stages.{i}.blocks.{j}.conv_dw',
    norm='stages.{i}.blocks.{j}.norm',
    fc1='stages.{i}.blocks.{j}.mlp.fc1',
    fc2='stages.{i}.blocks.{j}.mlp.fc2',
    grn_scale='stages.{i}.blocks.{j}.mlp.grn.weight',
    grn_shift='stages.{i}.blocks.{j}.mlp.grn.bias',
    layer_scale='stages.{i}.blocks.{j}.gamma',
    last='head.norm',
    head='head.fc',
)
TORCHVISION = dict(
    stem='features.0.0',
    stem_norm='features.0.1',
    down_norm='features.{d}.0',
    down='features.{d}.1',
    dw='features.{s}.{j}.block.0',
    norm='features.{s}.{j}.block.2',
    fc1='features.{s}.{j}.block.3',
    fc2='features.{s}.{j}.block.5',
    layer_scale='features.{s}.{j}.layer_scale',
    last='classifier.0',
    head='classifier.2',
)


def name_of(table: dict[str, str], role: str, i: int = 0, j: int = 0) -> str:
    """Fill stage and block into the name of a role."""
    return table[role].format(i=i, j=j, d=2 * i, s=2 * i + 1)


class Maker:
    """Random parameters by name and shape."""

    def __init__(self, seed: int = 0) -> None:
        self.state: dict[str, Tensor] = {}
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, name: str, *shape: int, around: float = 0.0) -> None:
        """Add one tensor."""
        noise = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        self.state[name] = around + 0.3 * noise

    def layer(self, name: str, *shape: int, bias: tuple[int, ...] | None = None) -> None:
        """Add the weight and the bias of a linear layer or convolution."""
        self.add(f'{name}.weight', *shape)
        self.add(f'{name}.bias', *(bias or shape[:1]))

    def norm(self, name: str, width: int) -> None:
        """Add the weight and the bias of a norm."""
        self.add(f'{name}.weight', width, around=1.0)
        self.add(f'{name}.bias', width)


def convnext(
    table: dict[str, str], v2: bool, last: bool = True, head: bool = True
) -> dict[str, Tensor]:
    """Make a dense ConvNeXt V1 or V2; GRN and layer scale have the layout's shapes."""
    made = Maker()
    made.layer(name_of(table, 'stem'), WIDTHS[0], 3, 4, 4)
    made.norm(name_of(table, 'stem_norm'), WIDTHS[0])
    for i, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
        if i:
            made.norm(name_of(table, 'down_norm', i), WIDTHS[i - 1])
            made.layer(name_of(table, 'down', i), width, WIDTHS[i - 1], 2, 2)
        for j in range(depth):
            made.layer(name_of(table, 'dw', i, j), width, 1, 7, 7)
            made.norm(name_of(table, 'norm', i, j), width)
            conv = (1, 1) if table is TIMM and v2 else ()
            made.layer(name_of(table, 'fc1', i, j), 4 * width, width, *conv)
            made.layer(name_of(table, 'fc2', i, j), width, 4 * width, *conv)
            if v2:
                ones = [1, 1, 1] if table is FACEBOOK else []
                made.add(name_of(table, 'grn_scale', i, j), *ones, 4 * width)
                made.add(name_of(table, 'grn_shift', i, j), *ones, 4 * width)
            else:
                ones = [1, 1] if table is TORCHVISION else []
                made.add(name_of(table, 'layer_scale', i, j), width, *ones)
    if last:
        made.norm(table['last'], WIDTHS[-1])
    if head:
        made.layer(table['head'], 5, WIDTHS[-1])
    return made.state


def fcmae() -> dict[str, Tensor]:
    """Make FCMAE's pre-training network: sparse encoder, dense decoder."""
    made = Maker()
    made.layer('encoder.downsample_layers.0.0', WIDTHS[0], 3, 4, 4)
    made.norm('encoder.downsample_layers.0.1', WIDTHS[0])
    for i, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
        if i:
            down = f'encoder.downsample_layers.{i}'
            made.norm(f'{down}.0.ln', WIDTHS[i - 1])
            made.add(f'{down}.1.kernel', 4, WIDTHS[i - 1], width)
            made.add(f'{down}.1.bias', 1, width)
        for j in range(depth):
            block = f'encoder.stages.{i}.{j}'
            made.add(f'{block}.dwconv.kernel', 49, width)
            made.add(f'{block}.dwconv.bias', 1, width)
            made.norm(f'{block}.norm.ln', width)
            made.layer(f'{block}.pwconv1.linear', 4 * width, width)
            made.layer(f'{block}.pwconv2.linear', width, 4 * width)
            made.add(f'{block}.grn.gamma', 1, 4 * width)
            made.add(f'{block}.grn.beta', 1, 4 * width)
    made.layer('proj', 6, WIDTHS[-1], 1, 1)
    made.add('mask_token', 1, 6, 1, 1)
    made.layer('decoder.0.dwconv', 6, 1, 7, 7)
    made.layer('decoder.0.pwconv1', 24, 6)
    made.layer('pred', 3072, 6, 1, 1)
    return made.state


def spark(inner: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put an encoder into SparK's pre-training network."""
    made = Maker(1)
    made.add('mask_tokens.0', 1, 10, 1, 1)
    made.layer('densify_projs.0', 6, 10, 1, 1)
    made.norm('densify_norms.0', 10)
    made.add('dense_decoder.dec.0.conv.weight', 3, 3)
    made.add('imn_m', 1, 3, 1, 1)
    made.add('norm_black', 1, 3, 8, 8)
    return {f'sparse_encoder.sp_cnn.{k}': v for k, v in inner.items()} | made.state


def vit_blocks(made: Maker, prefix: str = '', qkv: str = 'joint') -> None:
    """Add blocks and the last norm; attention is joint, apart, or without key bias."""
    for i in range(LAYERS):
        block = f'{prefix}blocks.{i}'
        made.norm(f'{block}.norm1', DIM)
        if qkv == 'apart':
            for part in 'qkv':
                made.layer(f'{block}.attn.{part}', DIM, DIM)
        else:
            made.add(f'{block}.attn.qkv.weight', 3 * DIM, DIM)
            for name, size in (
                [('qkv.bias', 3 * DIM)]
                if qkv == 'joint'
                else [('q_bias', DIM), ('v_bias', DIM)]
            ):
                made.add(f'{block}.attn.{name}', size)
        made.layer(f'{block}.attn.proj', DIM, DIM)
        made.norm(f'{block}.norm2', DIM)
        made.layer(f'{block}.mlp.fc1', 4 * DIM, DIM)
        made.layer(f'{block}.mlp.fc2', DIM, 4 * DIM)
    made.norm(f'{prefix}norm', DIM)


def mae(cls_token: bool = True, decoder: bool = True) -> dict[str, Tensor]:
    """Make MAE's network, or DINO's without the decoder."""
    made = Maker()
    if cls_token:
        made.add('cls_token', 1, 1, DIM)
    made.add('pos_embed', 1, GRID**2 + 1, DIM)
    made.layer('patch_embed.proj', DIM, 3, PATCH, PATCH)
    vit_blocks(made)
    if decoder:
        made.add('mask_token', 1, 1, 4)
        made.add('decoder_pos_embed', 1, GRID**2 + 1, 4)
        made.layer('decoder_embed', 4, DIM)
        made.layer('decoder_blocks.0.attn.qkv', 12, 4)
        made.layer('decoder_blocks.0.cross_attn.q', 4, 4)
        made.norm('decoder_norm', 4)
        made.layer('decoder_pred', 48, 4)
    return made.state


def dropmae() -> dict[str, Tensor]:
    """Make DropMAE's network: no class token, though a position for it."""
    made = Maker(2)
    made.add('temporal_pos_embed_x', 1, 1, DIM)
    made.add('temporal_pos_embed_z', 1, 1, DIM)
    made.add('decoder_temporal_pos_embed_x', 1, 1, 4)
    return mae(cls_token=False) | made.state


def mae_st() -> dict[str, Tensor]:
    """Make MAE-ST's network with separate position embeddings, tubelets of 2."""
    made = Maker()
    made.add('cls_token', 1, 1, DIM)
    made.add('decoder_cls_token', 1, 1, 4)
    made.add('pos_embed_spatial', 1, GRID**2, DIM)
    made.add('pos_embed_temporal', 1, 8, DIM)
    made.add('pos_embed_class', 1, 1, DIM)
    made.layer('patch_embed.proj', DIM, 3, 2, PATCH, PATCH)
    vit_blocks(made, qkv='apart')
    made.add('mask_token', 1, 1, 4)
    made.add('decoder_pos_embed_spatial', 1, GRID**2, 4)
    made.layer('decoder_blocks.0.attn.q', 4, 4)
    return made.state


def videomae() -> dict[str, Tensor]:
    """Make VideoMAE's network: fixed positions, which are no parameter; no key bias."""
    made = Maker()
    made.layer('encoder.patch_embed.proj', DIM, 3, 2, PATCH, PATCH)
    vit_blocks(made, 'encoder.', 'no key bias')
    made.add('encoder_to_decoder.weight', 4, DIM)
    made.add('mask_token', 1, 1, 4)
    made.add('decoder.blocks.0.attn.q_bias', 4)
    made.norm('decoder.norm', 4)
    made.layer('decoder.head', 96, 4)
    return made.state
