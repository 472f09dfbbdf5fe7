"""Values of the command line's options: text becomes data, and nothing is evaluated."""

from __future__ import annotations

import re
from typing import Any

__all__ = ['parse_option']

#: Last parts of keys whose values are text even where it could be a number, or several
#: values: names and paths. Their present values in a config cannot tell, for some are
#: None, and other texts, such as ``loss_scale='dynamic'``, may well become numbers.
TEXTS = (
    *('checkpoint', 'data_root', 'list_file', 'load_from', 'resolution', 'split'),
    'work_dir',
)
#: The same where commas separate several.
LISTS = ('videos',)
QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'')
BRACKETS = {'(': ')', '[': ']'}


def parse_option(key: str, text: str) -> Any:
    """Turn the value of an option into data.

    ``1,a`` and ``[1,a]`` are lists, ``(1,a)`` is a tuple, and they may be nested. What is
    not a number, a truth value or None is text. In quotes anything is text, commas and
    brackets among it. Blanks count within a text and not around it. Values of
    ``data_root``, ``videos`` and the like are always texts, see :data:`TEXTS`.

    Args:
        key: Dotted name of what changes.
        text: Its value.

    Returns:
        A number, truth value, None or text, or lists and tuples of these.

    Raises:
        ValueError: Brackets do not match, or a quote has no end.
        RecursionError: Lists are nested too deep.
    """
    last = key.rpartition('.')[2]
    plain = last in TEXTS or last in LISTS
    if last in TEXTS and not _in_brackets(text.strip()):
        return _scalar(text.strip(), plain=True)
    return _parse(text.strip(), plain)


def _parse(text: str, plain: bool) -> Any:
    """Turn text without blanks around it into data."""
    if QUOTED.fullmatch(text):
        return text[1:-1]
    pieces = _split(text)
    if len(pieces) > 1:
        return _parse_all(pieces, plain)
    if _in_brackets(text):
        values = _parse_all(_split(text[1:-1]), plain)
        return tuple(values) if text[0] == '(' else values
    return _scalar(text, plain)


def _parse_all(pieces: list[str], plain: bool) -> list[Any]:
    """Elements of a list; after the last comma there may be none."""
    elements = [piece.strip() for piece in pieces]
    if not elements[-1]:
        elements.pop()
    return [_parse(each, plain) for each in elements]


def _in_brackets(text: str) -> bool:
    return len(text) > 1 and BRACKETS.get(text[0]) == text[-1]


def _split(text: str) -> list[str]:
    """Split text at the commas that lie neither in brackets nor in quotes.

    Quotes are those at the beginning of an element; in words they are apostrophes.
    """
    if ',' not in text:
        return [text]
    pieces, depth, quote, begins = [''], 0, '', True
    for char in text:
        if char == ',' and not depth and not quote:
            pieces.append('')
            begins = True
            continue
        pieces[-1] += char
        if quote:
            quote = '' if char == quote else quote
            begins = False
        elif begins and char in '\'"':
            quote = char
        else:
            depth += (char in '([') - (char in ')]')
            begins = char in '([,' or (begins and char == ' ')
    if quote:
        raise ValueError(f'a quote has no end in {text!r}')
    if depth:
        raise ValueError(f'brackets do not match in {text!r}')
    return pieces


def _scalar(text: str, plain: bool) -> Any:
    """A value that is no list; where it is to be plain text, only None is another."""
    if QUOTED.fullmatch(text):
        return text[1:-1]
    if text == 'None':
        return None
    if plain:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {'true': True, 'false': False}.get(text.lower(), text)
