"""What a conversion has written: a journal while it works, then a manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from videomac.datasets.sources.images import walk_files

from .target import JOURNALS, STATE, Target
from .video_frames import folder_digest

__all__ = [
    'FILES',
    'SUMMARY',
    'Entry',
    'Journal',
    'counts',
    'entry_offence',
    'extra_files',
    'finish_manifest',
    'is_cut_off',
    'read_entries',
    'read_summary',
]

SUMMARY = 'manifest.json'
FILES = 'manifest_files.jsonl.gz'


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was written, or the frames of a video.

    Args:
        path: Path below the target; that of a folder of frames ends in ``/``.
        files: Number of files.
        size: Bytes.
        sha256: Of the file, of frames see
            :func:`~videomac.datasets.preparation.video_frames.folder_digest`.
        stamp: What it was made from and how: if that changes it is made anew.
        source: Name of the archive or folder that it came from; empty if that is not
            known, as in manifests without this column, or for videomac's own lists.
    """

    path: str
    files: int
    size: int
    sha256: str
    stamp: str
    source: str = ''

    @classmethod
    def of_text(cls, path: str, text: str) -> Entry:
        """Describe a list that videomac brings itself."""
        content = text.encode()
        return cls(path, 1, len(content), hashlib.sha256(content).hexdigest(), 'list')

    def line(self) -> str:
        """The entry as a line of JSON."""
        return json.dumps(astuple(self)) + '\n'

    def is_present(self, root: Path) -> bool:
        """Whether it lies in the target with as many files and bytes."""
        return entry_offence(self, root, content=False) is None


class Journal:
    """Notes entries as they are written, so that a killed run can go on.

    Every process has a file of its own.

    Args:
        root: The target.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        path = Path(root) / STATE / f'journal-{os.getpid()}.jsonl'
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, 'ab+')  # noqa: SIM115  (lives on)
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read() != b'\n':  # a process of this number was killed
                self._file.write(b'\n')

    def add(self, entry: Entry) -> None:
        """Note an entry, at once on disk."""
        self._file.write(entry.line().encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_entries(root: Path) -> dict[str, Entry]:
    """Read the manifest of a target, and the journals of a run that was cut off.

    Returns:
        Entries by path; none where there was no conversion. A line that was being
        written when a run was killed is passed over.

    Raises:
        ValueError: The manifest is damaged.
    """
    entries: dict[str, Entry] = {}
    manifest = root / FILES
    if manifest.is_file():
        try:
            lines = gzip.decompress(manifest.read_bytes()).decode().splitlines()
            entries = {entry.path: entry for entry in map(_parse, lines)}
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise ValueError(
                f"'{manifest}' is damaged ({error}); remove it and convert again"
            ) from error
    for journal in sorted((root / STATE).glob(JOURNALS)):
        for line in journal.read_text(encoding='utf-8', errors='replace').splitlines():
            try:
                entry = _parse(line)
            except (ValueError, TypeError):
                continue
            entries[entry.path] = entry
    return entries


def is_cut_off(root: Path) -> bool:
    """Whether a conversion to a target did not come to its end."""
    return any((root / STATE).glob(JOURNALS))


def _parse(line: str) -> Entry:
    path, files, size, sha256, stamp, *source = json.loads(line)
    return Entry(
        str(path), int(files), int(size), str(sha256), str(stamp), *map(str, source)
    )


def read_summary(root: Path) -> dict[str, Any]:
    """Read ``manifest.json``; empty where there is none.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return dict(json.loads((root / SUMMARY).read_text(encoding='utf-8')))
    except FileNotFoundError:
        return {}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"'{root / SUMMARY}' is damaged ({error}); remove it and convert again"
        ) from error


def finish_manifest(
    target: Target, entries: Iterable[Entry], summary: Mapping[str, Any], depth: int
) -> None:
    """Write the manifest and drop the journals that it replaces.

    Args:
        target: The target.
        entries: All entries.
        summary: What ``manifest.json`` says beside counts and hash.
        depth: See :func:`counts`.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    lines = ''.join(entry.line() for entry in ordered).encode()
    target.write(FILES, gzip.compress(lines, 6, mtime=0))
    whole = dict(summary) | {
        'counts': counts(ordered, depth),
        'files_sha256': hashlib.sha256(lines).hexdigest(),
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False) + '\n'
    target.write(SUMMARY, text.encode())
    for journal in (target.root / STATE).glob(JOURNALS):
        journal.unlink()


def counts(entries: Iterable[Entry], depth: int) -> dict[str, dict[str, int]]:
    """Count the files, their folders and bytes in each part of a data set.

    Args:
        entries: What to count.
        depth: How many folders from the top make a part.
    """
    parts: dict[str, dict[str, int]] = {}
    folders: dict[str, set[str]] = {}
    for entry in entries:
        folder = entry.path.rpartition('/')[0]
        part = '/'.join(folder.split('/')[:depth]) or '.'
        count = parts.setdefault(part, {'folders': 0, 'files': 0, 'bytes': 0})
        count['files'] += entry.files
        count['bytes'] += entry.size
        folders.setdefault(part, set()).add(folder)
    for part, found in folders.items():
        parts[part]['folders'] = len(found)
    return dict(sorted(parts.items()))


def entry_offence(entry: Entry, root: Path, content: bool) -> str | None:
    """Compare an entry with what lies on disk.

    Args:
        entry: The entry.
        root: The target.
        content: Whether to compare the hash too, which reads everything.

    Returns:
        What is wrong, None if nothing is.
    """
    path = root / entry.path
    folder = entry.path.endswith('/')
    if not (path.is_dir() if folder else path.is_file()):
        return f'{path} is missing'
    if folder:
        found = [item.stat().st_size for item in path.iterdir() if item.is_file()]
        if len(found) != entry.files:
            return f'{path} has {len(found)} frames, {entry.files} were written'
        size = sum(found)
    else:
        size = path.stat().st_size
    if size != entry.size:
        return f'{path} has {size} bytes, {entry.size} were written'
    if content and _hash(path, folder) != entry.sha256:
        return f'{path} has another content than was written (its SHA-256 differs)'
    return None


def _hash(path: Path, folder: bool) -> str:
    if folder:
        return folder_digest(path)[2]
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def extra_files(root: Path, entries: Mapping[str, Entry]) -> list[str]:
    """Find the files of a target that its manifest does not list, without hidden ones."""
    extra = []
    for folder, files in walk_files(os.fspath(root)):
        below = os.path.relpath(folder, root).replace(os.sep, '/')
        prefix = '' if below == '.' else f'{below}/'
        if prefix and prefix in entries:  # frames, which are counted
            continue
        extra += [
            os.path.join(folder, file)
            for file in sorted(files)
            if not file.startswith('.')
            and prefix + file not in entries
            and prefix + file not in (SUMMARY, FILES)
        ]
    return extra
