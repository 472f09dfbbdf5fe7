#!/usr/bin/env python
"""Check which stock ConvNets run exactly on sparse maps, and write the table of them."""

import argparse
import fnmatch
import json
import math
import runpy
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger

from videomac.registry import MODELS
from videomac.sparse.verification import CHECKS, TOLERANCE, Verdict, verify_encoder

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'en' / 'encoder_coverage.md'
PACKAGES = ('torch', 'mmpretrain', 'mmcv', 'mmcv-lite', 'timm')
COMMAND = 'python tools/analysis_tools/encoder_coverage.py'
_zoo = runpy.run_path(str(Path(__file__).with_name('encoder_zoo.py')))
ENCODERS: dict[str, dict[str, Any]] = _zoo['ENCODERS']
GRIDS: dict[str, tuple[int, tuple[int, int]]] = _zoo['GRIDS']


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--only', metavar='PATTERN', default='*', help='names to try: "timm res*"')
    add('--out', type=Path, metavar='FILE', help='write the table (Markdown) to FILE')
    add(
        '--check',
        action='store_true',
        help=f'compare the rows with those of {PAGE.name}; exit with 1 if any differs',
    )
    add(
        '--resume',
        type=Path,
        metavar='FILE',
        help='keep the rows in FILE (JSON) and do not make those again that are there',
    )
    add('--list', action='store_true', help='print the names and do nothing')
    return parser


def check(name: str) -> tuple[int, Verdict]:
    """Check one encoder.

    Returns:
        The side of the patches, of 64 pixels where 32 are too few, and the verdict.
    """
    cfg = ENCODERS[name]
    if name in GRIDS:
        patch_size, shape = GRIDS[name]
        return patch_size, verify_encoder(lambda: MODELS.build(cfg), patch_size, shape)
    verdict = verify_encoder(lambda: MODELS.build(cfg), 32)
    if 'patch_size' not in verdict.reason:
        return 32, verdict
    return 64, verify_encoder(lambda: MODELS.build(cfg), 64)


def row(name: str, patch_size: int, verdict: Verdict) -> str:
    """Make the line of the table."""
    marks = ['yes' if c in verdict.passed else 'no' for c in CHECKS]
    if 'runs' not in verdict.passed:
        marks[1:] = ['-'] * (len(CHECKS) - 1)
    reason = verdict.reason.replace('|', r'\|')
    return f'| {name} | {patch_size} | {" | ".join(marks)} | {reason} |'


def rows_of(page: str) -> dict[str, str]:
    """Lines of the table of a page, by the name of the encoder."""
    lines = [line for line in page.splitlines() if line.startswith('| ')]
    return {line.split('|')[1].strip(): line for line in lines[1:]}


def versions() -> str:
    """Name the versions of the packages that say what an encoder is."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f'{package} {version(package).split("+")[0]}')
        except PackageNotFoundError:
            continue
    return ', '.join(found)


def page_of(rows: Sequence[str]) -> str:
    """Make the whole page."""
    green = sum(line.count('| yes ') == len(CHECKS) for line in rows)
    legend = '\n'.join(f'- **{name}**: {meaning}.' for name, meaning in CHECKS.items())
    head = ' | '.join(['encoder', 'patch', *CHECKS, 'why not'])
    rule = '|'.join(['---'] * (len(CHECKS) + 3))
    return f"""# Encoders on sparse maps

Which stock ConvNets of mmpretrain and timm run, unchanged, on the visible patches alone,
and whether what they compute is exact. **{green} of {len(rows)}** pass every check. The
others do not run or are not exact: most have an operation without an exact meaning on a
map with masked cells. An error names it, and the module, as the last column does.

{legend}

Each network has random parameters, is in training mode (BatchNorm takes its statistics
from the batch; dropout and stochastic depth are off) and computes in double precision on
three images of 2 by 3 patches, of which three, four and two are visible. Equal means to
1e{math.log10(TOLERANCE):.0f} of the largest value; *patch* is the side of a patch in
pixels, 32 where the encoder's stride allows. A network that does not run is not checked
further.

| {head} |
|{rule}|
{chr(10).join(rows)}

Made with {versions()} by

```bash
{COMMAND} --out docs/en/encoder_coverage.md
```
"""


def check_all(names: Sequence[str], resume: Path | None) -> dict[str, str]:
    """Check encoders one after the other and say how far it has got."""
    rows: dict[str, str] = {}
    if resume is not None and resume.is_file():
        kept = json.loads(resume.read_text(encoding='utf-8'))
        rows = {name: kept[name] for name in names if name in kept}
    todo = [name for name in names if name not in rows]
    start = time.monotonic()
    for done, name in enumerate(todo, 1):
        rows[name] = row(name, *check(name))
        if resume is not None:
            kept = json.loads(resume.read_text('utf-8')) if resume.is_file() else {}
            resume.write_text(json.dumps(kept | rows, indent=1), encoding='utf-8')
        left = (time.monotonic() - start) / done * (len(todo) - done)
        print(f'[{done}/{len(todo)}, {left / 60:.0f} min left] {rows[name]}', flush=True)
    return {name: rows[name] for name in names}


def differences(rows: dict[str, str], page: Path = PAGE) -> list[str]:
    """Say which rows are not those of the page."""
    if not page.is_file():
        return [f'{page} does not exist; write it with: {COMMAND} --out {page}']
    known = rows_of(page.read_text(encoding='utf-8'))
    return [
        f'{name}:\n  now  {line}\n  page {known.get(name, "(no such row)")}'
        for name, line in rows.items()
        if known.get(name) != line
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, check, print and write."""
    args = build_parser().parse_args(argv)
    names = [name for name in ENCODERS if fnmatch.fnmatch(name, args.only)]
    if not names:
        raise SystemExit(f'encoder_coverage.py: no encoder is called {args.only!r}')
    if args.list:
        print('\n'.join(names))
        return
    warnings.filterwarnings('ignore')
    MMLogger.get_instance('mmengine').setLevel('ERROR')
    torch.set_num_threads(1)  # small maps: several threads would wait for each other
    rows = check_all(names, args.resume)
    if args.out is not None:
        args.out.write_text(page_of(list(rows.values())), encoding='utf-8')
    found = differences(rows) if args.check else []
    for difference in found:
        print(difference, file=sys.stderr)
    if found:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
