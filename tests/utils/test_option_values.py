"""Values on the command line: what mmengine reads, and texts that it would spoil."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import DictAction

from videomac.utils.option_values import parse_option

atoms = st.sampled_from(('1', '-2.5', '1e-3', 'x', 'a/b', 'None', 'true', 'False', 'nan'))


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.sampled_from(('()', '[]'))
    lists = st.tuples(pair, st.lists(inner, max_size=3))
    return lists.map(lambda made: f'{made[0][0]}{",".join(made[1])}{made[0][1]}')


@given(
    st.recursive(atoms, nested, max_leaves=9) | st.lists(atoms, min_size=2).map(','.join)
)
def test_lists_and_numbers_are_those_of_mmengine(text: str) -> None:
    wanted = DictAction._parse_iterable(text)
    assert repr(parse_option('model.x', text)) == repr(wanted)


@pytest.mark.parametrize(
    ('option', 'wanted'),
    [
        ("x='0274193026'", '0274193026'),
        ('x="a, b"', 'a, b'),
        ("x='a,b',2", ['a,b', 2]),
        ("""x=[ "1" , 'it"s',(2, 'c]')]""", ['1', 'it"s', (2, 'c]')]),
        ("x=it's,b", ["it's", 'b']),
        ("x=''", ''),
        ('x=(1,2),(3,4)', [(1, 2), (3, 4)]),
        ('x=two words', 'two words'),
        ('a.videos=0274193026', '0274193026'),
        ('a.videos=123e4,dog, None', ['123e4', 'dog', None]),
        ("a.videos='None'", 'None'),
        ('a.videos=None', None),
        ('a.videos=(1,2)', ('1', '2')),
        ('a.data_root=/data/my videos', '/data/my videos'),
        ('data_root=/data/a,b', '/data/a,b'),
        ("data_root='/data/a,b'", '/data/a,b'),
        ('a.source.data_root=[2017,b]', ['2017', 'b']),
        ('a.split=2017', '2017'),
        ('a.checkpoint=None', None),
        ("a.checkpoint='None'", 'None'),
        ('a.list_file=true', 'true'),
        ('optim_wrapper.loss_scale=512.', 512.0),
    ],
)
def test_texts(option: str, wanted: Any) -> None:
    key, _, text = option.partition('=')
    assert parse_option(key, text) == wanted


@pytest.mark.parametrize('text', ["'a,b", '[1,2', '(1,2', "[1,'a]"])
def test_what_does_not_end_is_named(text: str) -> None:
    with pytest.raises(
        ValueError, match=r'(a quote has no end|brackets do not match) in'
    ):
        parse_option('x', text)
