"""Options that the commands of the mini-benchmark share."""

from __future__ import annotations

import argparse
import os

from videomac.utils import CfgOptions

__all__ = ['add_shared_options']


def add_shared_options(
    parser: argparse.ArgumentParser, folders: str, work_dir: str
) -> None:
    """Add where the data is, where results go, and changes of the configs.

    Args:
        parser: Parser of the command, changed in place.
        folders: What the command reads below the folder of the data.
        work_dir: Where results go by default.
    """
    add = parser.add_argument
    add(
        '--data',
        default=os.environ.get('VIDEOMAC_DATA', 'data'),
        help=f'folder of {folders} [$VIDEOMAC_DATA, else data]',
    )
    add('--work-dir', default=work_dir, help='[%(default)s]')
    for name, what in (('cfg', 'the training'), ('score', 'the propagation')):
        add(
            f'--{name}-options',
            nargs='+',
            action=CfgOptions,
            metavar='KEY=VALUE',
            help=f'change the config of {what}; use another --work-dir for it',
        )
