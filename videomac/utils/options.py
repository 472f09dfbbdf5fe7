"""The command line's changes to a config: data alone, and errors that name the option."""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from .option_values import parse_option
from .shortcuts import expand_shortcuts

__all__ = ['CfgOptions', 'change_config', 'merge_options']

#: Names at the top of a config that are read, and are no arguments of mmengine's runner.
NAMES = (
    *('activation_checkpointing', 'compile', 'efficient_conv_bn_eval'),
    *('find_unused_parameters', 'model_wrapper_cfg', 'sync_bn'),
    *('runner_type', 'shortcuts'),
)
MOST = 4  # suggestions
HINT = 'See the names with tools/misc/print_config.py CONFIG'


class CfgOptions(Action):
    """``KEY=VALUE``, as mmengine's action; ends in the parser's error, not a traceback.

    Values are those of :func:`parse_option`. Nothing is evaluated.
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse the options into a dictionary."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for text in values or ():
            key, sign, value = str(text).partition('=')
            # Keys become names in the config that a run keeps, which is Python.
            if not sign or not re.fullmatch(r'[\w-]+(\.[\w-]+)*', key):
                parser.error(
                    f'{option_string}: {text!r} is not KEY=VALUE, with a KEY such as '
                    'model.masking.ratio'
                )
            try:
                options[key] = parse_option(key, value)
            except RecursionError:
                parser.error(f'{option_string}: {key} is nested too deep')
            except ValueError as error:
                parser.error(f'{option_string}: {key}: {error}')
        setattr(namespace, self.dest, options)


def merge_options(
    cfg: Config, options: Mapping[str, Any] | None, read: Collection[str] = ()
) -> None:
    """Change a config as the command line says, with the config's shortcuts.

    Args:
        cfg: The config; it is changed.
        options: What :class:`CfgOptions` made; may be None.
        read: Names at the top of the config that the caller reads, beside those that
            mmengine's runner does.

    Raises:
        SystemExit: An option does not fit the config, or would change nothing.
    """
    try:
        change_config(cfg, options, read)
    except ValueError as error:
        raise SystemExit(f'--cfg-options {error} {HINT}') from error


def change_config(
    cfg: Config, options: Mapping[str, Any] | None, read: Collection[str] = ()
) -> None:
    """Change a config, with the config's shortcuts.

    Args:
        cfg: The config; it is changed.
        options: Values by their dotted names; may be None.
        read: Names at the top of the config that the caller reads, beside those that
            mmengine's runner does.

    Raises:
        ValueError: An option does not fit the config, or would change nothing.
    """
    options = options or {}
    _check_names(cfg, options, read)
    try:
        cfg.merge_from_dict(expand_shortcuts(cfg, options))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        names = ', '.join(options)
        raise ValueError(f'{names}: does not fit the config ({error}).') from error


def _check_names(cfg: Config, options: Mapping[str, Any], read: Collection[str]) -> None:
    """Refuse names that nobody reads.

    A variable of a config file, such as ``lr``, has done its work when the file has been
    read: to change it later changes nothing, and a run would train with the old value.
    """
    known = {*signature(Runner.__init__).parameters, *NAMES, *read}
    for name in options:
        top, _, _ = name.partition('.')
        if top in known or name in (cfg.get('shortcuts') or {}):
            continue
        same = [
            place
            for place in _places({key: cfg[key] for key in cfg if key in known})
            if place.rpartition('.')[2] == name.rpartition('.')[2]
        ]
        meant = f' Did you mean {" or ".join(same[:MOST])}?' if same else ''
        raise ValueError(
            f"{name}: nothing reads '{top}' at the top of this config, and to change it "
            f'would change nothing.{meant}'
        )


def _places(node: Any, prefix: str = '') -> Iterator[str]:
    """Dotted names of all values of a config."""
    if isinstance(node, Mapping):
        pairs: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, list | tuple):
        pairs = enumerate(node)
    else:
        return
    for key, value in pairs:
        yield f'{prefix}{key}'
        yield from _places(value, f'{prefix}{key}.')
