"""The command line's changes to a config: data alone, and errors that name the option."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from .shortcuts import expand_shortcuts

__all__ = ['CfgOptions', 'merge_options']


class CfgOptions(DictAction):  # type: ignore[misc]
    """mmengine's ``KEY=VALUE`` action that ends in the parser's error, not a traceback.

    Values are numbers, truth values, None, text, and lists and tuples of these. Nothing
    is evaluated.
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse the options into a dictionary."""
        for text in values or ():
            key, sign, _ = str(text).partition('=')
            # Keys become names in the config that a run keeps, which is Python.
            if not sign or not re.fullmatch(r'[\w-]+(\.[\w-]+)*', key):
                parser.error(
                    f'{option_string}: {text!r} is not KEY=VALUE, with a KEY such as '
                    'model.masking.ratio'
                )
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError, RecursionError) as error:
            parser.error(f'{option_string}: {error or "nested too deep"}')


def merge_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Change a config as the command line says, with the config's shortcuts.

    Args:
        cfg: The config; it is changed.
        options: What :class:`CfgOptions` made; may be None.

    Raises:
        SystemExit: An option does not fit the config.
    """
    try:
        cfg.merge_from_dict(expand_shortcuts(cfg, options))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        names = ', '.join(options or ())
        raise SystemExit(
            f'--cfg-options {names}: does not fit the config ({error}). See the names '
            'with tools/misc/print_config.py CONFIG'
        ) from error
