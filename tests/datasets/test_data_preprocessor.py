"""Normalisation of batches of frames."""

from typing import Any

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample
from torch import Tensor

from videomac.models.data_preprocessor import FramesDataPreprocessor
from videomac.registry import MODELS

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@pytest.fixture
def inputs() -> Tensor:
    """Frames ``[B, T, 3, H, W]`` of all sizes distinct."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 2, 3, 5, 6), generator=generator).to(torch.uint8)


def test_formula(inputs: Tensor) -> None:
    preprocessor = MODELS.build({'type': 'FramesDataPreprocessor'})
    samples = [DataSample(metainfo={'video': str(i)}) for i in range(4)]
    batch = preprocessor({'inputs': inputs, 'data_samples': samples}, training=True)
    assert batch['inputs'].dtype == torch.float32
    for c in range(3):
        expected = (inputs[:, :, c].double() - MEAN[c]) / STD[c]
        torch.testing.assert_close(batch['inputs'][:, :, c].double(), expected)
    assert [sample.video for sample in batch['data_samples']] == list('0123')
    assert inputs.dtype == torch.uint8


def test_list_equals_stack(inputs: Tensor) -> None:
    preprocessor = FramesDataPreprocessor()
    stacked = preprocessor({'inputs': inputs})
    assert stacked['data_samples'] is None
    batch = pseudo_collate([{'inputs': frames} for frames in inputs])
    assert torch.equal(preprocessor(batch)['inputs'], stacked['inputs'])


def test_the_type_follows_that_of_the_model(inputs: Tensor) -> None:
    preprocessor = FramesDataPreprocessor()
    assert preprocessor({'inputs': inputs})['inputs'].dtype == torch.float32
    exact = preprocessor.double()({'inputs': inputs})['inputs']
    mean = torch.tensor(MEAN, dtype=torch.float64).view(3, 1, 1)
    std = torch.tensor(STD, dtype=torch.float64).view(3, 1, 1)
    # Mean and deviation were float32 before.
    expected = (inputs.double() - mean) / std
    torch.testing.assert_close(exact, expected, rtol=1e-6, atol=1e-6)
    assert preprocessor.half()({'inputs': inputs})['inputs'].dtype == torch.float32


def test_denormalize_is_the_inverse(inputs: Tensor) -> None:
    preprocessor = FramesDataPreprocessor(mean=[1, 2, 3], std=[4, 5, 6])
    normalized = preprocessor({'inputs': inputs})['inputs']
    torch.testing.assert_close(preprocessor.denormalize(normalized), inputs / 255)
    image = preprocessor.denormalize(normalized[0, 0])
    assert image.shape == (3, 5, 6)
    extreme = preprocessor.denormalize(torch.tensor([-1e4, 1e4]).expand(3, 1, 2))
    assert extreme[0].tolist() == [[0, 1]]


def test_device_and_state(inputs: Tensor) -> None:
    preprocessor = FramesDataPreprocessor()
    assert not preprocessor.state_dict()
    preprocessor.to('meta')
    batch = preprocessor({'inputs': inputs, 'data_samples': [DataSample()]})
    assert batch['inputs'].device.type == 'meta'


def test_copies_uint8_and_respects_non_blocking(
    inputs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = Tensor.to

    def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        calls.append((self.dtype, kwargs.get('non_blocking')))
        return original(self, *args, **kwargs)

    preprocessor = FramesDataPreprocessor(non_blocking=True)
    monkeypatch.setattr(Tensor, 'to', to)
    preprocessor({'inputs': inputs})
    assert calls == [(torch.uint8, True)]


def test_wrong_batches(inputs: Tensor) -> None:
    preprocessor = FramesDataPreprocessor()
    with pytest.raises(ValueError, match=r'\(2, 3, 4, 6\).*FramesRandomResizedCrop'):
        preprocessor({'inputs': [inputs[0], inputs[1, :, :, :4]]})
    with pytest.raises(ValueError, match=r'\[B, T, 3, H, W\], got \[2, 3, 5, 6\]'):
        preprocessor({'inputs': inputs[0]})
    with pytest.raises(TypeError, match=r'uint8.*float32'):
        preprocessor({'inputs': inputs.float()})


@pytest.mark.parametrize(
    ('arguments', 'error', 'words'),
    [
        ({'mean': [0.5]}, ValueError, r'mean.*\[0\.5\]'),
        ({'std': 1.0}, ValueError, 'std'),
        ({'std': [1, 0, 1]}, ValueError, 'std must be positive'),
        ({'to_rgb': True}, TypeError, 'to_rgb'),
    ],
)
def test_wrong_arguments(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        MODELS.build(dict(type='FramesDataPreprocessor', **arguments))
