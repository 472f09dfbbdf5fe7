"""Configs inside checkpoints are read as data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.utils import get_object_from_string

from videomac.checkpoints.stored_config import harmless, parse_config, stored_config
from videomac.registry import MODELS
from videomac.utils import find_config

KEYS = st.text('abcdef_', min_size=1, max_size=4)
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    'name', ['videomac/demo.py', 'propagation/vip/videomac_resnet50_s8_vip.py']
)
def test_equals_mmengines_reading(name: str) -> None:
    config = Config.fromfile(find_config(name))
    content = {'meta': {'cfg': config.pretty_text}}
    assert stored_config(content) == config.to_dict()


@given(VALUES)
def test_plain_values(value: Any) -> None:
    assert parse_config(f'value = {value!r}') == {'value': value}


def test_calls_of_dict() -> None:
    text = 'a = dict(b=-1.5, c=dict(), d=[dict(e=(1,))])'
    assert parse_config(text) == {'a': {'b': -1.5, 'c': {}, 'd': [{'e': (1,)}]}}


def test_code_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / 'trace'
    text = (
        f'open({str(trace)!r}, "w")\n'
        f'model = dict(x=open({str(trace)!r}, "w"))\n'
        f'other = dict(**dict(a=open({str(trace)!r}, "w")))\n'
        f'lines = [open({str(trace)!r}, "w") for _ in (1,)]\n'
        'good = 3\n'
    )
    assert parse_config(text) == {'good': 3}
    assert not trace.exists()


def test_no_config_and_no_python() -> None:
    assert stored_config({}) is None
    assert stored_config({'meta': {'cfg': 7}}) is None
    for text in ('model = dict(', 'a = ' + '(' * 5000):
        with pytest.raises(ValueError, match='cannot be read'):
            parse_config(text)


@pytest.mark.parametrize(
    'kind', ['os.system', 'antigravity', 'mmpretrain.get_model', 'subprocess.run', 'x']
)
def test_only_registered_types(kind: str) -> None:
    with pytest.raises(ValueError, match=f"wants a '{kind}', which is not registered"):
        harmless({'type': 'mmpretrain.ResNet', 'stem': [{'type': kind}]})


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('videomac.models.VideoMAC', 'videomac.VideoMAC'),
        ('videomac.models.videomac.VideoMAC', 'videomac.VideoMAC'),
        ('mmpretrain.models.backbones.ResNet', 'mmpretrain.ResNet'),
        ('videomac.models.encoders.build_with_output_stride', 'videomac.OutputStride'),
        ('torch.nn.GELU', 'mmengine.GELU'),
    ],
)
def test_import_paths_of_what_is_registered(path: str, name: str) -> None:
    """Configs in pure Python have them; a name in their place builds the same."""
    assert harmless([{'type': path}]) == [{'type': name}]
    assert MODELS.get(name) is get_object_from_string(path)


def test_no_path_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'unheard_of.py').write_text('from mmpretrain.models import ResNet\n')
    monkeypatch.syspath_prepend(tmp_path)
    for kind in ('unheard_of.ResNet', 'unheard_of.sub.ResNet', 'torch.nn.Module'):
        with pytest.raises(ValueError, match='is not registered: import the module'):
            harmless({'type': kind})
    assert 'unheard_of' not in sys.modules


def test_nothing_is_loaded_from_elsewhere() -> None:
    config = dict(
        type='mmpretrain.TIMMBackbone',
        model_name='resnet18',
        pretrained=True,
        checkpoint_path='x.pth',
        more=(dict(type='BN', init_cfg=dict(type='Pretrained', checkpoint='y')), 2),
    )
    assert harmless(config) == dict(
        type='mmpretrain.TIMMBackbone', model_name='resnet18', more=(dict(type='BN'), 2)
    )
    with pytest.raises(ValueError, match='names a model'):
        harmless(config | dict(model_name='hf-hub:someone/model'))
