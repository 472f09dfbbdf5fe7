"""Encoders of runs whose configs have more, or something else, than a plain network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmpretrain.models.utils.sparse_modules import SparseHelper
from torch import Tensor, nn

from tests.models.common import build, config, randomise
from tests.tools.test_train_cli import load_tool
from videomac.apis import Propagator, load_encoder
from videomac.apis.build import build_network
from videomac.models import FeatureExtractor, VideoMAC
from videomac.models.encoders.released import BatchGRN
from videomac.utils import tools_root

convert = load_tool(tools_root() / 'model_converters' / 'convert.py')
IMAGES = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


def save_run(path: Path, model: dict[str, Any], state: dict[str, Tensor]) -> Path:
    """Write a checkpoint as a training run leaves it."""
    text = Config(dict(model=model)).pretty_text
    torch.save({'state_dict': state, 'meta': {'cfg': text}}, path)
    return path


def dilated_run(path: Path, **options: Any) -> VideoMAC:
    """A run with patches of 16 pixels, in eval mode."""
    encoder = dict(type='OutputStride', encoder=config()['encoder'], **options)
    masking = dict(type='RandomPatchMasking', patch_size=16)
    model = build(encoder=encoder, masking=masking)
    save_run(path, config(encoder=encoder, masking=masking), model.state_dict())
    return model.eval()


@pytest.mark.parametrize('dilate', [True, False])
@pytest.mark.parametrize('network', ['online', 'target'])
def test_output_stride(network: str, dilate: bool, tmp_path: Path) -> None:
    path = tmp_path / 'run.pth'
    model = dilated_run(path, stride=16, dilate=dilate)
    trained: Any = model if network == 'online' else model.target
    expected = trained.encoder(IMAGES)[-1]
    encoder = load_encoder(path, network=network)
    assert encoder(IMAGES).shape == (2, 32, 4, 6)
    torch.testing.assert_close(encoder(IMAGES), expected, rtol=0, atol=0)
    again = build_network(encoder.config)
    again.load_state_dict(encoder.network.state_dict())
    again.eval()
    torch.testing.assert_close(again(IMAGES)[-1], expected, rtol=0, atol=0)


@pytest.mark.parametrize('stride', [16, 8])
def test_output_stride_of_propagation(stride: int, tmp_path: Path) -> None:
    """That of the training, or as if the network had never had another."""
    path = tmp_path / 'run.pth'
    dilated_run(path, stride=16)
    plain = build_network(config()['encoder'])
    plain.load_state_dict(load_encoder(path).network.state_dict())
    expected = FeatureExtractor(plain, output_stride=stride)(IMAGES)
    features: Any = Propagator(path, stride=stride, device='cpu').model.backbone
    assert features(IMAGES).shape == (2, 32, 64 // stride, 96 // stride)
    torch.testing.assert_close(features(IMAGES), expected)


def test_output_stride_is_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our files carry it; of layouts that cannot, the tool says so."""
    pytest.importorskip('safetensors')
    path, dst = tmp_path / 'run.pth', tmp_path / 'encoder.safetensors'
    model = dilated_run(path, stride=16)
    convert.main(['auto', str(path), str(dst)])
    assert 'WARNING' not in capsys.readouterr().out
    expected = model.encoder(IMAGES)[-1]
    torch.testing.assert_close(load_encoder(dst)(IMAGES), expected, rtol=0, atol=0)
    convert.main(['auto', str(path), str(tmp_path / 'x.pth'), '--to', 'timm'])
    assert 'WARNING: the layout timm has no place for' in capsys.readouterr().out


@pytest.mark.slow
def test_output_stride_is_exported_to_onnx(tmp_path: Path) -> None:
    for package in ('onnx', 'onnxscript'):
        pytest.importorskip(package)
    onnxruntime = pytest.importorskip('onnxruntime')
    path, dst = tmp_path / 'run.pth', tmp_path / 'encoder.onnx'
    model = dilated_run(path, stride=16)
    options = ['--to', 'onnx', '--image-size', '64']
    convert.main(['auto', str(path), str(dst), *options])
    session = onnxruntime.InferenceSession(dst, providers=['CPUExecutionProvider'])
    (got,) = session.run(None, {'images': IMAGES.numpy()})
    expected = model.encoder(IMAGES)[-1].detach()
    torch.testing.assert_close(torch.from_numpy(got), expected, rtol=1e-4, atol=1e-4)


def test_batch_grn_stays(tmp_path: Path) -> None:
    encoder = dict(type='WithBatchGRN', encoder=config()['encoder'])
    model = config(encoder=encoder)
    path = save_run(tmp_path / 'run.pth', model, build(encoder=encoder).state_dict())
    modules = load_encoder(path).network.modules()
    assert any(isinstance(module, BatchGRN) for module in modules)


def pretraining_run(path: Path, kind: str, backbone: dict[str, Any]) -> Any:
    """A checkpoint of mmpretrain's algorithm, and its backbone."""
    network: Any = build_network(backbone)
    randomise(network)
    state = {f'backbone.{key}': value for key, value in network.state_dict().items()}
    save_run(path, dict(type=kind, backbone=backbone), state)
    network.eval()  # which returns nothing in mmpretrain
    return network


def converted(path: Path) -> Path:
    """The same encoder by way of the converter."""
    dst = path.with_name('converted.pth')
    convert.main(['auto', str(path), str(dst)])
    return dst


def test_mae(tmp_path: Path) -> None:
    """Features of whole images, with the heads of the run, which no shape tells."""
    path = tmp_path / 'run.pth'
    arch = dict(embed_dims=48, num_layers=2, num_heads=4, feedforward_channels=96)
    options = dict(arch=arch, img_size=64, patch_size=16, mask_ratio=0.75)
    vit = pretraining_run(
        path, 'mmpretrain.MAE', dict(type='mmpretrain.MAEViT', **options)
    )
    images = IMAGES[..., :64]
    tokens = vit(images, mask=None)[-1][:, 1:]
    expected = tokens.transpose(1, 2).unflatten(2, (4, 4))
    for source in (path, converted(path)):
        encoder = load_encoder(source)
        torch.testing.assert_close(encoder(images), expected)
    named = load_encoder(path, config=dict(type='mmpretrain.MAEViT', **options))
    torch.testing.assert_close(named(images), expected)


@pytest.fixture
def spark(tmp_path: Path) -> tuple[Path, nn.Module]:
    path = tmp_path / 'run.pth'
    norm = dict(type='SparseBatchNorm2d')
    backbone = dict(type='mmpretrain.SparseResNet', depth=18, norm_cfg=norm)
    return path, pretraining_run(path, 'mmpretrain.SparK', backbone)


def test_spark(spark: tuple[Path, nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sparse network computes where nothing is masked."""
    path, network = spark
    everything = torch.ones(2, 1, 2, 2, dtype=torch.bool)
    monkeypatch.setattr(SparseHelper, '_cur_active', everything)
    expected = network(IMAGES[..., :64])[-1]
    monkeypatch.undo()
    for source in (path, converted(path)):
        torch.testing.assert_close(load_encoder(source)(IMAGES[..., :64]), expected)
    features = Propagator(path, stride=8, device='cpu').model.backbone
    assert features(IMAGES).shape == (2, 512, 8, 12)


def test_features_of_masked_inputs_are_refused() -> None:
    sparse = dict(type='mmpretrain.SparseResNet', depth=18)
    with pytest.raises(ValueError, match=r'SparseResNet masks its input.* give ResNet'):
        FeatureExtractor(sparse)
