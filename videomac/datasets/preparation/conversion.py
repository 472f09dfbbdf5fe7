"""A conversion from its sources to the manifest, and the check of a tree."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from videomac.datasets.tree_check import TreeCheck
from videomac.version import __version__

from .archives import Limits, Scan, scan
from .clashes import find_clashes, is_foreign, settle_clashes
from .converter import Converter
from .items import Item, make_batches, make_items, write_batch
from .manifest import (
    Entry,
    Journal,
    entry_offence,
    extra_files,
    finish_manifest,
    is_cut_off,
    read_entries,
    read_summary,
)
from .members import source_name
from .progress import Progress
from .target import Target, locked
from .tasks import run_tasks

__all__ = ['check_tree', 'convert']

# Entries of the manifest that a process compares at a time.
_COMPARED = 256


def convert(converter: Converter, args: argparse.Namespace) -> str:
    """Write a data set; what an earlier run has written is kept.

    Args:
        converter: The data set.
        args: The command line.

    Returns:
        What was done, in a few words.

    Raises:
        BrokenTreeError: A source must not or cannot be unpacked, or would replace what
            others have written. Nothing was written then; where a source is damaged,
            all else was.
        ValueError: There is nothing to convert, or no space.
        OSError: The target cannot be written to.
    """
    root = Path(args.out)
    scans = _scan_sources(args, converter.nested)
    check = TreeCheck(f'the sources of {converter.title}', args.show)
    for found in scans:
        for offence in found.offences:
            check.add(offence)
    check.finish('Nothing was written. Take the archive from its publisher')
    members = [member for found in scans for member in found.members]
    frames = converter.frames(args)
    items = make_items(scans, converter.rule(members, args), frames, root, check)
    check.finish('Nothing was written')
    if not items:
        raise ValueError(
            f'none of {len(members)} files in {", ".join(args.sources)} belongs to '
            f'{converter.title}. Give the archives as published, or their folder'
        )
    with locked(root):
        entries = read_entries(root)
        names = {source_name(source) for source in {m.source for m in members}}
        todo = [item for item in items if not _is_done(item, entries, names, root)]
        clashes = find_clashes(todo, entries, names, root)
        settled = settle_clashes(clashes, entries, root, args)
        todo = _without(todo, clashes)
        replaced = sum(os.path.lexists(root / item.target) for item in todo)
        _check_space(todo, root)
        _note(settled.alike, root)
        offences = settled.damaged + _write_items(todo, root, args.processes)
        entries = read_entries(root)
        _write_lists(Target(root), converter.lists(args), entries)
        summary = _summary(converter, args, scans, items, root)
        finish_manifest(Target(root), entries.values(), summary, converter.depth)
    for offence in sorted(set(offences)):
        check.add(offence)
    check.finish(
        f"All else was written to '{root}'. Fetch what is damaged anew and start the "
        'same command again: it does the rest'
    )
    told = f"{converter.title}: {len(items)} files belong to '{root}'"
    done = _tell(todo, replaced, len(settled.alike))
    return f'{told}, {done}, {len(members) - len(items)} left out'


def _tell(written: Sequence[Item], replaced: int, alike: int) -> str:
    size = sum(item.member.size for item in written)
    told = f'{len(written)} were written now (of {size / 1e6:.1f} MB)'
    told += f', {replaced} of them in place of older ones' if replaced else ''
    return told + (f', {alike} lay there alike' if alike else '')


def _scan_sources(args: argparse.Namespace, nested: bool) -> list[Scan]:
    order = {source: number for number, source in enumerate(args.sources)}
    tasks = [(source, nested, args.max_ratio) for source in order]
    with Progress('looking through the sources', len(tasks)) as progress:
        scans = list(run_tasks(_scan, tasks, args.processes, progress.advance))
    return sorted(scans, key=lambda found: order[found.source])


def _scan(task: tuple[str, bool, float], advance: Callable[[int], None]) -> Scan:
    source, nested, ratio = task
    found = scan(source, nested, Limits(ratio))
    advance(1)
    return found


def _is_done(
    item: Item, entries: Mapping[str, Entry], sources: Collection[str], root: Path
) -> bool:
    entry = entries.get(item.key)
    return (
        entry is not None
        and entry.stamp == item.stamp
        and not is_foreign(entry, sources)
        and entry.is_present(root)
    )


def _without(items: Iterable[Item], others: Iterable[Item]) -> list[Item]:
    keys = {item.key for item in others}
    return [item for item in items if item.key not in keys]


def _note(entries: Sequence[Entry], root: Path) -> None:
    """Write entries to the journal, of what is there without having been written."""
    if not entries:
        return
    journal = Journal(root)
    for entry in entries:
        journal.add(entry)
    journal.close()


def _check_space(todo: Sequence[Item], root: Path) -> None:
    """See that copies fit on the disk; how large frames become is not known before."""
    needed = sum(item.member.size for item in todo if item.frames is None)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise ValueError(
            f"'{root}' has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed"
        )


def _write_items(todo: Sequence[Item], root: Path, processes: int) -> list[str]:
    """Write in several processes; returns what is damaged."""
    if not todo:
        return []
    total = sum(item.member.size for item in todo)
    offences = []
    with Progress(f"writing to '{root}'", total, of_bytes=True) as progress:
        batches = make_batches(todo, root)
        for damaged in run_tasks(write_batch, batches, processes, progress.advance):
            offences += damaged
    return offences


def _write_lists(
    target: Target, lists: Mapping[str, str], entries: dict[str, Entry]
) -> None:
    for name, text in lists.items():
        path = target.root / name
        if not path.exists():
            target.write(name, text.encode())
        elif name in entries or path.read_bytes() != text.encode():
            continue  # the list of a source, or the user's own
        entries[name] = Entry.of_text(name, text)


def _summary(
    converter: Converter,
    args: argparse.Namespace,
    scans: Sequence[Scan],
    items: Sequence[Item],
    root: Path,
) -> dict[str, Any]:
    """What the manifest says of this conversion, and of earlier ones to this target."""
    used = {item.member for item in items}
    sources = [
        {
            'name': source_name(found.source),
            'files': len(found.members),
            'bytes': sum(member.size for member in found.members),
            'used': sum(member in used for member in found.members),
        }
        for found in scans
    ]
    names = {one['name'] for one in sources}
    earlier = read_summary(root).get('sources', [])
    sources += [one for one in earlier if one['name'] not in names]
    frames = converter.frames(args)
    decoders = ('av', 'decord', 'opencv-python', 'opencv-python-headless')
    packages = decoders if frames else ()
    return {
        'dataset': converter.title,
        'versions': {'videomac': __version__} | _versions(packages),
        'frames': None
        if frames is None
        else {'short_side': frames.short_side, 'quality': frames.quality},
        'sources': sorted(sources, key=lambda one: str(one['name'])),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def check_tree(converter: Converter, args: argparse.Namespace) -> str:
    """Compare a tree with the official lists, and with its manifest if it has one.

    Args:
        converter: The data set.
        args: The command line.

    Returns:
        What is there, in a few words.

    Raises:
        BrokenTreeError: Something is missing, damaged or too much; names all of it.
        ValueError: The manifest is damaged.
    """
    root = Path(args.out)
    check = TreeCheck(f"{converter.title} in '{root}'", args.show)
    if not root.is_dir():
        check.add('there is no such folder')
    else:
        entries = read_entries(root)
        if is_cut_off(root):
            check.add('a conversion to this folder was cut off; start it again')
        found = converter.inspect(root, check, args)
        _compare(entries, root, check, args)
        if entries:
            found += f'; {len(entries)} entries of the manifest compared'
    check.finish('Convert anew from the archives, or see the data set for what is right')
    return f"{converter.title} in '{root}': {found}"


def _compare(
    entries: Mapping[str, Entry], root: Path, check: TreeCheck, args: argparse.Namespace
) -> None:
    """Compare a tree with its manifest; what was noted already is not noted twice."""
    if not entries:
        return
    known = set(check.offences)
    values = sorted(entries.values(), key=lambda entry: entry.path)
    tasks = [
        (values[start : start + _COMPARED], root, args.content)
        for start in range(0, len(values), _COMPARED)
    ]
    offences: list[str] = []
    with Progress('comparing with the manifest', len(values)) as progress:
        for found in run_tasks(_compare_entries, tasks, args.processes, progress.advance):
            offences += found
    offences.sort()
    offences += [f'{path} is not in the manifest' for path in extra_files(root, entries)]
    for offence in offences:
        if offence not in known:
            check.add(offence)


def _compare_entries(
    task: tuple[Sequence[Entry], Path, bool], advance: Callable[[int], None]
) -> list[str]:
    entries, root, content = task
    found = [entry_offence(entry, root, content) for entry in entries]
    advance(len(entries))
    return [offence for offence in found if offence is not None]
