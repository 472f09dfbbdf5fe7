"""Graphs of ONNX, run by onnxruntime, give the features of the networks they are of."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.checkpoints import layouts, reference
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints import check_onnx, encoder_config, hash_tensors, to_onnx
from videomac.registry import MODELS
from videomac.utils import tools_root

onnx = pytest.importorskip('onnx')
runtime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
convert = load_tool(tools_root() / 'model_converters' / 'convert.py')

CONVNEXT = dict(depths=[1, 1, 1, 1], channels=[8, 12, 16, 20])
VIT = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
CASES: dict[str, dict[str, Any]] = {
    'released V2': dict(type='ReleasedConvNeXt', arch=CONVNEXT),
    'isotropic': dict(type='IsotropicConvNeXt', depth=2, dim=24, stem_patch_size=16),
    'demo': dict(
        type='mmpretrain.ConvNeXt',
        arch=dict(depths=[1, 1], channels=[8, 12]),
        stem_patch_size=8,
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=False,
        out_indices=[1],
    ),
    'V1': dict(type='mmpretrain.ConvNeXt', arch=CONVNEXT, gap_before_final_norm=False),
    'resnet18': dict(type='mmpretrain.ResNet', depth=18),
    'released resnet18': dict(type='ReleasedResNet', depth=18),
    'ViT': dict(
        type='mmpretrain.VisionTransformer',
        arch=VIT,
        img_size=32,
        patch_size=8,
        out_type='featmap',
    ),
}
SLOW = ('V1', 'released resnet18')


def run(path: Path, images: Tensor) -> Tensor:
    """Compute features with onnxruntime."""
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    (features,) = session.run(['features'], {'images': images.numpy()})
    return torch.from_numpy(features)


def equal(got: Tensor, expected: Tensor) -> bool:
    """To 1e-4 of the largest feature, and of the same shape."""
    assert expected.std() > 0.01
    assert got.shape == expected.shape
    return bool((got - expected).abs().max() <= 1e-4 * expected.abs().max())


def random_network(config: dict[str, Any]) -> nn.Module:
    """Build a network with random parameters and statistics."""
    torch.manual_seed(0)
    network: nn.Module = MODELS.build(config)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(0.05 * torch.randn_like(value))
                if name.endswith('running_var'):
                    value.add_(1)
    network.eval()  # mmpretrain's ConvNeXt returns nothing here
    return network


@pytest.mark.parametrize(
    'case',
    [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in CASES],
)
def test_features(case: str, tmp_path: Path) -> None:
    """From the command line, in batches and sizes that the graph was not made with."""
    network = random_network(CASES[case])
    path, graph = tmp_path / 'encoder.pth', tmp_path / 'encoder.onnx'
    torch.save(network.state_dict(), path)
    given = ['--num-heads', '2'] if case == 'ViT' else ['--image-size', '64']
    convert.main(['auto', str(path), str(graph), '--to', 'onnx', *given])
    # A ViT has a position embedding of one size.
    sizes = [(32, 32)] if case == 'ViT' else [(64, 64), (96, 32), (75, 130)]
    for batch, (height, width) in enumerate(sizes, 3):
        images = torch.randn(batch, 3, height, width)
        with torch.no_grad():
            expected = network(images)[-1]
        assert equal(run(graph, images), expected)


def test_an_official_checkpoint_keeps_its_meaning(tmp_path: Path) -> None:
    """In the layout of ConvNeXt V2's authors, with a statement of that network."""
    state = {k: v.float() for k, v in layouts.convnext(layouts.FACEBOOK, True).items()}
    path, graph = tmp_path / 'convnextv2.pth', tmp_path / 'encoder.onnx'
    torch.save({'model': state}, path)
    command = ['auto', str(path), str(graph), '--to', 'onnx', '--image-size', '64']
    convert.main(command)
    images = torch.randn(2, 3, 64, 96)
    doubles = {name: value.double() for name, value in state.items()}
    expected = reference.convnext(doubles, layouts.FACEBOOK, images.double(), last=True)
    assert equal(run(graph, images), expected.float())
    model = onnx.load(graph)
    onnx.checker.check_model(model)
    (text,) = (item.value for item in model.metadata_props if item.key == 'videomac')
    header = json.loads(text)
    assert header['architecture'] == 'mmpretrain.ConvNeXt'
    assert header['source_format'] == 'convnext'
    assert header['mean'] == [123.675, 116.28, 103.53]
    assert len(header['sha256']) == 64
    with pytest.raises(SystemExit, match='exists; give --force'):
        convert.main(command)


def test_network_that_only_its_config_tells(tmp_path: Path) -> None:
    """It is asked for, and then the graph is made."""
    config = dict(type='mmpretrain.VGG', depth=11, norm_cfg=dict(type='BN'))
    network = random_network(config)
    path, graph = tmp_path / 'run.pth', tmp_path / 'encoder.onnx'
    state = {f'encoder.{name}': value for name, value in network.state_dict().items()}
    torch.save({'state_dict': state | {'decoder.mask_token': torch.zeros(1)}}, path)
    command = ['videomac', str(path), str(graph), '--to', 'onnx', '--image-size', '64']
    with pytest.raises(SystemExit, match='give its --config'):
        convert.main(command)
    (tmp_path / 'run.py').write_text(f'model = dict(encoder={config})\n')
    convert.main([*command, '--config', str(tmp_path / 'run.py')])
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert equal(run(graph, images), network(images)[-1])
    (tmp_path / 'run.py').write_text('model = dict(loss=1)\n')
    with pytest.raises(SystemExit, match=r'--config .*run\.py.*has no encoder.*loss'):
        convert.main([*command, '--config', str(tmp_path / 'run.py')])


def test_a_graph_of_other_features_is_refused() -> None:
    config = CASES['isotropic']
    network = random_network(config)
    state = network.state_dict()
    data = to_onnx(state, config, {'note': 'plain'}, 32)
    props = onnx.load_from_string(data).metadata_props
    assert json.loads(props[0].value) == {'note': 'plain', 'sha256': hash_tensors(state)}

    class Last(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            last: Tensor = network(images)[-1]
            return last

    check_onnx(data, Last(), 32)
    with torch.no_grad():
        state['norm0.bias'][3] += 0.01
    with pytest.raises(ValueError, match=r'other features than torch for 32 by 32'):
        check_onnx(data, Last(), 32)


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that do not fit, packages that are not there, networks too large."""
    src = str(tmp_path / 'a.pth')
    for name, more in (('a.onnx', []), ('a.pth', ['--to', 'onnx'])):
        with pytest.raises(SystemExit, match=r'\.onnx goes with --to onnx'):
            convert.main(['auto', src, str(tmp_path / name), *more])
    config = CASES['isotropic']
    state = random_network(config).state_dict()
    assert encoder_config(state) == config
    huge = torch.zeros(1).expand(2**29)
    silent = CASES['demo'] | dict(out_indices=[])
    weights = random_network(silent).state_dict()
    with pytest.raises(ValueError, match=r'torch cannot make a graph .* index out of'):
        to_onnx(weights, silent, {})
    with pytest.raises(ValueError, match='2 GiB'):
        to_onnx({'huge': huge}, config, {})
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(ValueError, match=r"'onnxscript': pip install onnx onnxscript"):
        to_onnx(state, config, {})
