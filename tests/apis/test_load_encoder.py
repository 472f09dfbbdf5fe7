"""Encoders from checkpoints of every origin equal what the checkpoint means."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from mmengine.config import Config
from torch import Tensor

from tests.checkpoints import layouts, reference
from tests.models.common import build, config, randomise
from videomac.apis import library, load_encoder
from videomac.apis.build import build_network
from videomac.checkpoints import to_bytes

MOBILE = dict(type='mmpretrain.MobileNetV2', widen_factor=0.25)
IMAGES = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize('network', ['online', 'target', None])
@pytest.mark.parametrize('with_config', [False, True])
def test_training_run(network: Any, with_config: bool, tmp_path: Path) -> None:
    model = build()
    assert model.target is not None
    state = model.state_dict()
    content: dict[str, Any] = {'state_dict': state, 'optimizer': {}}
    if with_config:
        content['meta'] = {'cfg': Config(dict(model=config())).pretty_text}
    encoder = load_encoder(save(tmp_path / 'run.pth', content), network=network)
    wanted: Any = model.target.encoder if network == 'target' else model.encoder
    wanted.eval()
    assert not encoder.training
    torch.testing.assert_close(encoder(IMAGES), wanted(IMAGES)[-1], rtol=0, atol=0)
    report = encoder.report
    assert len(report.used) == len(wanted.state_dict())
    assert not report.missing
    if network != 'target':
        assert all(key.startswith('encoder.') for key in report.used)
        named = {line.split(' ')[0] for line in report.left_out}
        rest = named - set(state)
        assert set(report.used) | (named - rest) == set(state)
        assert rest <= {'optimizer', 'meta'}
        assert 'optimizer' in rest
    assert f'{len(report.used)} tensors used' in str(report)


FOREIGN: dict[str, tuple[Callable[[], Any], Callable[[Any, Tensor], Tensor]]] = {
    'convnext': (
        lambda: layouts.convnext(layouts.FACEBOOK, True),
        lambda state, x: reference.convnext(state, layouts.FACEBOOK, x, last=True),
    ),
    'timm-convnext': (
        lambda: layouts.convnext(layouts.TIMM, False),
        lambda state, x: reference.convnext(state, layouts.TIMM, x, last=True),
    ),
    'fcmae': (layouts.fcmae, reference.fcmae),
    'vit': (layouts.mae, reference.mae),
}


@pytest.mark.parametrize('name', FOREIGN)
def test_foreign_formats(name: str, tmp_path: Path) -> None:
    make, forward = FOREIGN[name]
    state = make()
    path = save(tmp_path / 'model.pth', {'model': state})
    encoder = load_encoder(path, num_heads=layouts.HEADS)
    assert encoder.report.format == name
    side = layouts.GRID * layouts.PATCH if name == 'vit' else 64
    images = torch.randn(2, 3, side, side, dtype=torch.float64)
    want = forward(state, images)
    assert want.std() > 0.1
    torch.testing.assert_close(encoder.double()(images), want, rtol=1e-4, atol=1e-4)


def test_torchvision_resnet(tmp_path: Path) -> None:
    theirs = torchvision.models.resnet18().eval()
    path = save(tmp_path / 'resnet.pth', theirs.state_dict())
    encoder = load_encoder(path)
    theirs.avgpool = theirs.fc = torch.nn.Identity()  # type: ignore[assignment]
    want = theirs(IMAGES).reshape(2, 512, 2, 3)
    torch.testing.assert_close(encoder(IMAGES), want)
    named = sorted(line.split()[0] for line in encoder.report.left_out)
    assert named == ['fc.bias', 'fc.weight']


def test_normalise() -> None:
    encoder = load_encoder('mmpretrain:resnet18_8xb32_in1k', pretrained=False)
    frames = torch.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).byte()
    out = encoder.normalize(frames.numpy())
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    for t, c, y, x in ((0, 0, 0, 0), (1, 1, 2, 3), (1, 2, 3, 4)):
        want = (float(frames[t, y, x, c]) - mean[c]) / std[c]
        assert out[t, c, y, x].item() == pytest.approx(want, rel=1e-5)
    assert encoder.report.missing


@pytest.mark.parametrize('name', ['resnet18', 'timm:convnext_atto'])
def test_timm(name: str) -> None:
    pytest.importorskip('timm')
    encoder = load_encoder(name, pretrained=False)
    inner: Any = encoder.network.timm_model
    assert encoder(IMAGES).shape[2:] == (2, 3)
    torch.testing.assert_close(encoder(IMAGES), inner.forward_features(IMAGES))


def test_safetensors_header_counts(tmp_path: Path) -> None:
    pytest.importorskip('safetensors')
    network = build_network(MOBILE)
    randomise(network)
    state = {key: value.float() for key, value in network.state_dict().items()}
    header = dict(config=MOBILE, mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])
    path = tmp_path / 'encoder.safetensors'
    # MobileNet is known by no mark of its keys, so that they get mmpretrain's prefix.
    named = {f'backbone.{key}': value for key, value in state.items()}
    path.write_bytes(to_bytes(named, header))
    encoder = load_encoder(path)
    assert encoder.mean.flatten().tolist() == [1.0, 2.0, 3.0]
    assert encoder.std.flatten().tolist() == [4.0, 5.0, 6.0]
    network.eval()
    torch.testing.assert_close(encoder(IMAGES), network(IMAGES)[-1])
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b'\x00\x00\x80\x3f')
    with pytest.raises(ValueError, match='not those of its header'):
        load_encoder(path)


def test_a_network_that_only_its_config_tells(tmp_path: Path) -> None:
    network = build_network(MOBILE)
    state = {f'backbone.{key}': value for key, value in network.state_dict().items()}
    path = save(tmp_path / 'mobile.pth', {'state_dict': state})
    with pytest.raises(ValueError, match='give its config'):
        load_encoder(path)
    network.eval()
    for given in (MOBILE, dict(model=dict(backbone=MOBILE))):
        encoder = load_encoder(path, config=given)
        torch.testing.assert_close(encoder(IMAGES), network(IMAGES)[-1])
    text = Config(dict(model=dict(type='X', backbone=MOBILE))).pretty_text
    content = {'state_dict': state, 'meta': {'cfg': text}}
    encoder = load_encoder(save(path, content))
    torch.testing.assert_close(encoder(IMAGES), network(IMAGES)[-1])
    evil = dict(type='os.system', command=f'touch {tmp_path}/trace')
    text = Config(dict(model=dict(type='X', backbone=evil))).pretty_text
    save(path, {'state_dict': state, 'meta': {'cfg': text}})
    with pytest.raises(ValueError, match=r"'os\.system', which is not registered"):
        load_encoder(path)
    assert not (tmp_path / 'trace').exists()


class Malice:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize('suffix', ['.pth', '.pt', '.bin'])
def test_files_with_code_are_refused(suffix: str, tmp_path: Path) -> None:
    trace = tmp_path / 'trace'
    path = tmp_path / f'evil{suffix}'
    save(path, {'state_dict': {'x': torch.zeros(1)}, 'meta': Malice(str(trace))})
    with pytest.raises(ValueError, match='could run code of its author'):
        load_encoder(path)
    path.write_bytes(pickle.dumps(Malice(str(trace)), protocol=2))
    with pytest.raises(ValueError, match=r"evil\.\w+' "):
        load_encoder(path)
    assert not trace.exists()


def test_strict(tmp_path: Path) -> None:
    model = build()
    state = dict(model.state_dict())
    lost = state.pop('encoder.stages.2.1.norm.bias')
    path = save(tmp_path / 'run.pth', {'state_dict': state})
    with pytest.raises(ValueError, match=r'1 missing: stages\.2\.1\.norm\.bias'):
        load_encoder(path)
    encoder = load_encoder(path, strict=False)
    assert encoder.report.missing == ('stages.2.1.norm.bias',)
    assert 'MISSING' in str(encoder.report)
    state['encoder.stages.2.1.norm.bias'] = lost[:-1]
    with pytest.raises(ValueError, match='1 of another shape'):
        load_encoder(save(path, {'state_dict': state}), strict=False)
    state['encoder.stages.2.1.norm.bias'] = lost
    state['encoder.surplus'] = lost
    save(path, {'state_dict': state})
    with pytest.raises(ValueError, match='1 unexpected: surplus'):
        load_encoder(path)
    left_out = load_encoder(path, strict=False).report.left_out
    assert any(line.startswith('encoder.surplus') for line in left_out)


def test_bad_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / 'epoch_100.pth', {'state_dict': build().state_dict()})
    with pytest.raises(FileNotFoundError, match='Did you mean: epoch_100'):
        load_encoder(tmp_path / 'epoch_10.pth')
    with pytest.raises(FileNotFoundError, match='there is no folder'):
        load_encoder(tmp_path / 'nowhere' / 'epoch_10.pth')
    with pytest.raises(ValueError, match="no format 'clip'"):
        load_encoder(path, format='clip')
    with pytest.raises(ValueError, match="look like 'videomac'"):
        load_encoder(path, format='fcmae')
    with pytest.raises(ValueError, match="'online' or 'target'"):
        load_encoder(path, network='teacher')
    with pytest.raises(ValueError, match=r'Did you mean: .*resnet50_8xb32_in1k'):
        load_encoder('mmpretrain:resnet50_8xb32_in2k')
    with pytest.raises(ValueError, match="no library 'hub'"):
        load_encoder('hub:resnet50')
    name = 'videomac_resnet18_8xb64-coslr-100e_ytvos'
    with pytest.raises(ValueError, match='is a config and has no weights'):
        load_encoder(name)

    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError('no route to host')

    monkeypatch.setattr(library, 'load_weights', no_network)
    with pytest.raises(ValueError, match='cannot be had: no route to host'):
        load_encoder('mmpretrain:resnet18_8xb32_in1k')
