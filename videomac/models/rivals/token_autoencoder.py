"""What the masked autoencoders with a ViT share."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from ...registry import MODELS
from ..videomac import RECONSTRUCTION

__all__ = ['TokenAutoencoder']


class TokenAutoencoder(BaseModel):
    """A ViT, a decoder of tokens, masks and a reconstruction loss.

    Sub-classes say in :meth:`loss` which frame is masked and what is compared.

    Args:
        encoder: Config of a :class:`MaskedViT`.
        masking: Config of the masking generator; its patches are those of the encoder.
        decoder: Config of the decoder; widths and patches are filled in.
        reconstruction_loss: Config of the loss on masked patches.
        data_preprocessor: Config of the preprocessor.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If masking and encoder have patches of different size.
    """

    #: Frames of a sample.
    num_frames = 1
    #: Which of them is masked; others are seen whole.
    masked_frame = 0

    def __init__(
        self,
        encoder: dict[str, Any],
        masking: dict[str, Any],
        decoder: dict[str, Any],
        reconstruction_loss: dict[str, Any] = RECONSTRUCTION,
        data_preprocessor: dict[str, Any] | nn.Module | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        # Built here: mmengine's own registry would not find names of this package.
        if not isinstance(data_preprocessor, nn.Module):
            data_preprocessor = MODELS.build(
                data_preprocessor or dict(type='FramesDataPreprocessor')
            )
        super().__init__(data_preprocessor, init_cfg)
        self.masking = MODELS.build(masking)
        self.encoder: Any = MODELS.build(encoder)
        if self.masking.patch_size != self.encoder.patch_size:
            raise ValueError(
                f'masking.patch_size={self.masking.patch_size} and '
                f'encoder.patch_size={self.encoder.patch_size} must be the same: a token '
                'is masked or it is not'
            )
        self.decoder: nn.Module = MODELS.build(
            decoder,
            default_args=dict(
                in_channels=self.encoder.embed_dims, patch_size=self.encoder.patch_size
            ),
        )
        self.reconstruction_loss = MODELS.build(reconstruction_loss)

    def forward(
        self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor'
    ) -> Any:
        """Run the model.

        Args:
            inputs: Normalised frames, shape [B, T, 3, H, W]; T is ``num_frames``, or
                more, of which the first count.
            data_samples: Information on each sample.
            mode: ``'loss'``: dict of losses; ``'tensor'``: features of the whole,
                unmasked frames, shape [B, T, C, h, w].

        Raises:
            ValueError: If the mode or the shape of the inputs is none of these.
        """
        if inputs.dim() != 5 or inputs.shape[1] < self.num_frames:
            raise ValueError(
                f'{type(self).__name__} needs inputs of the shape [B, T, 3, H, W] with '
                f'T >= {self.num_frames}, got {tuple(inputs.shape)}; see num_frames of '
                'FramePairDataset'
            )
        if mode == 'loss':
            return self.loss(inputs)
        if mode == 'tensor':
            return self.extract_features(inputs)
        raise ValueError(f"mode must be 'loss' or 'tensor', got {mode!r}")

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Encode whole frames: [B, T, 3, H, W] to [B, T, C, h, w]."""
        (maps,) = self.encoder(inputs.flatten(0, 1))
        return maps.unflatten(0, inputs.shape[:2])

    def loss(self, inputs: Tensor) -> dict[str, Tensor]:
        """Compute the losses; see :meth:`forward`."""
        raise NotImplementedError
