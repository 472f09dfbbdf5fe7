"""Names inside archives."""

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomac.datasets.preparation.names import UnsafeNameError, is_junk, safe_name


@pytest.mark.parametrize(
    ('raw', 'reason'),
    [
        ('../x', "'..'"),
        ('a/../../x', "'..'"),
        ('a/..', "'..'"),
        ('/etc/passwd', 'absolute'),
        ('C:/x', 'drive'),
        ('c:x', 'drive'),
        ('a\\..\\x', 'backslash'),
        ('\\\\server\\x', 'backslash'),
        ('a\0b', 'control'),
        ('a\nb', 'control'),
        ('caf\udce9', 'UTF-8'),
        ('', 'nothing'),
        ('./.', 'nothing'),
        ('x' * 256, '255 bytes'),
        ('é' * 128, '255 bytes'),
    ],
)
def test_unsafe_names_are_refused_with_the_reason(raw: str, reason: str) -> None:
    with pytest.raises(UnsafeNameError, match=reason):
        safe_name(raw)


@pytest.mark.parametrize(
    ('raw', 'safe'),
    [
        ('a/b.jpg', 'a/b.jpg'),
        ('./a//b.jpg', 'a/b.jpg'),
        ('a/', 'a'),
        ('..a/b..', '..a/b..'),
        ('e\u0301.jpg', '\u00e9.jpg'),
        ('skiing_(not_slalom)/x y.mp4', 'skiing_(not_slalom)/x y.mp4'),
    ],
)
def test_safe_names_come_into_one_form(raw: str, safe: str) -> None:
    assert safe_name(raw) == safe


PARTS = st.lists(
    st.one_of(
        st.sampled_from(['..', '.', '', '/', '\\', 'C:', '\0', 'a']),
        st.text(string.printable, max_size=5),
        st.text(max_size=4),
    ),
    max_size=6,
)


@given(PARTS)
def test_no_safe_name_leads_out_of_the_folder(parts: list[str]) -> None:
    try:
        name = safe_name('/'.join(parts))
    except UnsafeNameError:
        return
    path = os.path.normpath(os.path.join('/root/target', name))
    assert path == f'/root/target/{name}'
    assert safe_name(name) == name


def test_junk_is_told_from_data() -> None:
    assert is_junk('__MACOSX/train/._00000.jpg')
    assert is_junk('train/.DS_Store')
    assert is_junk('train/Thumbs.db')
    assert not is_junk('train/00000.jpg')
