"""Methods that VideoMAC is compared with, trained on the same frames.

Masked autoencoders of tokens: a ViT sees the visible patches, a decoder of attention
layers predicts the others. Masks are :class:`~videomac.sparse.PatchGrid`, losses and the
moving average those of VideoMAC.
"""

from .cropmae import CropMAE
from .cross_attention_decoder import CrossAttentionDecoder
from .frames_as_images import FramesAsImages
from .masked_vit import MaskedViT
from .rcmae import RCMAE
from .siammae import SiamMAE
from .token_decoder import TokenDecoder

__all__ = [
    'RCMAE',
    'CropMAE',
    'CrossAttentionDecoder',
    'FramesAsImages',
    'MaskedViT',
    'SiamMAE',
    'TokenDecoder',
]
