"""Does a network compute on sparse maps what it should? The checks behind the table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .backends import MaskedDense, PatchSparse, SparseBackend
from .module_path import module_path
from .patch_grid import PatchGrid

__all__ = ['CHECKS', 'Verdict', 'ragged_grid', 'randomise', 'verify_encoder']

#: The checks in their order, and what each of them says.
CHECKS = {
    'runs': 'the unchanged network runs on a sparse map and returns one',
    'dense': 'with all patches visible it computes what it does on ordinary tensors',
    'masked': 'with different numbers of visible patches in each image it computes what '
    'the slow reference does, a dense tensor and its mask',
    'backward': 'so do the gradients of all its parameters',
    'no leak': 'other values in masked pixels, NaN among them, change nothing; masked '
    'cells of the output are exactly zero',
}

#: Gradients of parameters are compared as if none were smaller than this share of the
#: largest: that of a bias before a BatchNorm is zero but for rounding.
_FLOOR = 1e-4
#: Largest difference, relative to the largest value, that double precision explains.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verdict:
    """What came out of the checks of one network.

    Attributes:
        passed: Names of the checks that it passed.
        reason: Why it failed the first that it did not; empty if it passed all.
    """

    passed: tuple[str, ...]
    reason: str = ''

    @property
    def green(self) -> bool:
        """Whether it passed all checks."""
        return len(self.passed) == len(CHECKS)


def ragged_grid(patch_size: int, shape: tuple[int, int] = (2, 3)) -> PatchGrid:
    """Draw a mask for three images with 1/2, 1/2 + 1 and 1/3 of their patches."""
    rows, cols = shape
    order = torch.rand(3, rows * cols, generator=torch.Generator().manual_seed(2))
    half = rows * cols // 2
    counts = torch.tensor([half, half + 1, max(rows * cols // 3, 1)])
    visible = order.argsort(1) < counts[:, None]
    return PatchGrid.from_mask(visible.view(3, rows, cols), patch_size)


def randomise(network: nn.Module) -> None:
    """Draw all parameters so that none of them has no effect.

    Many networks begin with layers that are scaled by zero, in which any error hides.
    """
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if parameter.dim() > 1:
            parameter.data = noise / math.sqrt(max(parameter[0].numel(), 1))
        else:
            parameter.data = parameter.data.double() + 0.2 * noise


def _prepare(network: nn.Module) -> nn.Module:
    """Make the network double precision, in training mode, but for what is random."""
    randomise(network)
    network.double().train()
    for module in network.modules():
        if 'Drop' in type(module).__name__:
            module.eval()
    return network


def _step(
    network: nn.Module, backend: SparseBackend, images: Tensor, grid: PatchGrid
) -> tuple[Tensor, list[Tensor | None]]:
    """Latent and gradients of a loss in which all of it counts."""
    network.zero_grad()
    torch.manual_seed(0)
    latent = backend.encode(network, images, grid)
    weights = torch.linspace(-1, 1, latent.numel(), dtype=latent.dtype).sin()
    (latent.flatten() * weights).sum().backward()
    return latent.detach(), [p.grad for p in network.parameters()]


def _distance(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest value; infinite for NaN."""
    if found.shape != expected.shape:
        return math.inf
    scale = float(expected.abs().max().clamp(min=1e-300))
    far = float((found - expected).abs().max()) / scale
    return math.inf if math.isnan(far) else far


def _gradient_distance(
    found: list[Tensor | None], expected: list[Tensor | None]
) -> float:
    """Largest distance of the gradients of a parameter."""
    known = [g for g in expected if g is not None]
    floor = _FLOOR * max(float(g.abs().max()) for g in known)
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        if a is None or b is None:
            worst = worst if a is b else math.inf
            continue
        far = float((a - b).abs().max()) / max(float(b.abs().max()), floor)
        worst = max(worst, math.inf if math.isnan(far) else far)
    return worst


def _leaks(
    network: nn.Module, images: Tensor, grid: PatchGrid, latent: Tensor
) -> str | None:
    """Say how masked pixels show in the latent, if they do."""
    masked = ~grid.cell_mask(grid.patch_size, grid.patch_size)[:, None]
    for value in (1e3, float('nan')):
        changed, _ = _step(
            network, PatchSparse(), images.masked_fill(masked, value), grid
        )
        if not torch.equal(changed, latent):
            return f'masked pixels of {value} change the output'
    cells = grid.check_map(latent)
    if latent.permute(0, 2, 3, 1)[~grid.cell_mask(*cells)].any():
        return 'masked cells of the output are not zero'
    return None


def explain(error: Exception, network: nn.Module) -> str:
    """Say in a line what failed and in which module, without sizes of maps."""
    text = str(error).split(' This was in ')[0] or type(error).__name__
    text = re.split(r'\. The supported operations|\. Use |, so its output', text)[0]
    text = re.sub(r'\w+\(shape=\([\d, ]+\).*?device=\w+\)+', 'the map', text)
    path = module_path(network, error.__traceback__)
    place = f', in `{path}`' if path else ''
    return f'{" ".join(text.split())}{place}'


def _why_not(
    error: Exception, network: nn.Module, images: Tensor, grid: PatchGrid
) -> str:
    """Explain an error; if it is but of the double precision, the one in single."""
    if 'type (float)' in str(error):
        try:
            PatchSparse().encode(network.float(), images.float(), grid)
        except Exception as other:
            return explain(other, network)
    return explain(error, network)


def verify_encoder(
    build: Callable[[], nn.Module],
    patch_size: int = 32,
    shape: tuple[int, int] = (2, 3),
    tolerance: float = TOLERANCE,
) -> Verdict:
    """Check one network in double precision, in training mode.

    Args:
        build: Makes the network.
        patch_size: Side of the patches in pixels.
        shape: Rows and columns of patches of the images.
        tolerance: Largest difference relative to the largest value.

    Returns:
        The verdict; checks that come after a failed one were not made, except those
        that do not depend on it.
    """
    network = _prepare(build())
    grid = ragged_grid(patch_size, shape)
    images = torch.randn(
        (3, 3, *grid.image_size),
        generator=torch.Generator().manual_seed(1),
        dtype=torch.float64,
    )
    try:
        latent, grads = _step(network, PatchSparse(), images, grid)
    except Exception as error:
        return Verdict((), _why_not(error, network, images, grid))
    passed, reasons = ['runs'], []

    def note(check: str, reason: str | None) -> None:
        if reason is None:
            passed.append(check)
        else:
            reasons.append(reason)

    def near(far: float, what: str) -> str | None:
        if far <= tolerance:
            return None
        size = 'infinitely' if math.isinf(far) else f'by 1e{math.ceil(math.log10(far))}'
        return f'{what} differs {size}'

    full = PatchGrid.full(3, grid.image_size, patch_size)
    try:
        torch.manual_seed(0)
        with torch.no_grad():
            whole, dense = PatchSparse().encode(network, images, full), network(images)
        dense = dense[-1] if isinstance(dense, list | tuple) else dense
        if dense.shape[1] != whole.shape[1]:  # networks that show channels last
            dense = dense.permute(0, 3, 1, 2)
        note('dense', near(_distance(whole, dense), 'the output with all visible'))
        expected, expected_grads = _step(network, MaskedDense(), images, grid)
        note('masked', near(_distance(latent, expected), 'the output'))
        note('backward', near(_gradient_distance(grads, expected_grads), 'a gradient'))
        note('no leak', _leaks(network, images, grid, latent))
    except Exception as error:
        reasons.append(explain(error, network))
    return Verdict(tuple(passed), '; '.join(reasons))
