"""Options of the command line: data alone, no code, no crash."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mmengine.config import Config

from tests.fuzz.damage import FEW, MANY
from videomac.utils import CfgOptions, merge_options

WATCHED = ('exec', 'compile', 'import', 'open', 'os.system', 'subprocess.Popen')
KEYS = ('a', 'a.b', 'a.c.1.x', 'l.0', 'l.9', 's.t', 'z', '_delete_', '__class__', 'a..b')
PARTS = ('[', ']', '(', ')', ',', "'", '"', '1', '-2.5', 'None', 'True', ' ', '{{', '}}')
CODE = ("__import__('os').system('false')", '${HOME}', '{{_base_.a}}', 'lambda: 1')

_seen: list[str] | None = None


def _note(event: str, args: tuple[Any, ...]) -> None:
    if _seen is not None and event in WATCHED:
        _seen.append(f'{event} {args[:1]}')


sys.addaudithook(_note)


@contextmanager
def audited() -> Iterator[list[str]]:
    """Gather what Python reports of code that is made, loaded or run."""
    global _seen
    _seen = []
    try:
        yield _seen
    finally:
        _seen = None


def parsed(options: list[str]) -> dict[str, Any]:
    """The options as a tool of ours has them."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    found: dict[str, Any] = parser.parse_args(['--cfg-options', *options]).cfg_options
    return found


def config() -> Config:
    """A config with what options can meet."""
    inner = dict(b=1, c=[1, dict(x=2)])
    return Config(dict(a=inner, l=[1, 2], s='x', shortcuts=dict(z=['a.b'])))


def is_data(value: Any) -> bool:
    """Whether a value is plain data throughout."""
    if isinstance(value, (list, tuple)):
        return all(map(is_data, value))
    if isinstance(value, dict):
        return all(map(is_data, value.values()))
    return value is None or isinstance(value, (bool, int, float, str))


def check(options: list[str]) -> None:
    """Parse and merge: plain data, or the parser's error, and nothing is run."""
    cfg = config()
    with audited() as seen:
        try:
            merge_options(cfg, parsed(options), read=('a', 'l', 's'))
        except SystemExit:
            pass
        else:
            assert is_data(cfg.to_dict())
    assert not [what for what in seen if 'import' not in what], seen


values = st.lists(st.sampled_from((*PARTS, *CODE)) | st.text(max_size=3), max_size=8)
options = st.lists(
    st.text(max_size=12)
    | st.tuples(
        st.sampled_from(KEYS) | st.text(max_size=8), values.map(''.join) | st.text()
    ).map('='.join),
    min_size=1,
    max_size=4,
).filter(lambda texts: not any(text.startswith('-') for text in texts))


@example(['nothing'])  # were tracebacks
@example(['a=1', 'a.b=2'])
@example(['l.x=7'])
@example(['s.t=1'])
@example(['x=(1,[2)]'])
@example(['x=' + '[' * 2000 + ']' * 2000])
@FEW
@given(options)
def test_options(options: list[str]) -> None:
    check(options)


@pytest.mark.slow
@MANY
@given(options)
def test_many_options(options: list[str]) -> None:
    check(options)


@pytest.mark.parametrize('text', CODE)
def test_code_stays_text(text: str) -> None:
    assert parsed([f'x={text}'])['x'] == text


@pytest.mark.parametrize('key', ['import os', 'x\n', 'f(1)', 'a b', '', '.a', 'a[0]'])
def test_keys_that_would_be_code_in_a_dumped_config(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed([f'{key}=1'])
    assert 'is not KEY=VALUE, with a KEY such as' in capsys.readouterr().err


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(SystemExit, match=r'--cfg-options l\.9: does not fit .*Index 9'):
        merge_options(config(), parsed(['l.9=7']), read=('l',))
