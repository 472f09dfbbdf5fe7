"""What a run has left in its work dir."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoints.stored_config import parse_config
from ..datasets.sources.images import natural_key
from ..visualization.log_records import Scalars
from ..visualization.run_log import read_run, scalar_files
from .embedding import MOVING

__all__ = ['Evaluation', 'RunRecord', 'read_evaluations', 'read_run_record']

DEPTH = 4  # folders below the one that is named
SUMMARIES = ('summary', 'global')  # keys of the tables that evaluation writes
LONGEST_TABLE = 2**24  # bytes of a JSON file that is looked into
ENVIRONMENT = re.compile(r'^ {4}(\S.*?): (.*)$', re.MULTILINE)
DATA_LINE = re.compile(r'- INFO - (\w+: \d+ samples of .*)$', re.MULTILINE)


@dataclass(frozen=True)
class Evaluation:
    """Results that ``tools/test.py`` has left in a folder.

    Attributes:
        name: What was evaluated, such as ``davis``.
        folder: Where the results are.
        scores: Values by their names.
    """

    name: str
    folder: Path
    scores: dict[str, float]


@dataclass(frozen=True)
class RunRecord:
    """A training run.

    Attributes:
        name: Name of the work dir.
        folder: The work dir.
        scalars: What was logged, over all starts.
        starts: How often it was started.
        config: Its plain values by their names; empty if there is none.
        config_text: The config as mmengine writes it out.
        environment: Versions and hardware as the log has them.
        data: Lines of the log on the data sets.
        reconstructions: Pictures of :class:`ReconstructionVisHook` by iteration.
        pictures: Other pictures in the work dir itself.
    """

    name: str
    folder: Path
    scalars: Scalars
    starts: int
    config: dict[str, Any]
    config_text: str
    environment: dict[str, str]
    data: list[str]
    reconstructions: dict[int, Path]
    pictures: list[Path]


def read_run_record(folder: str | os.PathLike[str], name: str = '') -> RunRecord:
    """Read a work dir; nothing in it is run.

    Args:
        folder: The work dir of a training run.
        name: What to call the run [the folder's name].

    Raises:
        FileNotFoundError: It has no log.
        ValueError: The log cannot be read.
    """
    root = Path(folder)
    files = scalar_files(root)
    scalars = read_run(root)
    # Of what trained: a test that shares the work dir leaves a config and a log, too.
    configs = [path for file in files for path in file.parent.glob('config.py')]
    configs = configs or [*root.glob('*/vis_data/config.py'), *root.glob('config.py')]
    text = _newest_text(configs or list(root.glob('*.py')))
    try:
        config = parse_config(text)
    except ValueError:  # shown as it is
        config = {}
    logs = [path for file in files for path in _start_folder(file).glob('*.log')]
    log = _newest_text(logs or [*root.glob('*/*.log'), *root.glob('*.log')])
    found: dict[int, Path] = {}
    for start in files:  # a later start takes the place of an earlier one
        for path in start.parent.glob('vis_image/reconstruction_*.png'):
            number = path.stem.rpartition('_')[2]
            if number.isdigit():
                found[int(number)] = path
    pictures = [path for path in root.glob('*.png') if path.stem != 'losses']
    return RunRecord(
        name=name or root.resolve().name,
        folder=root,
        scalars=scalars,
        starts=len(files),
        config=config,
        config_text=text,
        environment=_environment(log),
        data=list(dict.fromkeys(DATA_LINE.findall(log))),
        reconstructions=dict(sorted(found.items())),
        pictures=sorted(pictures),
    )


def _start_folder(scalars: Path) -> Path:
    """Folder of the log that goes with ``<timestamp>/vis_data/scalars.json``."""
    folder = scalars.parent
    return folder.parent if folder.name == 'vis_data' else folder


def _newest_text(paths: list[Path]) -> str:
    """Text of the newest of some files, by their names' times; empty without any."""
    if not paths:
        return ''
    newest = max(paths, key=lambda path: (path.stat().st_mtime, str(path)))
    return newest.read_text(encoding='utf-8', errors='replace')


def _environment(log: str) -> dict[str, str]:
    """Values of the log's head; compiler options of torch left out."""
    _, _, rest = log.partition('System environment:')
    head, _, _ = rest.partition('\n-----')
    found = {}
    for key, value in ENVIRONMENT.findall(head):
        if value.strip() and 'compiling' not in key:
            found[key] = value.strip()
    return found


def read_evaluations(
    folder: str | os.PathLike[str], apart: Collection[Path] = ()
) -> list[Evaluation]:
    """Find the results of label propagation in a folder and below.

    Args:
        folder: Work dir of ``tools/test.py``, or of a training run with such below it.
        apart: Folders below that are left out, as paths that begin with ``folder``.
    """
    found = []
    for path in _files(Path(folder), '.json', apart):
        if path.parent.name == 'vis_data':
            continue
        try:
            scores = _scores(path)
        # No table of ours: nested too deep, say, or with a number beyond all bounds.
        except (OSError, ValueError, OverflowError, RecursionError):
            continue
        if scores:
            found.append(Evaluation(path.stem, path.parent, scores))
    return found


def _scores(path: Path) -> dict[str, float]:
    """The numbers of a table that evaluation wrote; none of any other file."""
    if path.stat().st_size > LONGEST_TABLE:
        return {}
    content = json.loads(path.read_text(encoding='utf-8'))
    tables = [content.get(k) for k in SUMMARIES] if isinstance(content, dict) else []
    table: dict[str, Any] = next((t for t in tables if isinstance(t, dict)), {})
    return {
        name: math.nan if value is None else float(value)
        for name, value in table.items()
        if isinstance(value, int | float | None) and not isinstance(value, bool)
    }


def overlays(
    folder: str | os.PathLike[str], apart: Collection[Path] = ()
) -> tuple[list[Path], list[Path]]:
    """Find what ``tools/test.py --show-dir`` has painted in a folder and below.

    Args:
        folder: Where to look.
        apart: As for :func:`read_evaluations`.

    Returns:
        Sheets of all videos, and clips of single ones.
    """
    root = Path(folder)
    sheets = [path for path in _files(root, '.jpg', apart) if path.stem == 'sheet']
    clips = [path for suffix in MOVING for path in _files(root, suffix, apart)]
    return sheets, sorted(clips, key=lambda path: natural_key(str(path)))


def _files(root: Path, suffix: str, apart: Collection[Path]) -> Iterator[Path]:
    """Files with a suffix, not too deep; frames of videos lie deeper or have others."""
    for folder, folders, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        below = sorted(name for name in folders if Path(folder, name) not in apart)
        folders[:] = below if depth < DEPTH else []
        yield from (Path(folder, n) for n in sorted(names) if n.endswith(suffix))
