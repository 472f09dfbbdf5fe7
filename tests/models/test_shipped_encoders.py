"""The encoders of all configs at full size: both backends, outputs and gradients.

Minutes long, so behind the marker `slow`; small versions are tested everywhere else.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from tests.models.common import randomise
from videomac.models import RandomPatchMasking
from videomac.registry import MODELS
from videomac.sparse import MaskedDense, PatchGrid, PatchSparse, SparseBackend
from videomac.utils.paths import configs_root

CONFIGS = sorted((configs_root() / 'videomac').glob('*_ytvos.py'))


def run(
    backend: SparseBackend, encoder: nn.Module, images: Tensor, grid: PatchGrid
) -> tuple[Tensor, dict[str, Tensor]]:
    """Latent of an encoder, and gradients of a random projection of it."""
    encoder.zero_grad()
    latent = backend.encode(encoder, images, grid)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(latent.shape, generator=generator, dtype=torch.float64)
    (latent * weight.to(latent)).sum().backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in encoder.named_parameters()
        if parameter.grad is not None
    }
    return latent.detach(), gradients


def error(got: Tensor, expected: Tensor, least: float = 1e-30) -> float:
    """Largest difference, relative to the largest value or at least to ``least``."""
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=least))


@pytest.mark.slow
@pytest.mark.parametrize('checkpointing', [False, True])
@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_backends_agree_at_full_size(path: Path, checkpointing: bool) -> None:
    cfg = Config.fromfile(path)
    init_default_scope('videomac')
    stock = cfg.model.encoder.get('encoder', cfg.model.encoder)  # within OutputStride
    stock.with_cp = checkpointing
    encoder = MODELS.build(cfg.model.encoder)
    # BatchNorm over the few visible cells of the last stage amplifies rounding beyond
    # any fixed tolerance in float32, in both backends alike: there float64 decides.
    batch_norm = any(isinstance(m, nn.BatchNorm2d) for m in encoder.modules())
    kind, tolerance = (torch.float64, 1e-9) if batch_norm else (torch.float32, 1e-5)
    randomise(encoder)
    encoder.to(kind).train()
    torch.manual_seed(0)
    size = cfg.image_size
    images = torch.randn(2, 3, size, size, dtype=kind)
    patch_size = cfg.model.masking.patch_size
    for grid in RandomPatchMasking(patch_size, 0.75, symmetric=False)(2, (size, size)):
        got, gradients = run(PatchSparse(), encoder, images, grid)
        expected, references = run(MaskedDense(), encoder, images, grid)
        assert error(got, expected) < tolerance
        assert gradients.keys() == references.keys()
        # A bias that the next BatchNorm takes out again has no gradient but rounding.
        least = 1e-3 * max(float(g.abs().max()) for g in references.values())
        for name, gradient in gradients.items():
            assert error(gradient, references[name], least) < tolerance, name
