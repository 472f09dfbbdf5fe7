"""What lies already where a conversion would write, and must not be lost."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from videomac.datasets.tree_check import TreeCheck

from .items import Compared, Item, compare_batch, make_batches
from .manifest import SUMMARY, Entry, read_summary
from .progress import Progress
from .tasks import run_tasks
from .video_frames import holds_only_frames

__all__ = ['find_clashes', 'is_foreign', 'settle_clashes']


def is_foreign(entry: Entry, sources: Collection[str]) -> bool:
    """Whether an entry came from another source than these, as far as is known.

    Where its source is among them, the layout has chosen between the two.
    """
    return bool(entry.source) and entry.source not in sources


def find_clashes(
    items: Sequence[Item],
    entries: Mapping[str, Entry],
    sources: Collection[str],
    root: Path,
) -> list[Item]:
    """Find the items in whose places lies what these sources did not bring.

    That is what no conversion has noted, what came from other sources, and folders of
    frames with something else in them.

    Args:
        items: The items to be written.
        entries: What the target holds by its manifest.
        sources: Names of the sources.
        root: The target.
    """

    def clashes(item: Item) -> bool:
        path, entry = root / item.target, entries.get(item.key)
        return os.path.lexists(path) and (
            entry is None
            or is_foreign(entry, sources)
            or (item.frames is not None and not holds_only_frames(path))
        )

    return [item for item in items if clashes(item)]


def settle_clashes(
    clashes: Sequence[Item],
    entries: Mapping[str, Entry],
    root: Path,
    args: argparse.Namespace,
) -> Compared:
    """See that what lies in the places of items is just what would be written.

    So are trees that somebody unpacked by hand, and what a killed run placed but did not
    note. All this is compared by content, until ``args.show`` others are found.

    Args:
        clashes: See :func:`find_clashes`.
        entries: What the target holds by its manifest.
        root: The target.
        args: The command line; ``processes`` and ``show``.

    Returns:
        The entries of what may stay, and what is damaged in the sources.

    Raises:
        BrokenTreeError: Something else lies there; nothing was written.
        ValueError: ``manifest.json`` is damaged.
    """
    check = TreeCheck(f"the target '{root}'", args.show)
    summary = read_summary(root)
    if summary and 'files_sha256' not in summary:
        check.add(f"'{root / SUMMARY}' is there already, and is not that of a conversion")
    alike = [item for item in clashes if _may_be_alike(item, root)]
    known = {item.key for item in alike}
    for item in clashes:
        if item.key not in known:
            check.add(_offence(item, entries.get(item.key), root))
    found = Compared()
    if not check.offences:
        found = _compare(alike, root, args)
        for item in found.other:
            check.add(_offence(item, entries.get(item.key), root))
    check.finish(
        'Nothing was written. Name another --out, or move away what is yours. Sources '
        'that belong together can be given in one command'
    )
    return found


def _may_be_alike(item: Item, root: Path) -> bool:
    """Whether what lies there is worth a look at its content."""
    path = root / item.target
    if item.frames is not None:
        return holds_only_frames(path)
    return path.is_file() and path.stat().st_size == item.member.size


def _compare(items: Sequence[Item], root: Path, args: argparse.Namespace) -> Compared:
    whole = Compared()
    if not items:
        return whole
    total = sum(item.member.size for item in items)
    label = f"comparing with what is in '{root}'"
    with Progress(label, total, of_bytes=True) as progress:
        batches = make_batches(items, root)
        for found in run_tasks(compare_batch, batches, args.processes, progress.advance):
            whole.alike.extend(found.alike)
            whole.other.extend(found.other)
            whole.damaged.extend(found.damaged)
            if len(whole.other) >= max(args.show, 1):
                break
    return whole


def _offence(item: Item, entry: Entry | None, root: Path) -> str:
    path = root / item.target
    if entry is None:
        return f"'{path}' is there already, and was not written by a conversion"
    if item.frames is not None and path.is_dir() and not holds_only_frames(path):
        return f"'{path}' has in it what was not written by a conversion"
    return f"'{path}' came from '{entry.source}', and {item.member.path} differs"
