"""RC-MAE: reconstruction-consistent masked autoencoder (ICLR 2023, arXiv:2210.02077)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...registry import MODELS
from ...sparse import PatchGrid
from ..target import EMATarget, copy_missing_target
from ..videomac import CONSISTENCY, EMA_TARGET, RECONSTRUCTION
from .token_autoencoder import TokenAutoencoder

__all__ = ['RCMAE']


@MODELS.register_module()
class RCMAE(TokenAutoencoder):
    """MAE whose reconstruction agrees with that of its moving average.

    Both networks see the same visible patches of the same image. The student learns to
    reconstruct the image and what the teacher reconstructs.

    Args:
        encoder: Config of a :class:`MaskedViT`.
        masking: Config of the masking generator.
        decoder: Config of a :class:`TokenDecoder`.
        target: Config of the teacher.
        reconstruction_loss: Config of the loss on masked patches.
        consistency_loss: Config of the loss between the two reconstructions.
        data_preprocessor: Config of the preprocessor.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If masking and encoder have patches of different size.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        masking: dict[str, Any],
        decoder: dict[str, Any],
        target: dict[str, Any] = EMA_TARGET,
        reconstruction_loss: dict[str, Any] = RECONSTRUCTION,
        consistency_loss: dict[str, Any] = CONSISTENCY,
        data_preprocessor: dict[str, Any] | nn.Module | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            encoder, masking, decoder, reconstruction_loss, data_preprocessor, init_cfg
        )
        self.target: EMATarget = MODELS.build(
            target, default_args=dict(encoder=self.encoder, decoder=self.decoder)
        )
        self.register_load_state_dict_pre_hook(copy_missing_target)
        self.consistency_loss = MODELS.build(consistency_loss)

    def init_weights(self) -> None:
        """Initialise the student and start the teacher as its copy."""
        super().init_weights()
        self.update_target(momentum=0.0)

    def update_target(self, momentum: float) -> None:
        """Move the teacher towards the student; see :class:`EMATarget`."""
        self.target.update(self.encoder, self.decoder, momentum)

    @staticmethod
    def reconstruct(network: Any, images: Tensor, grid: PatchGrid) -> Tensor:
        """Predict the pixels of every patch from the visible ones.

        Args:
            network: The model itself (student) or its target network (teacher).
            images: Shape [B, 3, H, W].
            grid: The visible patches.

        Returns:
            Shape [B, L, P * P * 3].
        """
        return network.decoder(network.encoder.encode(images, grid), grid)

    def loss(self, inputs: Tensor) -> dict[str, Tensor]:
        """Compute the losses of the student on the first frame of every sample.

        Returns:
            ``loss_reconstruction`` and ``loss_consistency``, its weight included.
        """
        images = inputs[:, self.masked_frame]
        size = (inputs.shape[-2], inputs.shape[-1])
        (grid,) = self.masking(len(inputs), size, 1, inputs.device)
        student = self.reconstruct(self, images, grid)
        with torch.no_grad():
            teacher = self.reconstruct(self.target, images, grid)
        return dict(
            loss_reconstruction=self.reconstruction_loss(student, images, grid),
            loss_consistency=self.consistency_loss(student, teacher, grid),
        )
