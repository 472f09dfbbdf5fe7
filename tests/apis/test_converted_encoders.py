"""Converted encoders compute what the run's network computes, whatever its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmpretrain.models import ConvNeXt
from torch import Tensor, nn

from tests.apis.test_encoders_of_runs import IMAGES, convert, save_run
from tests.models.common import SMALL_ARCH, config, randomise
from videomac.apis import load_encoder
from videomac.apis.build import build_network
from videomac.checkpoints import to_bytes
from videomac.registry import MODELS

PLAIN = config()['encoder']
RESNET = dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8)
VIT = dict(embed_dims=48, num_layers=2, num_heads=4, feedforward_channels=96)
#: Settings that no shape tells, or not to this tool.
CASES: dict[str, dict[str, Any]] = {
    'dilated': RESNET | dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
    'epsilon': RESNET | dict(norm_cfg=dict(type='BN', eps=0.1)),
    'pooled shortcut': RESNET | dict(avg_down=True),
    'caffe': RESNET | dict(depth=50, style='caffe'),
    'activation': PLAIN | dict(act_cfg=dict(type='ReLU')),
    'classifier': dict(type='mmpretrain.ConvNeXt', arch=SMALL_ARCH),
    'ViT': dict(
        type='mmpretrain.VisionTransformer',
        arch=VIT,
        img_size=(64, 96),
        patch_size=16,
        norm_cfg=dict(type='LN', eps=0.1),
    ),
}
TIMM = dict(type='mmpretrain.TIMMBackbone', model_name='resnet18')
OWN = dict(type='OwnEncoder', width=8)


class OwnEncoder(nn.Module):
    """A network of somebody's own, with the names of another project's."""

    def __init__(self, width: int, slope: float = 0.3) -> None:
        super().__init__()
        self.slope = slope
        self.stages = nn.ModuleDict({'0': nn.Sequential(nn.Module())})
        block: Any = self.stages['0']
        block[0].dwconv = nn.Conv2d(3, width, 7, stride=4)

    def forward(self, images: Tensor) -> list[Tensor]:
        block: Any = self.stages['0']
        return [nn.functional.leaky_relu(block[0].dwconv(images), self.slope)]


class OwnConvNeXt(ConvNeXt):  # type: ignore[misc]
    """A stock network under another name."""


def register(monkeypatch: pytest.MonkeyPatch, *kinds: type) -> None:
    """Let the registry know classes for the length of a test."""
    MODELS.import_from_location()
    for kind in kinds:
        monkeypatch.setitem(MODELS.module_dict, kind.__name__, kind)


def run_of(path: Path, encoder: dict[str, Any], stored: Any = None) -> Any:
    """Write a run with an encoder, its config spelled ``stored``; return the network."""
    network: Any = build_network(encoder)
    randomise(network)
    state = {f'encoder.{key}': value for key, value in network.state_dict().items()}
    state['decoder.mask_token'] = torch.zeros(1)
    save_run(path, config(encoder=stored or encoder), state)
    network.eval()
    return network


def same(got: Tensor, expected: Tensor) -> None:
    """Compare features that are no zeros."""
    assert expected.std() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def check_files(run: Path, expected: Tensor, *layouts: str) -> None:
    """Compare the features of a run and of files made of it, and of files made of those.

    Args:
        run: The checkpoint.
        expected: Features of ``IMAGES``.
        layouts: What ``--to`` is given.
    """
    same(load_encoder(run)(IMAGES), expected)
    for layout in layouts:
        once, again = (run.with_name(f'{layout}{n}.safetensors') for n in (1, 2))
        pickled = run.with_name(f'{layout}.pth')
        convert.main(['auto', str(run), str(once), '--to', layout])
        convert.main(['auto', str(once), str(pickled)])
        convert.main(['auto', str(pickled), str(again), '--to', 'backbone'])
        for path in (once, pickled, again):
            same(load_encoder(path)(IMAGES), expected)


def check_graph(source: Path, expected: Tensor) -> None:
    """Compare features with those that onnxruntime computes."""
    for package in ('onnx', 'onnxscript'):
        pytest.importorskip(package)
    runtime = pytest.importorskip('onnxruntime')
    graph = source.with_suffix('.onnx')
    command = ['auto', str(source), str(graph), '--to', 'onnx', '--image-size', '64']
    convert.main(command)
    session = runtime.InferenceSession(graph, providers=['CPUExecutionProvider'])
    (got,) = session.run(None, {'images': IMAGES.numpy()})
    same(torch.from_numpy(got), expected)


def features_of(network: Any, case: str) -> Tensor:
    """The map that a trained network means, by its own parts."""
    if case == 'classifier':
        network.gap_before_final_norm = False
    if case == 'ViT':
        network.out_type = 'featmap'
    features: Tensor = network(IMAGES)[-1].detach()
    return features


@pytest.mark.parametrize('case', CASES)
def test_settings_that_no_shape_tells(case: str, tmp_path: Path) -> None:
    pytest.importorskip('safetensors')
    run = tmp_path / 'run.pth'
    network = run_of(run, CASES[case])
    layouts = ['encoder', 'backbone']
    if case in ('activation', 'classifier', 'ViT'):
        layouts.append('timm')
    check_files(run, features_of(network, case), *layouts)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(avg_down=True),
        dict(type='mmpretrain.ResNetV1d'),
        dict(type='mmpretrain.SEResNet', depth=50, se_ratio=8),
    ],
    ids=['plain', 'pooled shortcut', 'deep stem', 'squeeze and excitation'],
)
def test_classifiers_with_relatives_of_the_resnet(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """Some of their keys are those of the ResNet that all projects have, not all."""
    pytest.importorskip('safetensors')
    encoder = RESNET | options
    network: Any = build_network(encoder)
    randomise(network)
    state = {f'backbone.{key}': value for key, value in network.state_dict().items()}
    state['head.fc.weight'] = torch.zeros(10, 8)
    run = save_run(
        tmp_path / 'run.pth', dict(type='ImageClassifier', backbone=encoder), state
    )
    network.eval()  # in mmpretrain it returns nothing
    check_files(run, network(IMAGES)[-1].detach(), 'encoder', 'backbone')


def test_graph_of_a_network_for_classification(tmp_path: Path) -> None:
    """The settings of the run, but maps and not their means."""
    run = tmp_path / 'run.pth'
    arch = dict(depths=[1, 1], channels=[8, 12])
    encoder = CASES['classifier'] | dict(arch=arch, out_indices=(1,))
    network = run_of(run, encoder | dict(act_cfg=dict(type='ReLU')))
    check_graph(run, features_of(network, 'classifier'))


@pytest.mark.slow
@pytest.mark.parametrize('case', ['dilated', 'caffe', 'ViT'])
def test_graphs(case: str, tmp_path: Path) -> None:
    run = tmp_path / 'run.pth'
    network = run_of(run, CASES[case])
    check_graph(run, features_of(network, case))


@pytest.mark.parametrize('layout', ['timm', 'backbone', 'encoder'])
@pytest.mark.parametrize(
    ('encoder', 'warns'),
    [
        (PLAIN | dict(out_indices=(3,), drop_path_rate=0.2, with_cp=True), False),
        (CASES['classifier'], False),
        (CASES['ViT'] | dict(img_size=64), True),
        (CASES['ViT'] | dict(img_size=64, norm_cfg=dict(type='LN', eps=1e-6)), False),
        (CASES['activation'], True),
        (RESNET | dict(base_channels=64, stem_channels=64), False),
        (RESNET | dict(base_channels=64, stem_channels=64, dilations=(1, 1, 1, 2)), True),
    ],
)
def test_warns_where_another_network_is_read(
    encoder: Any,
    warns: bool,
    layout: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not of a config that only says otherwise what names and shapes tell."""
    run, dst = tmp_path / 'run.pth', tmp_path / 'converted.pth'
    run_of(run, encoder)
    convert.main(['auto', str(run), str(dst), '--to', layout, '--image-size', '64'])
    printed = capsys.readouterr().out
    assert ('WARNING' in printed) == (warns and layout != 'encoder')


@pytest.mark.parametrize('features_only', [True, False])
def test_networks_of_timm(features_only: bool, tmp_path: Path) -> None:
    pytest.importorskip('timm')
    pytest.importorskip('safetensors')
    run = tmp_path / 'run.pth'
    network = run_of(run, TIMM | dict(features_only=features_only))
    check_files(run, network(IMAGES)[-1].detach(), 'encoder', 'backbone')


@pytest.mark.slow
def test_graph_of_a_network_of_timm(tmp_path: Path) -> None:
    pytest.importorskip('timm')
    run = tmp_path / 'run.pth'
    network = run_of(run, TIMM | dict(features_only=True))
    check_graph(run, network(IMAGES)[-1].detach())


def test_networks_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the names of other formats' tensors; where no file tells, the caller does."""
    pytest.importorskip('safetensors')
    register(monkeypatch, OwnEncoder)
    network: Any = build_network(OWN)
    expected = network(IMAGES)[-1].detach()
    bare, given = tmp_path / 'bare.pth', tmp_path / 'run.py'
    torch.save(network.state_dict(), bare)
    given.write_text(f'model = dict(encoder={OWN})\n')
    for source in (OWN, given):
        same(load_encoder(bare, format='encoder', config=source)(IMAGES), expected)
    with pytest.raises(ValueError, match='tensors do not tell: give its config'):
        load_encoder(bare, format='encoder')
    with pytest.raises(ValueError, match='does not fit OwnEncoder'):
        load_encoder(bare, format='encoder', config=OWN | dict(width=9))
    once, again = tmp_path / 'once.pth', tmp_path / 'again.safetensors'
    convert.main(['encoder', str(bare), str(once), '--config', str(given)])
    convert.main(['auto', str(once), str(again)])
    for path in (once, again):
        same(load_encoder(path)(IMAGES), expected)
    check_graph(again, expected)


def test_types_that_are_not_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other network is built in their place, though shapes would tell one."""
    pytest.importorskip('safetensors')
    own = CASES['activation'] | dict(type='OwnConvNeXt')
    run, done = tmp_path / 'run.pth', tmp_path / 'encoder.safetensors'
    with monkeypatch.context() as patch:
        register(patch, OwnConvNeXt)
        network = run_of(run, own)
        convert.main(['auto', str(run), str(done)])
        expected = features_of(network, 'activation')
        check_files(run, expected, 'encoder')
    wrapped = tmp_path / 'wrapped.pth'
    run_of(wrapped, PLAIN, dict(type='OwnWrapper', encoder=PLAIN))
    header = dict(config=dict(type='OwnWrapper', encoder=PLAIN), layout='encoder')
    described = tmp_path / 'described.safetensors'
    state = load_encoder(done, config=PLAIN).network.state_dict()
    described.write_bytes(to_bytes(state, header))
    for path in (run, done, wrapped, described):
        with pytest.raises(ValueError, match=r"wants a 'Own\w+', .* or give the config"):
            load_encoder(path)
        with pytest.raises(SystemExit, match=r"wants a 'Own\w+', which is not regis"):
            convert.main(['auto', str(path), str(tmp_path / 'new.pth')])
    given = tmp_path / 'given.py'
    given.write_text(f'model = dict(encoder={CASES["activation"]})\n')
    for source in (CASES['activation'], given):
        same(load_encoder(run, config=source)(IMAGES), expected)
    convert.main(['auto', str(run), str(tmp_path / 'new.pth'), '--config', str(given)])
    same(load_encoder(tmp_path / 'new.pth')(IMAGES), expected)


def test_models_that_are_not_registered(tmp_path: Path) -> None:
    """Their encoders are, and that is enough."""
    run = tmp_path / 'run.pth'
    network = run_of(run, CASES['activation'])
    state = torch.load(run)['state_dict']
    save_run(run, dict(type='unheard.Of', encoder=CASES['activation']), state)
    expected = features_of(network, 'activation')
    check_files(run, expected, 'encoder')
    for text in ('a.yaml', 'model:\n  backbone: resnet50\n', 'epochs = 3'):
        torch.save({'state_dict': state, 'meta': {'cfg': text}}, run)
        assert load_encoder(run).report.network == 'ConvNeXt'


def test_heads_that_contradict_the_config(tmp_path: Path) -> None:
    run = tmp_path / 'run.pth'
    run_of(run, CASES['ViT'])
    assert load_encoder(run, num_heads=4).config['arch'] == VIT
    with pytest.raises(ValueError, match=r'3 heads were asked for, and .* has 4'):
        load_encoder(run, num_heads=3)
