"""Indices and metafiles of any content: our error alone, and no file of elsewhere."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.damage import FEW, MANY, attempt, damaged
from videomac.analysis.zoo_entry import stored_costs
from videomac.apis import list_models
from videomac.apis.zoo import model_config
from videomac.utils import paths
from videomac.utils.model_index import ModelIndexError, indexed_models

METAFILE = 'configs/videomac/metafile.yml'
FILES = {
    'model-index.yml': f'Import:\n  - {METAFILE}\n',
    METAFILE: """Collections:
- Name: VideoMAC
  Paper: {URL: https://arxiv.org/abs/2402.19082}
Models:
- Name: videomac_small
  In Collection: VideoMAC
  Config: configs/videomac/demo.py
  Metadata: {Parameters: 27820128, FLOPs: 4454763264}
  Weights: https://example.org/a.pth
- Name: 'b'
  Config: configs/videomac/demo.py
""",
}
PIECES = (
    *('..', '.', '/', '\\', 'configs', 'configs/videomac/demo.py', 'tools/train.py', ''),
    *('/etc/passwd', '~', '\x00', '\x1b[2J', '\ud800', 'é', 'a', '9' * 300, METAFILE),
    *('model-index.yml', '../outside.py', '\n', '$HOME', 'https://example.org/a.pth'),
)
texts = st.lists(st.sampled_from(PIECES), max_size=4).map(''.join)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
keys = st.sampled_from(
    ['Import', 'Models', 'Name', 'Config', 'Weights', 'Metadata', 'FLOPs', 'Parameters']
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
models = st.fixed_dictionaries(
    {'Name': texts | leaves, 'Config': texts | leaves},
    optional={'Weights': anything, 'Metadata': anything},
)
#: What YAML has beyond JSON.
MARKS = (
    *('&a ', '*a', '<<: ', '!!int ', '!!bool ', '!!timestamp ', '!!binary ', '!!set '),
    *('!!python/object/apply:os.getcwd []', '? ', '- ', ': ', '| ', '> ', '---\n', '...'),
    *('%YAML 1.2\n', '2026-13-45', '1:59:59.5', '0x', '.inf', '{', '}', '[', ']', '\n'),
    *('\t', '"', "'", '#', ',', 'Models', 'Import', 'a', '\\'),
)
marked = st.lists(st.sampled_from(MARKS), max_size=14).map(''.join).map(str.encode)


lists = {'Models': st.lists(models, max_size=3), 'Import': st.lists(leaves, max_size=3)}
contents = (
    damaged(*(text.encode() for text in FILES.values()))
    | (anything | st.fixed_dictionaries(lists)).map(json.dumps).map(str.encode)
    | marked
    | st.binary(max_size=40)
)


def check(name: str, content: bytes) -> None:
    """Models have configs below configs/, or the error names a file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, 'toolbox')
        (root / 'configs' / 'videomac').mkdir(parents=True)
        (root / 'tools').mkdir()
        for code in ('configs/videomac/demo.py', 'tools/train.py', '../outside.py'):
            (root / code).write_text("raise SystemExit('it was run')\n")
        (root / 'configs/videomac/demo.py').write_text('a = 1\n')
        for file, text in FILES.items():
            (root / file).write_bytes(content if file == name else text.encode())
        with mock.patch.object(paths, '_roots', return_value=[root]):
            for read in (read_models, read_costs):
                _, message = attempt(partial(read, root), ModelIndexError)
                assert not message or str(root / name) in message


def read_models(root: Path) -> None:
    """As those do who look for a model."""
    assert all(isinstance(model.weights, (str, type(None))) for model in indexed_models())
    names = list_models()
    assert names == sorted(names)
    for found in names:
        path: Any = Path(model_config(found).filename)
        assert path.resolve() == root.resolve() / 'configs' / 'videomac' / 'demo.py'


def read_costs(root: Path) -> None:
    """As those do who write the zoo's pages."""
    for config, cost in stored_costs().items():
        assert config == 'videomac/demo.py'
        assert isinstance(cost.parameters, int)
        assert isinstance(cost.dense, int)


@pytest.mark.parametrize('name', FILES)
@example(b'Import: [../outside.py]\nModels: [{Name: a, Config: ../outside.py}]')
@example(b'Models: [{Name: a, Config: tools/train.py}]')  # was taken for a config
@example(b'Models: [{Name: 3}]')  # was a KeyError
@example(b'Models: 3')  # was a TypeError
@example(b'- a')  # was an AttributeError
@example(b'\xff\xfe')
@example(b'[' * 100_000)  # was a RecursionError
@example(b'a: &a [*a]')
@FEW
@given(contents)
def test_metafile(name: str, content: bytes) -> None:
    check(name, content)


@pytest.mark.slow
@pytest.mark.parametrize('name', FILES)
@MANY
@given(contents)
def test_many_metafiles(name: str, content: bytes) -> None:
    check(name, content)
