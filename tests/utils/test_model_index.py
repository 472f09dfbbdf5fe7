"""Damaged indices and metafiles are named, with the key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from videomac.analysis.zoo_entry import stored_costs
from videomac.apis import list_models
from videomac.utils import configs_root, paths
from videomac.utils.model_index import ModelIndexError, indexed_models
from videomac.utils.yaml_files import YamlFileError, read_yaml

MODEL = '- {Name: a, Config: configs/videomac/demo.py}'


@pytest.fixture
def toolbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one config, one metafile, and a file beside it."""
    root = tmp_path / 'toolbox'
    (root / 'configs' / 'videomac').mkdir(parents=True)
    (root / 'tools').mkdir()
    for name in ('configs/videomac/demo.py', 'tools/train.py', '../outside.py'):
        (root / name).write_text('model = dict()\n')
    (root / 'model-index.yml').write_text('Import: [configs/videomac/metafile.yml]\n')
    (root / 'configs/videomac/metafile.yml').write_text(f'Models:\n{MODEL}\n')
    (root / '../outside.yml').write_text(f'Models:\n{MODEL}\n')
    monkeypatch.setattr(paths, '_roots', lambda: [root])
    return root


def test_undamaged_files_are_read(toolbox: Path) -> None:
    (model,) = indexed_models()
    assert model.name == 'a'
    assert model.config == configs_root() / 'videomac' / 'demo.py'
    assert (model.weights, model.metadata) == (None, {})
    assert list_models() == ['a', 'demo']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r"must be a mapping, such as 'Import: \[\.\.\.\]', is None"),
        ('- a', r"must be a mapping, .* is \['a'\]"),
        ('Import: a', "Import is 'a': must be a list"),
        ('Import: [3]', r'Import\[0\] is 3: must be the path of a metafile'),
        ('Import: [../outside.yml]', r"Import\[0\] is '\.\./outside\.yml': .*inside"),
        ('Import: [/etc/passwd]', r"Import\[0\] is '/etc/passwd': .*inside the toolbox"),
        ('Import: [configs/a.yml]', r"Import\[0\] is 'configs/a\.yml': .* no "),
        ('Import: [configs]', r"Import\[0\] is 'configs': must be the path of"),
        ('Import: [""]', r"Import\[0\] is '': must be the path of"),
        (f'Import: [{"a" * 5000}]', r"Import\[0\] is 'aa.*too long"),
        ('Import: ["a\\0b"]', r"Import\[0\] is 'a.x00b'"),
        ('Import: [', r'is no YAML that can be read: [^;]*line 1'),
    ],
)
def test_index(toolbox: Path, text: str, message: str) -> None:
    path = toolbox / 'model-index.yml'
    path.write_text(text)
    with pytest.raises(ModelIndexError, match=message) as caught:
        list_models()
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith('mend the file, or install videomac again')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('3', r"must be a mapping, such as 'Models: \[\.\.\.\]', is 3"),
        ('Models: {a: 1}', r"Models is \{'a': 1\}: must be a list"),
        ('Models: [a]', r"Models\[0\] is 'a': must be a mapping with Name and Config"),
        (
            f'Models:\n{MODEL}\n- {{Name: b}}',
            r'Models\[1\]\.Config is None: must be a pri',
        ),
        ('Models: [{Config: configs/videomac/demo.py}]', r'Models\[0\]\.Name is None'),
        (
            'Models: [{Name: 1, Config: a}]',
            r'Models\[0\]\.Name is 1: must be a printable',
        ),
        ('Models: [{Name: "\\e[2J", Config: a}]', r"Name is '.x1b\[2J': must be a print"),
        ('Models: [{Name: a, Config: ../outside.py}]', 'must be a config of the toolbox'),
        (
            'Models: [{Name: a, Config: tools/train.py}]',
            'must be a config of the toolbox',
        ),
        ('Models: [{Name: a, Config: configs/../tools/train.py}]', 'must be a config of'),
        ('Models: [{Name: a, Config: configs/videomac}]', 'must be a config of the tool'),
        ('Models: [{Name: a, Config: configs/none.py}]', r"Config is 'configs/none\.py'"),
        (
            MODEL.join(['Models:\n', '']).replace('}', ', Weights: [a]}'),
            r"Weights is \['a'\]: must be an address or a path",
        ),
        (
            MODEL.join(['Models:\n', '']).replace('}', ', Metadata: 3}'),
            r'Metadata is 3: must be a mapping',
        ),
    ],
)
def test_metafile(toolbox: Path, text: str, message: str) -> None:
    path = toolbox / 'configs' / 'videomac' / 'metafile.yml'
    path.write_text(text)
    with pytest.raises(ModelIndexError, match=message) as caught:
        list_models()
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith('mend the file, or install videomac again')


def test_costs_that_are_no_numbers(toolbox: Path) -> None:
    path = toolbox / 'configs' / 'videomac' / 'metafile.yml'
    for value, good in (('5', True), ('5.5', False), ('true', False), ('[1]', False)):
        metadata = f', Metadata: {{Parameters: 7, FLOPs: {value}}}}}'
        path.write_text(f'Models:\n{MODEL}'.replace('}', metadata))
        if good:
            assert stored_costs()['videomac/demo.py'].dense == int(value)
            continue
        with pytest.raises(ModelIndexError, match=r"FLOPs of the model 'a' is .*whole"):
            stored_costs()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'a: 1\nb: \xff', 'line 2, is not UTF-8'),
        ('a: 1'.encode('utf-16'), 'line 1, is not UTF-8'),
        (b'a: \x00', 'unacceptable character'),
        (b'a: !!python/object/apply:os.getcwd []', 'could not determine a constructor'),
        (b'a: 2026-13-45', 'month must be in 1..12'),
        (b'a: !!int ""', 'no YAML'),
        (b'a: !!bool maybe', 'no YAML'),
        (b'a: !!timestamp x', 'no YAML'),
        (b'1' + b':59' * 300 + b':0.5', 'no YAML'),
        (b'9' * 5000, 'no YAML'),
        (b'? [a]\n: 1', 'unhashable key'),
        (b'--- a\n--- b', 'single document'),
        (b'a: &x [1]\nb: *x', 'has an alias; write the value out'),
        (b'[' * 50_000, 'nested more than 20 deep'),
        (b'- ' * 50_000, 'nested more than 20 deep'),
        (b'{a: ' * 5000, 'nested more than 20 deep'),
        (b'#' * (2**20 + 1), 'larger than 1 MiB'),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_yaml(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / 'a.yml'
    path.write_bytes(content)
    with pytest.raises(YamlFileError, match=message) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"'{path}'")


def test_aliases_of_aliases(tmp_path: Path) -> None:
    """Ten to the 20th values in a few lines, merged into one mapping or not."""
    path = tmp_path / 'a.yml'
    for first, join in (('{k: 1}', '<<: [%s]'), ('[1]', '[%s]')):
        lines = [f'- &x0 {first}']
        for level in range(20):
            names = ', '.join([f'*x{level}'] * 10)
            value = join % names
            value = f'{{{value}}}' if value[0] == '<' else value
            lines.append(f'- &x{level + 1} {value}')
        path.write_text('\n'.join(lines))
        with pytest.raises(YamlFileError, match='alias'):
            read_yaml(path)


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'a.yml'
    path.write_bytes(b'\xef\xbb\xbfa: [1, 2.5, null, true]\r\nb: {c: "\xc3\xa9"}\r\n')
    assert read_yaml(path) == {'a': [1, 2.5, None, True], 'b': {'c': 'é'}}
    path.write_bytes(b'')
    assert read_yaml(path) is None
    with pytest.raises(YamlFileError, match='cannot be read'):
        read_yaml(tmp_path)
    with pytest.raises(YamlFileError, match='cannot be read'):
        read_yaml(tmp_path / 'none.yml')
