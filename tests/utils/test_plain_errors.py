"""One line for people, a traceback for those who ask for it."""

from __future__ import annotations

import pytest

from videomac.checkpoints import UnusableCheckpointError
from videomac.utils import plain_errors


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (ValueError('ratio must be below 1'), 'x.py: ratio must be below 1'),
        (FileNotFoundError("no folder 'a'"), "x.py: no folder 'a'"),
        (UnusableCheckpointError('cut short'), 'x.py: cut short'),
        (KeyError('Type A'), 'x.py: KeyError: Type A (VIDEOMAC_TRACEBACK=1 shows where)'),
        (TypeError('f() got'), 'x.py: TypeError: f() got (VIDEOMAC_TRACEBACK=1'),
        (AssertionError(), 'x.py: AssertionError: no more is known (VIDEOMAC'),
        (ValueError(), 'x.py: ValueError: no more is known (VIDEOMAC'),
    ],
)
def test_one_line(error: Exception, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('VIDEOMAC_TRACEBACK', raising=False)
    with pytest.raises(SystemExit) as caught, plain_errors('x.py'):
        raise error
    assert str(caught.value).startswith(text)
    assert '\n' not in str(caught.value)


def test_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('VIDEOMAC_TRACEBACK', '1')
    with pytest.raises(KeyError), plain_errors('x.py'):
        raise KeyError('a')


def test_ends_that_are_no_errors_pass() -> None:
    for end in (SystemExit(75), KeyboardInterrupt()):
        with pytest.raises(type(end)) as caught, plain_errors('x.py'):
            raise end
        assert caught.value is end
