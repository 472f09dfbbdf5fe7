"""Costs of the rivals' encoders follow from widths, depths and numbers of tokens."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.models.utils.sparse_modules import SparseHelper

from videomac.analysis import dense_multiply_adds
from videomac.analysis.rival_cost import is_rival, rival_cost
from videomac.registry import MODELS
from videomac.utils import configs_root

CONFIGS = {
    path.name.split('_')[0]: path for path in (configs_root() / 'rivals').glob('*')
}


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('videomac')


def vit(dim: int, tokens: int) -> int:
    """Multiply-adds of 12 layers, and of 196 patches of 16x16 pixels."""
    layer = 12 * tokens * dim**2 + 2 * tokens**2 * dim
    return 12 * layer + 196 * 768 * dim


@pytest.mark.parametrize(
    ('method', 'dim', 'visible'),
    [
        ('mae', 768, 49),
        ('rcmae', 384, 49),
        ('siammae', 384, 9),
        ('cropmae', 384, 2),
    ],
)
def test_vits(method: str, dim: int, visible: int) -> None:
    config = Config.fromfile(CONFIGS[method])
    assert is_rival(config.model)
    parameters, dense, masked = rival_cost(config.model, config.image_size)
    assert (dense, masked) == (vit(dim, 197), vit(dim, 1 + visible))
    blocks = 12 * (12 * dim**2 + 13 * dim)
    assert parameters == blocks + 2 * dim + 769 * dim + 198 * dim


def test_resnet() -> None:
    config = Config.fromfile(CONFIGS['spark'])
    before = SparseHelper._cur_active
    parameters, dense, masked = rival_cost(config.model, config.image_size)
    stock = MODELS.build(dict(type='mmpretrain.ResNet', depth=50))
    assert parameters == sum(p.numel() for p in stock.parameters())
    assert dense == dense_multiply_adds(stock)['Global']
    assert masked is None
    assert SparseHelper._cur_active is before


def test_others_are_not_counted_here() -> None:
    assert not is_rival(Config.fromfile(CONFIGS['fcmae']).model)
