"""The dense encoder as a graph of ONNX, compared with the network that it was made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.utils import to_2tuple
from torch import Tensor, nn

from ..registry import MODELS
from .files import header_text

__all__ = ['check_onnx', 'to_onnx']

#: Largest difference that a runtime may make, relative to the largest feature.
TOLERANCE = 1e-4
#: A file of protocol buffers can hold no more.
MOST_BYTES = 2**31


class _LastMap(nn.Module):
    """An encoder that returns its last map alone."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        maps = self.encoder(images)
        last: Tensor = maps[-1] if isinstance(maps, (tuple, list)) else maps
        return last


def _need(*names: str) -> list[Any]:
    """Import packages that only ONNX needs."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        raise ValueError(
            f"the export to ONNX needs the package '{error.name}': "
            'pip install onnx onnxscript onnxruntime'
        ) from error


def to_onnx(
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    header: Mapping[str, Any],
    image_size: int = 224,
    dense: Callable[[nn.Module], nn.Module] = _LastMap,
) -> bytes:
    """Make the bytes of a file from an encoder.

    The graph takes ``images`` [B, 3, H, W], normalised, in float32, and returns
    ``features`` [B, C, h, w], the last map of the encoder. B, H and W are free; but H and
    W are fixed where the network has a place for each position, as a ViT has.

    Args:
        state: State dict of the encoder.
        config: Its config, see :func:`videomac.checkpoints.encoder_config`.
        header: Plain data, stored as JSON in the metadata of the graph, under
            ``videomac``, with the hash of the tensors as ``sha256``.
        image_size: Height and width of the images with which the graph is made, in
            pixels; a network that knows its own is given that.
        dense: Makes of the encoder a network from images to one map; by default the last
            of what the encoder returns is that map.

    Raises:
        ValueError: If a package is missing, the network is too large or torch cannot
            export it, or onnxruntime computes other features than torch.
    """
    onnx, _, _ = _need('onnx', 'onnxscript', 'onnxruntime')
    if sum(value.numel() * 4 for value in state.values()) >= MOST_BYTES:
        raise ValueError('the encoder has 2 GiB of weights; a file of ONNX holds less')
    encoder: nn.Module = MODELS.build(dict(config))
    encoder.load_state_dict(state)
    encoder.eval()  # mmpretrain's ConvNeXt returns nothing here
    network = dense(encoder).eval()
    size = to_2tuple(getattr(encoder, 'img_size', image_size))
    graph = _trace(network, size)
    onnx.helper.set_model_props(graph, {'videomac': header_text(header, state)})
    data: bytes = graph.SerializeToString()
    check_onnx(data, network, size)
    return data


def _trace(network: nn.Module, size: Sequence[int]) -> Any:
    """Make the graph, with what sizes of images the network leaves free."""
    names = {0: 'batch', 2: 'height', 3: 'width'}
    try:
        program: Any = torch.onnx.export(
            network,
            (torch.zeros(2, 3, *size),),
            input_names=['images'],
            output_names=['features'],
            dynamo=True,
            dynamic_shapes={
                'images': {axis: torch.export.Dim(name) for axis, name in names.items()}
            },
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(
            f'torch cannot make a graph of this network: {error.__cause__ or error}'
        ) from error
    return program.model_proto


def check_onnx(data: bytes, network: nn.Module, image_size: int | Sequence[int]) -> None:
    """Compare what onnxruntime and torch compute for random images.

    Where the graph leaves the size of the images free, other sizes are tried as well.

    Args:
        data: Bytes of the file.
        network: What it was made of: images to one map.
        image_size: Height and width in pixels, one number if they are equal.

    Raises:
        ValueError: If the features differ by more than 1e-4 of the largest one.
    """
    (runtime,) = _need('onnxruntime')
    session = runtime.InferenceSession(data, providers=['CPUExecutionProvider'])
    (images,) = session.get_inputs()
    height, width = to_2tuple(image_size)
    sizes = [(height, width)]
    if isinstance(images.shape[2], str):
        sizes.append((2 * height, width + 7))
    generator = torch.Generator().manual_seed(0)
    for batch, (height, width) in enumerate(sizes, 1):
        example = torch.randn(batch, 3, height, width, generator=generator)
        (got,) = session.run(None, {images.name: example.numpy()})
        with torch.no_grad():
            expected = network(example)
        error = (torch.from_numpy(got) - expected).abs().max() / expected.abs().max()
        if not error <= TOLERANCE:  # nor if it is NaN
            raise ValueError(
                f'onnxruntime computes other features than torch for {height} by {width} '
                f'pixels: they differ by {error:.1g} of the largest, more than '
                f'{TOLERANCE:g}. The file was not written'
            )
