"""The formats of checkpoints that can be read, and how one is told from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from . import convnext, own, resnet, video_vit, vit
from .mapping import Conversion, Row, Rule, explaining, translate

__all__ = ['ALIASES', 'FORMATS', 'Format', 'detect', 'format_of', 'import_state']

Made = Mapping[str, tuple[Tensor, str]]
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
MAE_ST_PIXELS = ((114.75, 114.75, 114.75), (57.375, 57.375, 57.375))


@dataclass(frozen=True)
class Format:
    """A layout of keys.

    Attributes:
        name: What the command line calls it.
        marks: Patterns of keys that a checkpoint of this format has, each at least once.
        rules: Where the keys of the encoder go.
        left_out: Patterns of the other keys, and why they are left out.
        prefixes: What the keys of the encoder may begin with; the first counts for which
            the marks are there.
        complete: Makes tensors that the format implies and does not store, given what is
            there and the height of the image in pixels.
        around: Patterns of whole keys that it has beside the encoder.
        body: Pattern of keys inside the encoder. With one that no rule knows, the encoder
            is a mere relative of these networks, and of another format if that fits, too.
        pixels: Mean and std of R, G and B in 0..255 that the networks expect.
    """

    name: str
    marks: Sequence[str]
    rules: Sequence[Rule]
    left_out: Sequence[tuple[str, str]] = ()
    prefixes: Sequence[str] = ('',)
    complete: Callable[[Mapping[str, Tensor], int], Made] = lambda state, size: {}
    around: Sequence[str] = ()
    body: str = '(?!)'
    pixels: tuple[Sequence[float], Sequence[float]] = IMAGENET

    def prefix(self, names: Sequence[str]) -> str | None:
        """Find what the encoder's keys begin with; None: of another format."""
        if not all(any(re.fullmatch(m, n) for n in names) for m in self.around):
            return None
        for prefix in self.prefixes:
            inner = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
            if all(any(re.fullmatch(m, n) for n in inner) for m in self.marks):
                return prefix
        return None

    def knows_body(self, names: Sequence[str], prefix: str) -> bool:
        """Whether the rules take all that is inside the encoder."""
        inner = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
        body = [n for n in inner if re.fullmatch(self.body, n)]
        return all(any(re.fullmatch(r.pattern, n) for r in self.rules) for n in body)


def _final_norm(state: Mapping[str, Tensor], size: int) -> Made:
    return convnext.final_norm(state)


def _spark_norm(state: Mapping[str, Tensor], size: int) -> Made:
    return convnext.final_norm(state) if 'stages.3.0.norm.weight' in state else {}


_NO_WEIGHTS = ((r'(imn_m|imn_s|norm_black)', 'buffer without use'),)
_SPARK_PARTS = (
    (
        r'(dense_decoder|densify_norms|densify_projs|mask_tokens)\..*',
        'decoder of the pre-training',
    ),
    *_NO_WEIGHTS,
    (r'sparse_encoder\.sp_cnn\.(fc|head)\..*', 'classification head'),
)
_FCMAE_PARTS = ((r'(decoder\..*|proj\..*|pred\..*|mask_token)', 'decoder'),)
#: Beside the encoder of MoCo v3, a ResNet or a ViT.
_MOCO_V3_PARTS = (
    (r'base_encoder\.(fc|head)\..*', 'projection of the pre-training'),
    (r'momentum_encoder\..*', 'momentum encoder of the pre-training'),
    (r'predictor\..*', 'predictor of the pre-training'),
)
_QKV = r'blocks\.0\.attn\.qkv\.weight'

#: More particular formats come before those that their marks include.
FORMATS = (
    Format(
        'released',
        (
            r'(stages\.0\.0\.dwconv|blocks\.0\.dwconv|layer1\.0\.conv1)\.kernel',
            r'(norm0\.ln|norm\.ln|stem\.1)\.weight',
        ),
        (),
        prefixes=('encoder.',),
    ),
    Format(
        'fcmae',
        (r'stages\.0\.0\.dwconv\.kernel',),
        convnext.FCMAE,
        _FCMAE_PARTS,
        ('encoder.', ''),
        _final_norm,
    ),
    Format(
        'spark',
        (r'(stages\.0\.0\.dwconv|layer1\.0\.conv1)\.weight',),
        (*convnext.FACEBOOK, *resnet.RESNET),
        _SPARK_PARTS,
        ('sparse_encoder.sp_cnn.',),
        _spark_norm,
    ),
    Format(
        'convnext',
        (r'stages\.0\.0\.dwconv\.weight',),
        convnext.FACEBOOK,
        (*convnext.HEADS, *_FCMAE_PARTS),
        ('', 'encoder.', 'backbone.'),
        _final_norm,
    ),
    Format(
        'timm-convnext',
        (r'stages\.0\.blocks\.0\.conv_dw\.weight',),
        convnext.TIMM,
        convnext.HEADS,
        complete=_final_norm,
    ),
    Format(
        'torchvision-convnext',
        (r'features\.0\.0\.weight', r'features\.1\.0\.block\.0\.weight'),
        convnext.TORCHVISION,
        ((r'classifier\.2\..*', 'classification head'),),
        complete=_final_norm,
    ),
    Format(
        'mae-st',
        (r'blocks\.0\.attn\.q\.weight', r'pos_embed_spatial'),
        video_vit.MAE_ST,
        vit.LEFT_OUT,
        pixels=MAE_ST_PIXELS,
    ),
    Format(
        'videomae',
        (_QKV, r'blocks\.0\.attn\.q_bias'),
        video_vit.VIDEOMAE,
        vit.LEFT_OUT,
        ('encoder.', ''),
        video_vit.sinusoid,
    ),
    Format('dropmae', (_QKV, r'temporal_pos_embed_x'), vit.DROPMAE, vit.LEFT_OUT),
    Format(
        'vit',
        (_QKV, r'pos_embed'),
        vit.VIT,
        (*vit.LEFT_OUT, *_MOCO_V3_PARTS),
        ('', 'backbone.', 'encoder.', 'base_encoder.'),
    ),
    Format(
        'videomac',
        (r'.+',),
        own.ANY,
        own.VIDEOMAC_PARTS,
        ('encoder.',),
        around=(r'decoder\.mask_token',),
    ),
    Format(
        'resnet',
        (r'layer1\.0\.conv1\.weight', r'layer1\.0\.bn1\.running_mean'),
        resnet.RESNET,
        (*resnet.HEADS, *own.HEADS, *_MOCO_V3_PARTS),
        (
            'module.encoder_q.',
            'backbone.',
            'encoder_q.0.',
            'encoder_q.',
            'base_encoder.',
            '',
        ),
        body=r'(stem|(conv|bn|layer|stage|transition)\d+)\..*',
    ),
    Format('mmpretrain', (r'.+',), own.ANY, own.HEADS, ('backbone.',)),
    Format(
        'encoder',
        (
            r'(stages\.0\.0\.depthwise_conv|layer1\.0\.ln1|patch_embed\.projection)'
            r'\.weight',
        ),
        own.ANY,
        own.HEADS,
    ),
)

#: Names of methods and toolboxes, and the formats that their checkpoints have.
ALIASES: Mapping[str, tuple[str, ...]] = {
    'auto': tuple(each.name for each in FORMATS),
    'dino': ('vit', 'resnet'),
    'mae': ('vit',),
    'rc-mae': ('vit',),
    'croc': ('vit',),
    'siammae': ('vit',),
    'moco': ('resnet', 'vit'),
    'densecl': ('resnet',),
    'spark': ('spark', 'convnext', 'resnet'),
    'fcmae': ('fcmae', 'convnext'),
    'torchvision': ('resnet', 'torchvision-convnext'),
    'timm': ('timm-convnext', 'resnet', 'vit'),
    'mmpretrain': ('mmpretrain', 'resnet', 'encoder'),
    'backbone': ('mmpretrain',),
}


def format_of(header: Mapping[str, Any], name: str = 'auto') -> str:
    """Find the format of a file by its header, ``'auto'`` where its keys have to tell.

    The layouts of ours keep every key of whatever network.

    Args:
        header: What :func:`find_header` returns.
        name: The format that was asked for, which counts unless it is ``'auto'``.
    """
    layout = header.get('layout')
    return layout if name == 'auto' and layout in ('encoder', 'backbone') else name


def detect(state: Mapping[str, Tensor], name: str = 'auto') -> tuple[Format, str]:
    """Find the format of a state dict.

    Args:
        state: Tensors by their keys.
        name: Format or alias that it should have, or ``'auto'``; the keys of any network
            are of the format ``'encoder'``.

    Returns:
        The format, and what the keys of the encoder begin with.

    Raises:
        ValueError: If there is no such format, or the keys are not of it.
    """
    known = {each.name for each in FORMATS}
    if name not in known and name not in ALIASES:
        names = ', '.join(sorted(known | {*ALIASES}))
        raise ValueError(f"there is no format '{name}'; there are {names}")
    if name == 'encoder':  # the network itself tells whether they fit
        return FORMATS[-1], ''
    keys = list(state)
    asked = [each for each in FORMATS if each.name in ALIASES.get(name, (name,))]
    fitting = [(each, p) for each in asked if (p := each.prefix(keys)) is not None]
    if fitting:
        return next((f for f in fitting if f[0].knows_body(keys, f[1])), fitting[0])
    shown = ', '.join(keys[:5])
    if name == 'auto':
        raise ValueError(
            f'the keys are of no known format: {shown}, ... If they are those of a '
            "network of your own, name the format 'encoder' and give its config"
        )
    try:
        hint = f"; they look like '{detect(state)[0].name}'"
    except ValueError:
        hint = ''
    raise ValueError(f"the keys are not of the format '{name}': {shown}, ...{hint}")


@explaining('reading the tensors')
def import_state(
    state: Mapping[str, Tensor],
    name: str = 'auto',
    image_size: int = 224,
    strict: bool = True,
) -> tuple[Conversion, Format]:
    """Take the encoder out of a checkpoint, in the layout of mmpretrain.

    Args:
        state: Tensors of the checkpoint by their keys.
        name: Format or alias, or ``'auto'``.
        image_size: Pixels, for VideoMAE, whose files do not tell.
        strict: Whether a tensor that the format does not know is an error.

    Returns:
        The encoder with what became of every tensor, and the format.

    Raises:
        ValueError: If the format is unknown or another, or if tensors are left over.
    """
    if (
        state
        and all(key.startswith('module.') for key in state)
        and not any(key.startswith('module.encoder_q.') for key in state)
    ):
        state = {key.removeprefix('module.'): value for key, value in state.items()}
    found, prefix = detect(state, name)
    if found.name == 'released':
        return own.import_released(state, strict), found
    done = translate(state, found.rules, found.left_out, prefix, strict)
    made = found.complete(done.state, image_size)
    rows = [Row('', (), key, tuple(v.shape), why) for key, (v, why) in made.items()]
    new = done.state | {key: value for key, (value, _) in made.items()}
    return Conversion(new, done.rows + rows), found
