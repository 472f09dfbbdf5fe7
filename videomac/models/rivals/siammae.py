"""SiamMAE: siamese masked autoencoders (NeurIPS 2023, arXiv:2305.14344)."""

from __future__ import annotations

from torch import Tensor

from ...registry import MODELS
from ...sparse import PatchGrid
from .token_autoencoder import TokenAutoencoder

__all__ = ['SiamMAE']


@MODELS.register_module()
class SiamMAE(TokenAutoencoder):
    """Predicts a future frame, nearly all of it masked, from the whole past frame.

    One encoder sees the past frame whole and the few visible patches of the future one,
    each by itself; the decoder's masked patches attend to the past. There is no target
    network.

    Args:
        encoder: Config of a :class:`MaskedViT`.
        masking: Config of the masking generator of the future frame (0.95 in the paper).
        decoder: Config of a :class:`CrossAttentionDecoder`.
        reconstruction_loss: Config of the loss on masked patches.
        data_preprocessor: Config of the preprocessor.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If masking and encoder have patches of different size.
    """

    num_frames = 2
    masked_frame = 1

    def reconstruct(self, past: Tensor, future: Tensor, grid: PatchGrid) -> Tensor:
        """Predict the pixels of every patch of the future frame.

        Args:
            past: Frames that are seen whole, shape [B, 3, H, W].
            future: Frames of which the visible patches are seen, the same shape.
            grid: Visible patches of the future frames.

        Returns:
            Shape [B, L, P * P * 3].
        """
        memory = self.encoder.encode(past)
        return self.decoder(self.encoder.encode(future, grid), grid, memory)

    def loss(self, inputs: Tensor) -> dict[str, Tensor]:
        """Compare the prediction with the masked patches of the future frame.

        Returns:
            ``loss_reconstruction``.
        """
        past, future = inputs[:, 0], inputs[:, self.masked_frame]
        size = (inputs.shape[-2], inputs.shape[-1])
        (grid,) = self.masking(len(inputs), size, 1, inputs.device)
        prediction = self.reconstruct(past, future, grid)
        return dict(
            loss_reconstruction=self.reconstruction_loss(prediction, future, grid)
        )
