"""CropMAE: siamese cropped masked autoencoders (ECCV 2024, arXiv:2403.17823)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...registry import MODELS
from .siammae import SiamMAE

__all__ = ['CropMAE']


@MODELS.register_module()
class CropMAE(SiamMAE):
    """:class:`SiamMAE` of two crops of one image instead of two frames.

    The first crop is global and seen whole; the second is cut out of it and predicted
    from as little as two visible patches (a masking ratio of 0.985 at 14x14 patches).
    The crops come from :class:`~videomac.datasets.FramesGlobalLocalCrops`.

    Args:
        encoder: Config of a :class:`MaskedViT`.
        masking: Config of the masking generator of the local crop.
        decoder: Config of a :class:`CrossAttentionDecoder`.
        reconstruction_loss: Config of the loss on masked patches.
        data_preprocessor: Config of the preprocessor.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If masking and encoder have patches of different size.
    """

    def forward(
        self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor'
    ) -> Any:
        """Run the model; see :meth:`SiamMAE.forward`.

        Raises:
            ValueError: If a sample is of several frames, or the inputs are of a wrong
                shape.
        """
        if mode == 'loss':
            for sample in data_samples or ():
                frames = sample.get('frame_indices')
                if frames is not None and len(frames) != 1:
                    raise ValueError(
                        f'CropMAE trains on two crops of one frame, got frames {frames}: '
                        'set num_frames=1 of the data set and put FramesGlobalLocalCrops '
                        'into its pipeline, or take SiamMAE for pairs of frames'
                    )
        return super().forward(inputs, data_samples, mode)
