"""Files: no code runs from them, headers and hashes hold."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from videomac.checkpoints import (
    hash_tensors,
    pick_network,
    read_checkpoint,
    read_header,
    to_bytes,
    write_file,
)

STATE = {'b': torch.arange(3.0), 'a': torch.ones(2, 2, dtype=torch.bfloat16)}


class Malicious:
    """Makes a folder when unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def malicious_file(folder: Path, plain_pickle: bool = False) -> tuple[Path, Path]:
    """Write a file that would make a folder; return both paths."""
    mark, path = folder / 'code ran', folder / 'malicious.pth'
    content = {'state_dict': {'weight': torch.zeros(1), 'x': Malicious(mark)}}
    if plain_pickle:
        path.write_bytes(pickle.dumps({'state_dict': Malicious(mark)}))
    else:
        torch.save(content, path)
    return path, mark


@pytest.mark.parametrize('plain_pickle', [False, True])
def test_code_is_refused_and_does_not_run(
    tmp_path: Path, plain_pickle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the environment tells torch to trust every file."""
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    path, mark = malicious_file(tmp_path, plain_pickle)
    with pytest.raises(ValueError, match=r"malicious\.pth' .*(could run code|damaged)"):
        read_checkpoint(path)
    assert not mark.exists()
    # The file is a real threat: loaded without care, it acts.
    if not plain_pickle:
        torch.load(path, weights_only=False)
        assert mark.exists()


def test_refusal_names_what_the_file_holds(tmp_path: Path) -> None:
    path, _ = malicious_file(tmp_path)
    with pytest.raises(ValueError, match=r"holds a 'posix\.mkdir' and could run code"):
        read_checkpoint(path)


def test_arguments_of_a_run_are_harmless(tmp_path: Path) -> None:
    """DINO and MAE keep a Namespace; one with code inside is refused all the same."""
    path, mark = tmp_path / 'a.pth', tmp_path / 'code ran'
    torch.save({'model': STATE, 'args': argparse.Namespace(lr=0.1)}, path)
    assert read_checkpoint(path)['args'].lr == 0.1
    torch.save({'model': STATE, 'args': argparse.Namespace(lr=Malicious(mark))}, path)
    with pytest.raises(ValueError, match='could run code'):
        read_checkpoint(path)
    assert not mark.exists()


def test_other_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file '.*none\.pth'"):
        read_checkpoint(tmp_path / 'none.pth')
    for name in ('noise.pth', 'noise.safetensors'):
        (tmp_path / name).write_bytes(b'\x07\x00\x00\x00 no checkpoint at all')
        with pytest.raises(ValueError, match=r'damaged|no file of safetensors'):
            read_checkpoint(tmp_path / name)
    torch.save(STATE, tmp_path / 'whole.pth')
    data = (tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'half.pth').write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match='damaged'):
        read_checkpoint(tmp_path / 'half.pth')
    torch.save(torch.zeros(1), tmp_path / 'tensor.pth')
    with pytest.raises(ValueError, match='no mapping'):
        read_checkpoint(tmp_path / 'tensor.pth')


def test_pick_network() -> None:
    """Which of the networks of a file is taken, and that the rest is reported."""
    dino = {'student': {'a': STATE['a'] + 1}, 'teacher': {'a': STATE['a']}, 'epoch': 3}
    for network, expected in (('online', 2), ('target', 1), (None, 1)):
        state, others = pick_network(dino, network)
        assert state['a'].unique().item() == expected
        assert len(others) == 2
        assert any(line.startswith('epoch -> left out') for line in others)
    ours = {'state_dict': {'encoder.a': STATE['a'], 'target.encoder.a': STATE['a'] + 1}}
    state, _ = pick_network(ours, 'target')
    assert state.keys() == {'encoder.a'}
    assert state['encoder.a'].unique().item() == 2
    plain = ours['state_dict']
    wrapped = {f'module.{key}': value for key, value in plain.items()}
    forms: list[dict[str, Any]] = [
        {'state_dict': wrapped, 'meta': {}},
        wrapped,
        plain,
        {'model': plain},
        {'state_dict': None, **plain},
    ]
    for form in forms:
        other, _ = pick_network(form, 'target')
        assert other.keys() == state.keys()
        assert other['encoder.a'].unique().item() == 2
    for form in ({'student': plain}, {'state_dict': {'encoder.a': STATE['a']}}):
        with pytest.raises(ValueError, match=r"no target network.*network 'online'"):
            pick_network(form, 'target')
    assert pick_network({**STATE, 'epoch': 3})[0].keys() == STATE.keys()
    with pytest.raises(ValueError, match='no target network'):
        pick_network(STATE, 'target')
    with pytest.raises(ValueError, match=r"no weights; its keys: \['epoch'\]"):
        pick_network({'epoch': 3})


def test_hash_tells_names_types_shapes_and_values() -> None:
    plain = hash_tensors(STATE)
    assert hash_tensors(dict(reversed(STATE.items()))) == plain
    assert hash_tensors({'b': STATE['b'].clone(), 'a': STATE['a'].clone()}) == plain
    changed = [
        {'c': STATE['b'], 'a': STATE['a']},
        {'b': STATE['b'].double(), 'a': STATE['a']},
        {'b': STATE['b'][None], 'a': STATE['a']},
        {'b': STATE['b'] + 1e-6, 'a': STATE['a']},
        {'b': STATE['b']},
    ]
    assert len({plain, *map(hash_tensors, changed)}) == 6
    assert hash_tensors({'n': torch.tensor(3)}) != hash_tensors({'n': torch.tensor(4)})


def test_safetensors_header(tmp_path: Path) -> None:
    """Read byte by byte as the format describes it, and through our reader."""
    pytest.importorskip('safetensors')
    path = tmp_path / 'e.safetensors'
    write_file(path, to_bytes(STATE, {'architecture': 'Net', 'mean': [1.5, 2, 3]}))
    data = path.read_bytes()
    (length,) = struct.unpack('<Q', data[:8])
    raw = json.loads(data[8 : 8 + length])
    header = json.loads(raw['__metadata__']['videomac'])
    assert header['architecture'] == 'Net'
    assert header['mean'] == [1.5, 2, 3]
    assert raw['b']['shape'] == [3]
    assert read_header(path) == header
    got = read_checkpoint(path)
    assert all(torch.equal(got[name], STATE[name]) for name in STATE)
    # One bit of a tensor changed.
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ValueError, match='not those of its header'):
        read_header(path)


def test_write_file_is_whole_and_careful(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'file.pth'
    write_file(path, b'one')
    with pytest.raises(ValueError, match='exists; give --force'):
        write_file(path, b'two')
    assert path.read_bytes() == b'one'
    write_file(path, b'two', force=True)
    assert path.read_bytes() == b'two'
    assert [each.name for each in path.parent.iterdir()] == ['file.pth']
