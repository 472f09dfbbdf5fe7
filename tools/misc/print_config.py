#!/usr/bin/env python
"""Print a config with everything that it inherits, as one config."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from videomac.utils import CONFIG_SUFFIXES, CfgOptions, find_config, merge_options


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='path of a config, or its path below configs/ of the toolbox')
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: model.masking.ratio=0.9',
    )
    add('--save-path', type=Path, help='write to this file (.py, .json, .yml) as well')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print."""
    args = build_parser().parse_args(argv)
    try:
        cfg = Config.fromfile(find_config(args.config))
    except FileNotFoundError as error:
        raise SystemExit(f'print_config.py: {error}') from None
    merge_options(cfg, args.cfg_options)
    print(cfg.pretty_text)
    if args.save_path is not None:
        if args.save_path.suffix not in CONFIG_SUFFIXES:
            raise SystemExit(
                f"print_config.py: --save-path '{args.save_path}' must end in .py, "
                '.json or .yml'
            )
        args.save_path.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(args.save_path)


if __name__ == '__main__':
    main()
