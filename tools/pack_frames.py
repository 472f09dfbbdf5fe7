#!/usr/bin/env python
"""Pack folders of frames into a few large files, which disks read faster.

The frames themselves are copied byte for byte. Read them with

    source=dict(type='PackedFrames', data_root=OUT)
"""

import argparse
import io
import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from videomac.datasets import FrameFolders

MEBI = 2**20


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='folder with one folder of frames a video, at any depth')
    add('out', type=Path, help='folder to write, which must not exist yet')
    add(
        '--format',
        choices=['tar', 'lmdb'],
        default='tar',
        help='tar: archives that WebDataset reads too; lmdb: one LMDB [tar]',
    )
    add('--shard-size', type=int, default=512, help='MiB of an archive, about [512]')
    return parser


def frames_of(root: Path) -> Iterator[tuple[str, Path]]:
    """Names and files of all frames, video by video."""
    for video in FrameFolders(str(root)).scan():
        for frame in video.frames:
            yield f'{video.name}/{frame}', Path(video.path, frame)


def write_tars(root: Path, out: Path, shard_bytes: int) -> int:
    """Write archives, and count the frames."""
    archive: tarfile.TarFile | None = None
    shards = count = written = 0
    for name, path in frames_of(root):
        if archive is None or written >= shard_bytes:
            if archive is not None:
                archive.close()
            archive = tarfile.open(out / f'frames-{shards:06}.tar', 'w')  # noqa: SIM115
            shards, written = shards + 1, 0
        content = path.read_bytes()
        member = tarfile.TarInfo(name)  # no owner, no time: the same every time
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        count, written = count + 1, written + len(content)
    if archive is not None:
        archive.close()
    return count


def write_lmdb(root: Path, out: Path) -> int:
    """Write an LMDB, and count the frames."""
    try:
        import lmdb
    except ImportError:
        raise SystemExit(
            'pack_frames.py: --format lmdb needs lmdb: pip install lmdb'
        ) from None
    frames = list(frames_of(root))
    foreign = [name for name, _ in frames if not name.isascii()]
    if foreign:
        raise SystemExit(
            f'pack_frames.py: {len(foreign)} names are not ASCII (first: {foreign[0]!r}),'
            " which mmengine's LMDB backend cannot look up; rename them or pack to tar"
        )
    # Pages are 4 KiB, and a frame may leave most of its last one empty.
    size = sum(path.stat().st_size + 8192 for _, path in frames) + 64 * MEBI
    with lmdb.open(str(out), map_size=size) as store:
        for start in range(0, len(frames), 1000):
            with store.begin(write=True) as transaction:
                for name, path in frames[start : start + 1000]:
                    transaction.put(name.encode(), path.read_bytes())
    return len(frames)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and pack."""
    args = build_parser().parse_args(argv)
    if args.shard_size < 1:
        raise SystemExit('pack_frames.py: --shard-size must be at least 1 MiB')
    if args.out.exists():
        raise SystemExit(
            f'pack_frames.py: {args.out} exists already; remove it or name another folder'
        )
    # Written beside and renamed at the end: what bears the name is complete.
    unfinished = args.out.with_name(f'{args.out.name}.part')
    if unfinished.exists():
        raise SystemExit(
            f'pack_frames.py: {unfinished} is left from a run that was stopped; remove it'
        )
    try:
        unfinished.mkdir(parents=True)
        if args.format == 'tar':
            count = write_tars(args.root, unfinished, args.shard_size * MEBI)
        else:
            count = write_lmdb(args.root, unfinished)
    except (OSError, ValueError) as error:
        raise SystemExit(f'pack_frames.py: {error}') from None
    os.rename(unfinished, args.out)
    print(f'{count} frames in {args.out}', file=sys.stderr)


if __name__ == '__main__':
    main()
