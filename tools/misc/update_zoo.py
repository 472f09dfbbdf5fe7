#!/usr/bin/env python
"""Write what the zoo's pages and metafiles say of the configs: sizes, costs, scores.

Pages are README.md files beside the configs and docs/en/model_zoo.md; between the lines
<!-- zoo: NAME --> and <!-- /zoo --> stands the table NAME. Of the metafiles the list of
models is written, what stands above it is kept. The paper's scores come from
configs/paper.yml, ours from configs/measured.yml, sizes and costs from the models.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from mmengine.config import Config

from videomac.analysis.zoo_entry import ZooCost, ZooEntry, config_cost, stored_costs
from videomac.analysis.zoo_tables import TABLES, zoo_table
from videomac.utils import configs_root
from videomac.utils.quiet import quiet_log
from videomac.utils.yaml_files import read_yaml

ROOT = configs_root().parent
FOLDERS = ('videomac', 'ablations', 'finetune', 'propagation', 'rivals')
PAGES = (
    'configs/videomac/README.md',
    'configs/ablations/README.md',
    'configs/finetune/README.md',
    'configs/rivals/README.md',
    'docs/en/model_zoo.md',
)
BLOCK = re.compile(r'(<!-- zoo: (\S+) -->\n).*?(<!-- /zoo -->)', re.DOTALL)
LINE = 88  # columns of a metafile


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--check', action='store_true', help='write nothing; fail if a file is stale'
    )
    parser.add_argument(
        '--stored-costs',
        action='store_true',
        help='take parameters and multiply-adds from the metafiles; builds no model',
    )
    return parser


def collect(stored: Mapping[str, ZooCost] | None) -> dict[str, ZooEntry]:
    """Read all configs but the demos, and count what their models cost.

    Args:
        stored: Costs by config, to be believed; None to build every model.
    """
    entries = {}
    for folder in FOLDERS:
        root = configs_root() / folder
        head = read_yaml(root / 'metafile.yml')
        names = [collection['Name'] for collection in head['Collections']]
        for path in sorted(root.rglob('*.py')):
            if path.stem == 'demo':
                continue
            config = path.relative_to(configs_root()).as_posix()
            # Propagation takes images of any size, and of its config the name says all.
            settings = Config() if folder == 'propagation' else Config.fromfile(path)
            cost = stored.get(config) if stored is not None else config_cost(settings)
            entries[config] = ZooEntry(
                config, collection_of(path.stem, names), settings, cost
            )
    return entries


def collection_of(config: str, collections: Sequence[str]) -> str:
    """The collection of the method that a config's name begins with, else the first."""
    method = config.partition('_')[0]
    own = [name for name in collections if name.replace('-', '').lower() == method]
    return own[0] if own else collections[0]


def metafile(path: Path, entries: Sequence[ZooEntry]) -> str:
    """The text of a metafile with these models."""
    head = path.read_text(encoding='utf-8').split('\nModels:')[0].rstrip('\n')
    models = yaml.safe_dump(
        {'Models': [entry.model() for entry in entries]}, sort_keys=False, width=LINE
    )
    return f'{head}\n\n{models}'


def page(path: Path, entries: Mapping[str, ZooEntry]) -> str:
    """The text of a page with its tables.

    Raises:
        SystemExit: It asks for a table that does not exist.
    """

    def fill(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise SystemExit(
                f"update_zoo.py: {path}: there is no table '{match[2]}'; there are "
                f'{", ".join(TABLES)}'
            )
        table = zoo_table(match[2], entries, path, configs_root())
        return f'{match[1]}\n{table}\n\n{match[3]}'

    return BLOCK.sub(fill, path.read_text(encoding='utf-8'))


def contents(entries: Mapping[str, ZooEntry]) -> dict[Path, str]:
    """What each file should hold."""
    found = {}
    for folder in FOLDERS:
        path = configs_root() / folder / 'metafile.yml'
        own = [e for name, e in entries.items() if name.startswith(f'{folder}/')]
        found[path] = metafile(path, own)
    return found | {ROOT / name: page(ROOT / name, entries) for name in PAGES}


@quiet_log()  # models tell how they are built
def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the files."""
    args = build_parser().parse_args(argv)
    wanted = contents(collect(stored_costs() if args.stored_costs else None))
    stale = [
        path for path, text in wanted.items() if path.read_text(encoding='utf-8') != text
    ]
    for path in stale:
        name = path.relative_to(ROOT)
        if args.check:
            print(f'{name} is out of date: run tools/misc/update_zoo.py', file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding='utf-8')
            print(f'{name} written')
    return 1 if args.check and stale else 0


if __name__ == '__main__':
    raise SystemExit(main())
