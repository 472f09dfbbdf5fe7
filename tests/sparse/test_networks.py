"""Whole encoders on visible patches: stock ones and those of the package."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.utils.checkpoint
from mmpretrain.models import ConvNeXt
from torch import Tensor, nn

from tests.sparse.networks import (
    BATCH_NORM,
    NETWORKS,
    V1,
    build,
    distance,
    gradients_of,
    images,
    ragged,
)
from videomac.sparse import (
    MaskedDense,
    PatchGrid,
    PatchSparse,
    SparseBackend,
    UnsupportedOperationError,
)

BACKENDS: tuple[SparseBackend, ...] = (PatchSparse(), MaskedDense())
every = pytest.mark.parametrize('name', NETWORKS)
backends = pytest.mark.parametrize('backend', BACKENDS, ids=lambda b: type(b).__name__)
#: One of each family where all of them would say the same.
SOME = ('convnext_v1', 'convnext_v2', 'resnet18', 'resnet50')


def train_step(
    network: nn.Module,
    backend: SparseBackend,
    batch: Tensor,
    grid: PatchGrid,
) -> tuple[Tensor, list[Tensor]]:
    """Latent and gradients of a loss in which all of it counts."""
    latent = backend.encode(network, batch, grid)
    weights = torch.linspace(-1, 1, latent.numel(), dtype=latent.dtype)
    (latent.flatten() * weights).sum().backward()
    return latent.detach(), gradients_of(network)


def assert_near(
    found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float
) -> None:
    """Compare tensors, each relative to the largest of its values."""
    scale = max(float(e.abs().max()) for e in expected)
    for a, b in zip(found, expected, strict=True):
        limit = tolerance * max(float(b.abs().max()), tolerance * scale)
        assert float((a - b).abs().max()) <= limit + 1e-300


@every
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_all_visible_is_the_dense_network(name: str, training: bool) -> None:
    # The dense GRN is that of each image, so the batch form needs a batch of one.
    batch = images(torch.float32)[: 1 if 'batch_grn' in name else 2]
    # One cell a patch and few patches: too few values for single-precision BatchNorm.
    dtype = torch.float64 if training and name in BATCH_NORM else torch.float32
    network = build(name, dtype, training)
    other = copy.deepcopy(network)
    grid = PatchGrid.full(len(batch), (96, 64), 32)
    with torch.no_grad():
        sparse = PatchSparse().encode(network, batch.to(dtype), grid)
        dense = other(batch.to(dtype))[-1]
    assert sparse.shape == dense.shape
    assert distance(sparse, dense) < 1e-5
    for mine, theirs in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@every
def test_patches_are_the_masked_dense_network(name: str) -> None:
    grid, batch = ragged(), images()
    network = build(name)
    other = copy.deepcopy(network)
    latent, grads = train_step(network, PatchSparse(), batch, grid)
    expected, expected_grads = train_step(other, MaskedDense(), batch, grid)
    assert distance(latent, expected) < 1e-9
    assert_near(grads, expected_grads, 1e-9)
    for mine, theirs in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)
    masked = ~grid.cell_mask(latent.shape[2] // 3, latent.shape[3] // 2)
    assert not latent.permute(0, 2, 3, 1)[masked].any()
    network.eval()
    other.eval()
    with torch.no_grad():
        assert (
            distance(
                PatchSparse().encode(network, batch, grid),
                MaskedDense().encode(other, batch, grid),
            )
            < 1e-9
        )


@pytest.mark.parametrize('name', [n for n in NETWORKS if n not in BATCH_NORM])
def test_patches_are_the_masked_dense_network_in_single_precision(name: str) -> None:
    grid, batch = ragged(), images(torch.float32)
    network = build(name, torch.float32)
    latent, grads = train_step(network, PatchSparse(), batch, grid)
    other = build(name, torch.float32)
    expected, expected_grads = train_step(other, MaskedDense(), batch, grid)
    assert distance(latent, expected) < 1e-4
    norm = torch.cat([g.flatten() for g in expected_grads]).norm()
    for a, b in zip(grads, expected_grads, strict=True):
        assert float((a - b).norm()) < 1e-4 * float(b.norm()) + 1e-6 * float(norm)


@every
@backends
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_masked_pixels_do_not_leak(
    name: str, backend: SparseBackend, training: bool
) -> None:
    grid, batch = ragged(), images(torch.float32)
    network = build(name, torch.float32, training)
    masked = ~grid.cell_mask(32, 32)[:, None]
    latents = []
    with torch.no_grad():
        for value in (None, 0.0, 1e4, float('nan')):
            same = copy.deepcopy(network) if training else network
            changed = batch if value is None else batch.masked_fill(masked, value)
            latents.append(backend.encode(same, changed, grid))
    assert latents[0].isfinite().all()
    for latent in latents[1:]:
        assert torch.equal(latent, latents[0])


@backends
@pytest.mark.parametrize('rate', [0.0, 0.5])
@pytest.mark.parametrize('name', [*SOME, 'released_convnext', 'isotropic'])
def test_checkpointing(name: str, rate: float, backend: SparseBackend) -> None:
    grid, batch = ragged(), images()
    results = []
    for with_cp in (False, True):
        network = build(name, with_cp=with_cp, drop_path_rate=rate)
        torch.manual_seed(5)
        latent, grads = train_step(network, backend, batch, grid)
        results.append([latent, *grads])
    assert_near(results[1], results[0], 1e-12)
    if rate:
        still = build(name, training=False, drop_path_rate=rate)
        assert distance(results[0][0], backend.encode(still, batch, grid).detach()) > 0.01


@every
def test_autocast_to_bfloat16(name: str) -> None:
    grid, batch = ragged(), images(torch.float32)
    network = build(name, torch.float32, training=False)
    with torch.no_grad():
        expected = PatchSparse().encode(network, batch, grid)
    with torch.autocast('cpu', torch.bfloat16):
        latent = PatchSparse().encode(network, batch, grid)
    latent.float().square().sum().backward()
    assert (latent.float() - expected).norm() < 0.05 * expected.norm()
    for grad in gradients_of(network):
        assert grad.dtype == torch.float32
        assert grad.isfinite().all()


@backends
@pytest.mark.parametrize('name', [*SOME, 'released_convnext_batch_grn', 'isotropic'])
def test_two_masks_in_flight(name: str, backend: SparseBackend) -> None:
    options: dict[str, Any] = {'with_cp': True} if name in SOME else {}
    first = (images(seed=1), ragged(seed=1))
    second = (images(seed=2), ragged(seed=2))
    assert not torch.equal(first[1].visible, second[1].visible)
    network = build(name, **options)
    latents = [backend.encode(network, *pair) for pair in (first, second)]
    loss = latents[0].sin().sum() + latents[1].cos().sum()
    loss.backward()
    sums = [torch.zeros_like(p) for p in network.parameters()]
    for i, pair in enumerate((first, second)):
        alone = build(name, **options)
        latent = backend.encode(alone, *pair)
        (latent.cos() if i else latent.sin()).sum().backward()
        sums = [s + g for s, g in zip(sums, gradients_of(alone), strict=True)]
    assert_near(gradients_of(network), sums, 1e-10)


@backends
def test_checkpoint_of_dense_calls_is_restored(backend: SparseBackend) -> None:
    before = torch.utils.checkpoint.checkpoint
    backend.encode(build('convnext_v2', with_cp=True), images(), ragged())
    assert torch.utils.checkpoint.checkpoint is before
    with pytest.raises(ValueError, match='patch_size'):
        backend.encode(build('convnext_v2', with_cp=True), images(), ragged(16))
    assert torch.utils.checkpoint.checkpoint is before


@every
@backends
def test_a_batch_of_which_nothing_is_visible(name: str, backend: SparseBackend) -> None:
    # BatchNorm has no statistics then, and raises in training as it does in torch.
    network = build(name, training=name not in BATCH_NORM)
    grid = PatchGrid.from_mask(torch.zeros(2, 3, 2, dtype=torch.bool), 32)
    latent, grads = train_step(network, backend, images(), grid)
    assert len(grads) == len(list(network.parameters()))
    for value in (latent, *grads):
        assert torch.equal(value, torch.zeros_like(value))


@backends
@pytest.mark.parametrize('name', SOME)
def test_patch_smaller_than_the_stride(name: str, backend: SparseBackend) -> None:
    said = r'stride 2 .*1 cell.*patch_size of 16 pixels.*at least 32'
    with pytest.raises(ValueError, match=said):
        backend.encode(build(name), images(), ragged(16))


@backends
@pytest.mark.parametrize('patch_size', [16, 32])
def test_small_patches_of_the_isotropic_network(
    patch_size: int, backend: SparseBackend
) -> None:
    latent = backend.encode(build('isotropic'), images(), ragged(patch_size))
    assert latent.shape == (2, 32, 6, 4)


@backends
def test_encoder_that_pools(backend: SparseBackend) -> None:
    pooled = ConvNeXt(**{**V1, 'gap_before_final_norm': True}).double()
    with pytest.raises(TypeError, match=r'ConvNeXt .*\(2, 64\).*gap_before_final_norm'):
        backend.encode(pooled, images(), ragged())
    head = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(TypeError, match='must return a feature map'):
        backend.encode(head.double(), images(), ragged())


@backends
def test_several_feature_maps(backend: SparseBackend) -> None:
    several = build('resnet18', out_indices=(0, 1, 2, 3))
    single = build('resnet18')
    expected = backend.encode(single, images(), ragged())
    assert torch.equal(backend.encode(several, images(), ragged()), expected)


class OwnCheckpointing(nn.Module):
    """A network that checkpoints by a name imported early, as timm's networks do."""

    def __init__(self, final: bool, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.scale = nn.Parameter(torch.full((8, 1, 1), 1.5))
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.block = nn.Conv2d(8, 8, 3, 1, 1)
        self.final = nn.Conv2d(8, 8, 1) if final else nn.Identity()
        self.checkpoint: Any = torch.utils.checkpoint.checkpoint

    def forward(self, x: Any) -> Any:
        """Run the block in a checkpoint."""
        x = self.stem(x) * self.scale  # what is put off, not to be done in one run only
        x = self.checkpoint(self._forward, x, use_reentrant=self.reentrant)
        return self.final(x)

    def _forward(self, x: Any) -> Any:
        return self.block(x).sigmoid()


@backends
@pytest.mark.parametrize('reentrant', [False, True])
@pytest.mark.parametrize('final', [False, True])
def test_early_imported_checkpointing_keeps_the_gradient(
    backend: SparseBackend, final: bool, reentrant: bool
) -> None:
    network = OwnCheckpointing(final, reentrant).double()
    backend.encode(network, images(), ragged()).sum().backward()
    got = {n: p.grad for n, p in network.named_parameters()}
    network.zero_grad()
    network.checkpoint = lambda f, x, use_reentrant: f(x)
    backend.encode(network, images(), ragged()).sum().backward()
    for name, parameter in network.named_parameters():
        assert got[name] is not None, name
        torch.testing.assert_close(got[name], parameter.grad)


class _Swish(torch.autograd.Function):
    """As networks have it that save memory."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grads[0] * (x.sigmoid() * (1 + x * (1 - x.sigmoid())))


class Swish(nn.Module):
    def forward(self, x: Any) -> Any:
        return _Swish.apply(x)


@backends
def test_autograd_functions_of_a_network(backend: SparseBackend) -> None:
    """Refused on maps, whose gradient they would lose; tensors may pass."""
    network = nn.Sequential(nn.Conv2d(3, 4, 4, 4), Swish(), nn.Conv2d(4, 4, 1)).double()
    with pytest.raises(UnsupportedOperationError, match=r"'_Swish\.apply'.* in 1 \(Swi"):
        backend.encode(network, images(), ragged())
    value = torch.ones(2, requires_grad=True)
    Swish()(value).sum().backward()
    assert value.grad is not None

    class Gated(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * Swish()(self.bias)[:, None, None]

    gated = Gated(3, 4, 4, 4).double()
    backend.encode(gated, images(), ragged()).sum().backward()
    assert gated.bias is not None
    assert gated.bias.grad is not None


@backends
def test_lost_gradients_are_noticed(backend: SparseBackend) -> None:
    class NoGradient(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                return super().forward(x)

    with pytest.raises(RuntimeError, match='gradient was lost inside NoGradient'):
        backend.encode(NoGradient(3, 4, 4, 4).double(), images(), ragged())
