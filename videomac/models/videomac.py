"""VideoMAC: video masked autoencoders meet ConvNets (CVPR 2024, arXiv:2402.19082)."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..registry import MODELS
from ..sparse import PatchGrid, SparseBackend
from ..sparse.precision import at_least_float32
from .patches import cells_to_patches, patch_statistics, patchify, unpatchify
from .target import EMATarget, SharedTarget, copy_missing_target

__all__ = ['VideoMAC', 'latent_shape']

#: The method of the paper, where a config does not say otherwise. The rivals in this
#: package begin with the same target and losses: only the method is to differ.
PATCH_SPARSE = dict(type='PatchSparse')
EMA_TARGET = dict(type='EMATarget')
RECONSTRUCTION = dict(type='MaskedReconstructionLoss', norm_pix=True)
CONSISTENCY = dict(type='ReconstructionConsistencyLoss', weight=1.0)


#: Patches a side of the trial of an encoder that takes no single patch.
PATCHES = 8


def _trial(
    encoder: nn.Module, sparse: SparseBackend, patch_size: int, side: int
) -> torch.Size:
    """Channels, rows and columns of the latent of side x side patches, all visible."""
    parameter = next(encoder.parameters(), torch.empty(0))
    pixels = side * patch_size
    grid = PatchGrid.full(1, (pixels, pixels), patch_size, parameter.device)
    images = torch.zeros(1, 3, pixels, pixels, device=parameter.device)
    return sparse.encode(encoder, images.to(parameter.dtype), grid).shape[1:]


@torch.no_grad()
def latent_shape(
    encoder: nn.Module, sparse: SparseBackend, patch_size: int
) -> tuple[int, int]:
    """Find by a trial on one patch what an encoder makes of it.

    Returns:
        Channels of the latent and side in pixels of the area that a latent cell covers.

    Raises:
        ValueError: If a patch shrinks below one cell, or more in one direction than in
            the other.
    """
    training = encoder.training
    encoder.eval()
    try:
        channels, rows, cols = _trial(encoder, sparse, patch_size, 1)
    except NotImplementedError:  # of sparse maps, whatever their size
        raise
    except (RuntimeError, ValueError) as error:
        # Some layers take no map of one cell, such as convolutions padded by reflection.
        try:
            channels, *cells = _trial(encoder, sparse, patch_size, PATCHES)
        except (RuntimeError, ValueError):
            raise error from None
        rows, cols = (side // PATCHES for side in cells)
    encoder.train(training)
    if rows != cols:
        raise ValueError(
            f'{type(encoder).__name__} makes {rows} rows and {cols} columns of cells of '
            f'a patch of {patch_size}x{patch_size} pixels; a latent cell must cover as '
            'many pixels vertically as horizontally: give the layers equal strides'
        )
    return channels, patch_size // rows


@MODELS.register_module()
class VideoMAC(BaseModel):
    """Masked autoencoder of frame pairs with an online and a target network.

    The online network reconstructs frame 1 and learns by gradient; the target network,
    its moving average, reconstructs frame 2; a consistency loss ties the two (Eq. 1-3).
    Widths and strides are found from the encoder and are not repeated in the config.
    With ``target=None`` and ``consistency_loss=None`` it is the masked autoencoder of
    single frames (FCMAE).

    Args:
        encoder: Config of any ConvNet that returns feature maps; the last one counts.
        masking: Config of the masking generator, which also sets the patch size.
        decoder: Config of the decoder.
        sparse: Config of the sparse backend that runs the encoder on visible patches.
        target: Config of the target network, or None for single frames.
        reconstruction_loss: Config of the loss of Eq. 1.
        consistency_loss: Config of the loss of Eq. 2, or None.
        target_loss: Whether L_t is among the losses where there is a target network. It
            carries no gradient: without it (Table 4) the sum is smaller and the
            training the same. With a :class:`SharedTarget` it has one.
        symmetric_pair: Whether each network also reconstructs the other frame, with
            masks of its own; the losses of both directions are averaged. Not in the
            paper; a step costs twice as much.
        data_preprocessor: Config of the preprocessor.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If a consistency loss or ``symmetric_pair`` is given without a target
            network.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        masking: dict[str, Any],
        decoder: dict[str, Any],
        sparse: dict[str, Any] = PATCH_SPARSE,
        target: dict[str, Any] | None = EMA_TARGET,
        reconstruction_loss: dict[str, Any] = RECONSTRUCTION,
        consistency_loss: dict[str, Any] | None = CONSISTENCY,
        target_loss: bool = True,
        symmetric_pair: bool = False,
        data_preprocessor: dict[str, Any] | nn.Module | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        # Built here: mmengine's own registry would not find names of this package.
        if not isinstance(data_preprocessor, nn.Module):
            data_preprocessor = MODELS.build(
                data_preprocessor or dict(type='FramesDataPreprocessor')
            )
        super().__init__(data_preprocessor, init_cfg)
        if consistency_loss is not None and target is None:
            raise ValueError(
                'consistency_loss compares the reconstructions of two networks: give '
                "target=dict(type='EMATarget') too, or set consistency_loss=None"
            )
        if symmetric_pair and target is None:
            raise ValueError(
                'symmetric_pair shows each of two networks both frames: give '
                "target=dict(type='EMATarget') too, or set symmetric_pair=False"
            )
        self.symmetric_pair = symmetric_pair
        self.masking = MODELS.build(masking)
        self.sparse: SparseBackend = MODELS.build(sparse)
        self.encoder: nn.Module = MODELS.build(encoder)
        channels, cell_size = latent_shape(
            self.encoder, self.sparse, self.masking.patch_size
        )
        self.decoder: nn.Module = MODELS.build(
            decoder, default_args=dict(in_channels=channels, cell_size=cell_size)
        )
        self.target: EMATarget | SharedTarget | None = None
        if target is not None:
            self.target = MODELS.build(
                target, default_args=dict(encoder=self.encoder, decoder=self.decoder)
            )
        self.register_load_state_dict_pre_hook(copy_missing_target)
        self.reconstruction_loss = MODELS.build(reconstruction_loss)
        self.target_loss = target_loss
        self.consistency_loss: nn.Module | None = None
        if consistency_loss is not None:
            self.consistency_loss = MODELS.build(consistency_loss)

    def init_weights(self) -> None:
        """Initialise the online network and start the target as its copy."""
        super().init_weights()
        self.update_target(momentum=0.0)

    def update_target(self, momentum: float) -> None:
        """Move the target network towards the online network; see :class:`EMATarget`."""
        if self.target is not None:
            self.target.update(self.encoder, self.decoder, momentum)

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[DataSample] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Run the model.

        Args:
            inputs: Normalised frames, shape [B, T, 3, H, W]; T >= 2, or T >= 1 without
                target. Losses and reconstructions are those of the first two (the first).
            data_samples: Information on each sample.
            mode: ``'loss'``: dict of losses; ``'predict'``: reconstructions, see
                :meth:`predict`; ``'tensor'``: features of the whole, unmasked frames,
                shape [B, T, C, h, w].

        Raises:
            ValueError: If the mode or the shape of the inputs is none of these.
        """
        if inputs.dim() != 5 or inputs.shape[1] < (1 if self.target is None else 2):
            frames = 'T >= 1' if self.target is None else 'T >= 2 frames'
            raise ValueError(
                f'inputs must have the shape [B, T, 3, H, W], {frames}, got '
                f'{tuple(inputs.shape)}; see num_frames of FramePairDataset'
            )
        if mode == 'loss':
            return self.loss(inputs)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.extract_features(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Encode whole frames densely: [B, T, 3, H, W] to [B, T, C, h, w]."""
        features = self.encoder(inputs.flatten(0, 1))
        last = features if isinstance(features, Tensor) else features[-1]
        return last.unflatten(0, inputs.shape[:2])

    def reconstruct(
        self,
        network: VideoMAC | EMATarget | SharedTarget,
        images: Tensor,
        grid: PatchGrid,
    ) -> Tensor:
        """Predict the pixels of every patch from the visible ones.

        Args:
            network: The model itself (online) or its target network.
            images: Frames, shape [B, 3, H, W].
            grid: The visible patches.

        Returns:
            Shape [B, L, P * P * 3].
        """
        latent = self.sparse.encode(network.encoder, images, grid)
        h, w = latent.shape[2] // grid.rows, latent.shape[3] // grid.cols
        cells = network.decoder(latent, ~grid.cell_mask(h, w))
        return cells_to_patches(cells, grid.patch_size // h, grid.patch_size)

    def _reconstruct_frames(
        self, inputs: Tensor
    ) -> tuple[list[Tensor], list[Tensor], list[PatchGrid]]:
        """Frame 1 through the online network, frame 2 through the target network."""
        frames = list(inputs.unbind(1))[: 1 if self.target is None else 2]
        grids = self.masking(
            len(inputs), tuple(inputs.shape[-2:]), len(frames), inputs.device
        )
        predictions = [self.reconstruct(self, frames[0], grids[0])]
        if self.target is not None:
            learns = self.target.differentiable and torch.is_grad_enabled()
            with torch.set_grad_enabled(learns):
                predictions.append(self.reconstruct(self.target, frames[1], grids[1]))
        return frames, predictions, grids

    def loss(self, inputs: Tensor) -> dict[str, Tensor]:
        """Compute L = L_o + L_t + gamma L_c (Eq. 3) by its terms.

        Returns:
            ``loss_online`` (L_o) and, as far as the config asks for them,
            ``loss_target`` (L_t, which carries no gradient) and ``loss_consistency``
            (gamma L_c).
        """
        losses = self._loss_one_way(inputs)
        if not self.symmetric_pair:
            return losses
        back = self._loss_one_way(inputs[:, :2].flip(1))
        return {name: (loss + back[name]) / 2 for name, loss in losses.items()}

    def _loss_one_way(self, inputs: Tensor) -> dict[str, Tensor]:
        """The losses with frame 1 for the online and frame 2 for the target network."""
        frames, predictions, grids = self._reconstruct_frames(inputs)
        names = ('loss_online', 'loss_target')[: 2 if self.target_loss else 1]
        losses = {
            name: self.reconstruction_loss(*each)
            for name, *each in zip(names, predictions, frames, grids, strict=False)
        }
        if self.consistency_loss is not None:
            losses['loss_consistency'] = self.consistency_loss(*predictions, grids[0])
        return losses

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None
    ) -> list[DataSample]:
        """Reconstruct frames as pictures.

        Returns:
            For each sample its data sample with, all RGB in [0, 1] of shape
            [T, 3, H, W]: ``frames``, ``reconstruction`` (every patch as predicted, with
            the patch's own mean and deviation where the loss normalises patches) and
            ``pasted`` (prediction in masked patches only); and ``visible``, bool of
            shape [T, 1, H, W].
        """
        frames, predictions, grids = self._reconstruct_frames(inputs)
        pictures = [
            self.paint(*each) for each in zip(frames, predictions, grids, strict=True)
        ]
        samples = data_samples or [DataSample() for _ in range(len(inputs))]
        for i, sample in enumerate(samples):
            for name in ('frames', 'reconstruction', 'pasted', 'visible'):
                sample.set_field(
                    torch.stack([p[name][i] for p in pictures]), name, dtype=None
                )
        return samples

    def paint(
        self, images: Tensor, prediction: Tensor, grid: PatchGrid
    ) -> dict[str, Tensor]:
        """Turn what :meth:`reconstruct` predicts into pictures.

        Args:
            images: Frames, shape [B, 3, H, W].
            prediction: Of every patch, shape [B, L, P * P * 3].
            grid: The visible patches.

        Returns:
            The fields of :meth:`predict`, each of shape [B, 3, H, W], or [B, 1, H, W].
        """
        values = at_least_float32(prediction)
        if getattr(self.reconstruction_loss, 'norm_pix', False):
            patches = patchify(at_least_float32(images), grid.patch_size)
            mean, std = patch_statistics(patches)
            values = values * std + mean
        painted = unpatchify(values, grid.image_size, grid.patch_size)
        original = self.data_preprocessor.denormalize(images)
        painted = self.data_preprocessor.denormalize(painted)
        visible = grid.cell_mask(grid.patch_size, grid.patch_size)[:, None]
        return dict(
            frames=original,
            reconstruction=painted,
            pasted=torch.where(visible, original, painted),
            visible=visible,
        )
