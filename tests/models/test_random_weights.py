"""'none' means random weights, whatever a config names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch import Tensor

from tests.tools.test_train_cli import load_tool
from videomac.apis import Propagator
from videomac.engine import image_evaluation
from videomac.models.random_weights import choose_weights, untrained
from videomac.registry import MODELS
from videomac.utils import find_config, tools_root

test = load_tool(tools_root() / 'test.py')
affinity = load_tool(tools_root() / 'visualization' / 'vis_affinity.py')
DAVIS = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017.py'


def test_what_names_weights_goes_and_all_else_stays() -> None:
    drawn = dict(type='TruncNormal', layer=['Conv2d'], std=0.02)
    for network, expected in (
        (dict(pretrained=True, depth=18), dict(pretrained=None, depth=18)),
        (
            dict(init_cfg=dict(type='Pretrained', checkpoint='a.pth', prefix='x')),
            dict(init_cfg=dict(type='Pretrained', checkpoint=None, prefix='x')),
        ),
        (
            dict(parts=(dict(weights='DEFAULT'), dict(checkpoint_path='b.pth'))),
            dict(parts=(dict(weights=None), dict(checkpoint_path=None))),
        ),
    ):
        given = ConfigDict(network=network)
        assert untrained(given) == dict(network=expected)
        assert given == dict(network=network)
    own = dict(init_cfg=[drawn], pretrained=False, weights='', out_indices=(0, 1))
    assert untrained(own) == own


def tensors(backbone: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of a network that is built with a fixed seed."""
    init_default_scope('videomac')
    torch.manual_seed(0)
    network: Any = MODELS.build(backbone).network
    found: dict[str, Tensor] = network.state_dict()
    return found


def test_weights_of_an_init_cfg(tmp_path: Path) -> None:
    """They are loaded where nothing is said, and not where 'none' is."""
    network = dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1], channels=[4, 8]))
    bare = dict(type='FeatureExtractor', network=network)
    saved = {name: torch.full_like(x, 0.5) for name, x in tensors(bare).items()}
    path = str(tmp_path / 'half.pth')
    torch.save({'state_dict': saved}, path)
    named = dict(type='Pretrained', checkpoint=path)
    own = dict(bare, network=dict(network, init_cfg=named))
    assert all((value == 0.5).all() for value in tensors(own).values())
    random = tensors(choose_weights(own, 'none'))
    nothing = dict(bare, network=dict(network, init_cfg=dict(named, checkpoint=None)))
    expected = tensors(nothing)
    assert all(torch.equal(value, expected[name]) for name, value in random.items())
    convolution = random['downsample_layers.0.0.weight']
    assert convolution.unique().numel() > convolution.numel() // 2
    chosen = choose_weights(bare, path)
    assert all((value == 0.5).all() for value in tensors(chosen).values())


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A config of propagation whose network names weights that are not there."""
    cfg = Config.fromfile(find_config(DAVIS))
    cfg.model.backbone.checkpoint = 'no/such.pth'
    cfg.model.backbone.network.init_cfg = dict(
        type='Pretrained', checkpoint='no/other.pth'
    )
    cfg.dump(tmp_path / 'c.py')
    return str(tmp_path / 'c.py')


def test_every_tool_means_the_same(config: str) -> None:
    args = test.build_parser().parse_args([config, 'none'])
    backbones = [test.merge_args(Config.fromfile(config), args).model.backbone]
    line = affinity.build_parser().parse_intermixed_args([config, 'none', 'a', 'b'])
    backbones.append(affinity.extractor_config(Config.fromfile(config), line))
    for backbone in backbones:
        assert backbone == untrained(Config.fromfile(config).model.backbone)
        assert affinity.weights_note(backbone) == 'random weights'
    expected = tensors(backbones[0])
    model: Any = Propagator.from_config(config, 'none', device='cpu').model
    found = model.backbone.network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    with pytest.raises(FileNotFoundError, match=r'no/other\.pth'):
        Propagator.from_config(
            config, options={'model.backbone.checkpoint': None}, device='cpu'
        )


def test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier is random as well, whatever its config would load."""
    made = []

    class Runner:
        """Notes the config that it is built from."""

        def __init__(self, cfg: Config) -> None:
            made.append(cfg)
            self.model = torch.nn.Module()
            self.model.init_weights = lambda: None  # type: ignore[assignment]

        from_cfg = classmethod(lambda cls, cfg: cls(cfg))

        def test(self) -> dict[str, float]:
            return {}

    monkeypatch.setattr(image_evaluation, 'Runner', Runner)
    cfg = Config.fromfile(find_config('finetune/demo.py'))
    cfg.load_from = 'other.pth'
    cfg.pop('runner_type', None)
    image_evaluation.evaluate_images(cfg, 'none')
    assert made[0].model.backbone.init_cfg.checkpoint is None
    assert made[0].load_from is None
