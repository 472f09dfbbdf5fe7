"""From frames as the data loader gives them to normalised frames on the device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from videomac.registry import MODELS

__all__ = ['FramesDataPreprocessor']


@MODELS.register_module()
class FramesDataPreprocessor(BaseDataPreprocessor):
    """Move frames to the device as uint8, then normalise them there.

    Args:
        mean: Mean of R, G and B in 0..255; ImageNet's by default.
        std: Standard deviation of R, G and B in 0..255; ImageNet's by default.
        non_blocking: Whether copies from pinned memory may overlap with computation.

    Raises:
        ValueError: ``mean`` or ``std`` has not three values, or a ``std`` is not
            positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        for name, value in {'mean': mean, 'std': std}.items():
            if not isinstance(value, Sequence) or len(value) != 3:
                raise ValueError(
                    f'{name} must have three values, for R, G and B, got {value!r}'
                )
            buffer = torch.tensor(value, dtype=torch.float32).view(3, 1, 1)
            # Part of the config, not of the weights.
            self.register_buffer(name, buffer, persistent=False)
        if min(std) <= 0:
            raise ValueError(f'std must be positive, got {std!r}')

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise a batch.

        Args:
            data: ``inputs``, uint8 frames in 0..255, either one tensor
                ``[B, T, 3, H, W]`` or B tensors ``[T, 3, H, W]``, and maybe
                ``data_samples``.
            training: Without effect.

        Returns:
            ``inputs``, ``[B, T, 3, H, W]``, ``(frames - mean) / std``, on the device,
            float32, or float64 if the model is, and ``data_samples`` (None if there
            were none).

        Raises:
            TypeError: The frames are not uint8.
            ValueError: The frames differ in shape or do not have the shape above.
        """
        inputs = data['inputs']
        if not isinstance(inputs, Tensor):
            _check_one_shape(inputs)
            inputs = torch.stack(self.cast_data(list(inputs)))
        if inputs.ndim != 5 or inputs.shape[2] != 3:
            raise ValueError(
                f'inputs must be [B, T, 3, H, W], got {list(inputs.shape)}; the pipeline '
                'should end in PackFrames'
            )
        if inputs.dtype != torch.uint8:
            raise TypeError(
                f'inputs must be uint8 in 0..255, got {inputs.dtype}; leave scaling and '
                'normalisation out of the pipeline'
            )
        frames = self.cast_data(inputs)
        # Mean and std may be of half precision, which is too coarse for pixels.
        double = self.mean.dtype == torch.float64
        frames = frames.double() if double else frames.float()
        return {
            'inputs': frames.sub_(self.mean).div_(self.std),
            'data_samples': self.cast_data(data.get('data_samples')),
        }

    def denormalize(self, images: Tensor) -> Tensor:
        """Undo the normalisation, for showing.

        Args:
            images: Normalised images ``[..., 3, H, W]``, on the device.

        Returns:
            RGB images of the same shape, clamped to 0..1.
        """
        return ((images * self.std + self.mean) / 255).clamp(0, 1)


def _check_one_shape(inputs: Sequence[Tensor]) -> None:
    """Check that samples can be stacked.

    Raises:
        ValueError: They differ in shape, or there are none.
    """
    shapes = sorted({tuple(frames.shape) for frames in inputs})
    if len(shapes) != 1:
        raise ValueError(
            f'the samples of a batch must have one shape [T, 3, H, W], got {shapes}; '
            'add FramesRandomResizedCrop or FramesResizedCenterCrop to the pipeline'
        )
