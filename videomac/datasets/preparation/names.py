"""Names of files inside archives: which are safe to write, and which are no data."""

from __future__ import annotations

import re
import unicodedata

__all__ = ['UnsafeNameError', 'is_junk', 'safe_name']

_DRIVE = re.compile(r'[A-Za-z]:')
# What file systems commonly allow one part of a path, in bytes.
_LONGEST_PART = 255
_JUNK = frozenset({'__MACOSX', 'Thumbs.db', 'desktop.ini'})


class UnsafeNameError(ValueError):
    """A name that could lead out of the target folder, or that no file should have.

    Args:
        name: The name as it stands in the archive.
        reason: What is wrong with it.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.name!r} {self.reason}'


def safe_name(raw: str) -> str:
    """Check the name of a member of an archive and bring it into one form.

    Args:
        raw: The name; parts are separated by ``/``.

    Returns:
        The relative path without empty parts and ``.``, composed characters as one
        (Unicode NFC).

    Raises:
        UnsafeNameError: The name is absolute, goes up (``..``), has a drive, a
            backslash or control characters, is not UTF-8, too long or empty.
    """
    reason = _offence(raw)
    if reason is not None:
        raise UnsafeNameError(raw, reason)
    parts = [part for part in raw.split('/') if part not in ('', '.')]
    if not parts:
        raise UnsafeNameError(raw, 'names nothing')
    if any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise UnsafeNameError(raw, f'has a part of more than {_LONGEST_PART} bytes')
    return unicodedata.normalize('NFC', '/'.join(parts))


def _offence(raw: str) -> str | None:
    try:
        raw.encode()
    except UnicodeEncodeError:
        return 'is not UTF-8'
    if raw.startswith('/'):
        return 'is an absolute path'
    if _DRIVE.match(raw):
        return 'names a drive'
    if '\\' in raw:
        return 'has a backslash, which some systems take for a separator'
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in raw):
        return 'has control characters'
    if '..' in raw.split('/'):
        return "leads up the tree ('..')"
    return None


def is_junk(name: str) -> bool:
    """Tell files that operating systems leave behind, and hidden ones, from data."""
    return any(part.startswith('.') or part in _JUNK for part in name.split('/'))
