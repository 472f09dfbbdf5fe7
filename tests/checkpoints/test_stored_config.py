"""Configs inside checkpoints are read as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config

from videomac.checkpoints.stored_config import harmless, parse_config, stored_config
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
