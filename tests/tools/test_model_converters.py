"""The converters as a user runs them: files in, files out, errors in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import layouts
from tests.checkpoints.test_files import malicious_file
from tests.models.common import build
from tests.models.test_released import released_convnext
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints import import_state, read_checkpoint, read_header
from videomac.utils import tools_root

FOLDER = tools_root() / 'model_converters'
convert = load_tool(FOLDER / 'convert.py')
publish = load_tool(FOLDER / 'publish_model.py')


def single(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.float() for name, value in state.items()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write a fine-tuned ConvNeXt V2 as its authors do."""
    path = tmp_path / 'convnextv2.pth'
    model = single(layouts.convnext(layouts.FACEBOOK, True))
    torch.save({'model': model, 'epoch': 3}, path)
    return path


def test_dry_run_prints_every_tensor_and_writes_nothing(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert.main(['auto', str(source), '--dry-run', '--to', 'timm'])
    lines = capsys.readouterr().out.splitlines()
    state = torch.load(source)['model']
    for name in state:
        assert sum(line.startswith(f'{name} [') for line in lines) >= 1, name
    assert 'stages.2.1.dwconv.weight [8, 1, 7, 7] -> ' in '\n'.join(lines)
    expected = (
        'stages.0.0.grn.beta [1, 1, 1, 16] -> stages.0.0.grn.beta [16]',
        'head.weight [5, 10] -> left out: classification head',
        'epoch -> left out: not in the network that was taken, model',
        'stages.0.0.grn.beta [16] -> stages.0.blocks.0.mlp.grn.bias [16]',
        f'format convnext: {len(state) - 2} of {len(state)} tensors used, '
        'the others left out',
    )
    assert set(expected) <= set(lines)
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_files_of_each_target(source: Path, suffix: str) -> None:
    """What is written is read back as what was imported, from every layout."""
    if suffix == '.safetensors':
        pytest.importorskip('safetensors')
    first, _ = import_state(torch.load(source)['model'])
    for target in ('encoder', 'backbone', 'timm', 'convnext'):
        path = source.parent / f'{target}{suffix}'
        again = source.parent / f'{target}-again.pth'
        convert.main(['convnext', str(source), str(path), '--to', target])
        convert.main(['auto', str(path), str(again)])
        state = torch.load(again)['state_dict']
        assert state.keys() == first.state.keys()
        assert all(torch.equal(state[k], v) for k, v in first.state.items())


def test_header(source: Path) -> None:
    pytest.importorskip('safetensors')
    path = source.with_suffix('.safetensors')
    convert.main(['auto', str(source), str(path)])
    header = read_header(path)
    assert header['architecture'] == 'mmpretrain.ConvNeXt'
    arch = {'depths': layouts.DEPTHS, 'channels': layouts.WIDTHS}
    assert header['config']['arch'] == arch
    assert header['mean'] == [123.675, 116.28, 103.53]
    assert header['source_format'] == 'convnext'
    assert header['versions'].keys() == {'videomac', 'torch', 'mmengine', 'mmpretrain'}
    assert len(header['sha256']) == 64


def test_online_and_target_of_a_released_checkpoint(tmp_path: Path) -> None:
    src = tmp_path / 'released.pth'
    online = single(released_convnext(True).state)
    target = {name: value + 1 for name, value in online.items()}
    torch.save({'online_without_ddp': online, 'target_without_ddp': target}, src)
    for network, state in (('online', online), ('target', target)):
        dst = tmp_path / f'{network}.pth'
        convert.main(['released', str(src), str(dst), '--network', network])
        got = torch.load(dst)['state_dict']['stages.0.0.norm.weight']
        assert torch.equal(got, state['encoder.stages.0.0.norm.ln.weight'])


def test_encoder_of_a_training_run(tmp_path: Path) -> None:
    """Of our own checkpoints, either network, whatever the encoder is."""
    model = build()
    assert model.target is not None
    src = tmp_path / 'epoch_1.pth'
    torch.save({'state_dict': model.state_dict(), 'optimizer': {}}, src)
    for network, part in (('online', model), ('target', model.target)):
        dst = tmp_path / f'{network}.pth'
        convert.main(['auto', str(src), str(dst), '--network', network])
        got = torch.load(dst)['state_dict']
        expected = part.encoder.state_dict()
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[name], expected[name]) for name in got)


def fails(*args: object) -> str:
    with pytest.raises(SystemExit) as error:
        convert.main([str(arg) for arg in args])
    return str(error.value)


def test_errors_are_one_line(source: Path, tmp_path: Path) -> None:
    dst = tmp_path / 'new.pth'
    assert (
        fails('auto', source) == 'convert.py: give DST, the file to write, or --dry-run'
    )
    assert "there is no format 'nonsense'" in fails('nonsense', source, dst)
    assert "they look like 'convnext'" in fails('videomae', source, dst)
    assert 'no place for a ConvNeXt' in fails('auto', source, dst, '--to', 'torchvision')
    assert 'has no target network' in fails('auto', source, dst, '--network', 'target')
    assert 'there is no file' in fails('auto', tmp_path / 'none.pth', dst)
    assert 'exists; give --force' in fails('auto', source, source)
    state = torch.load(source)['model'] | {'surplus': torch.zeros(2)}
    torch.save(state, source)
    text = fails('auto', source, dst)
    assert 'surplus [2]' in text
    assert '\n' not in text
    assert not dst.exists()
    convert.main(['auto', str(source), str(dst), '--allow-unknown'])
    assert dst.is_file()


def test_configs_that_have_no_encoder(source: Path, tmp_path: Path) -> None:
    empty, new = tmp_path / 'empty.yaml', tmp_path / 'new.pth'
    empty.touch()
    for config, text in (
        (empty, "empty.yaml' cannot be read as a config"),
        ('configs/_base_/models/videomac.py', 'the config has no encoder'),
        ('configs/videomac/dem.py', 'Did you mean: '),
    ):
        said = fails('auto', source, new, '--config', config)
        assert text in said
        assert '\n' not in said


def test_missing_tensor_is_refused(source: Path, tmp_path: Path) -> None:
    state = torch.load(source)['model']
    del state['stages.1.0.pwconv1.weight']
    torch.save(state, source)
    text = fails('auto', source, tmp_path / 'new.pth')
    assert 'missing: stages.1.0.pointwise_conv1.weight' in text


def test_malicious_file_is_refused(tmp_path: Path) -> None:
    path, mark = malicious_file(tmp_path)
    for tool, args in ((convert, ['auto', path, tmp_path / 'a.pth']), (publish, [path])):
        with pytest.raises(
            SystemExit, match=r"holds a 'posix\.mkdir' and could run code"
        ):
            tool.main([str(arg) for arg in args])
    assert not mark.exists()
    assert list(tmp_path.iterdir()) == [path]


def test_publish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights and meta stay, the optimiser goes, the name tells the file's hash."""
    src = tmp_path / 'epoch_1.pth'
    state = {'encoder.a': torch.randn(3), 'decoder.b': torch.randn(2)}
    content = {'state_dict': state, 'optimizer': {'state': {}}, 'meta': {'epoch': 1}}
    torch.save(content | {'param_schedulers': []}, src)
    publish.main([str(src), str(tmp_path / 'out' / 'videomac.pth')])
    (path,) = (tmp_path / 'out').iterdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'videomac-{digest[:8]}.pth'
    got = read_checkpoint(path)
    assert got.keys() == {'state_dict', 'meta'}
    assert got['meta'] == {'epoch': 1}
    assert all(torch.equal(got['state_dict'][name], state[name]) for name in state)
    assert 'left out optimizer, param_schedulers' in capsys.readouterr().out
    # The same content gives the same name.
    with pytest.raises(SystemExit, match='exists; give --force'):
        publish.main([str(src), str(tmp_path / 'out' / 'videomac.pth')])
    torch.save({'weights': state}, src)
    with pytest.raises(SystemExit, match=r"no state_dict; its keys: \['weights'\]"):
        publish.main([str(src)])
