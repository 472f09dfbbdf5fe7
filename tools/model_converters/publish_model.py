#!/usr/bin/env python
"""Make a checkpoint fit to publish: weights only, the hash of the file in its name."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from videomac.checkpoints import read_checkpoint, to_bytes, write_file

#: What is kept of a checkpoint of mmengine; the optimiser and the rest go.
KEPT = ('state_dict', 'meta')


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', type=Path, help='checkpoint of a training run')
    parser.add_argument(
        'dst', type=Path, nargs='?', help='<name>.pth becomes <name>-<hash>.pth [src]'
    )
    parser.add_argument('--force', action='store_true', help='write over the file')
    return parser


def publish(src: Path, dst: Path | None = None, force: bool = False) -> Path:
    """Write the published file.

    Args:
        src: Checkpoint of a training run, with a ``state_dict``.
        dst: Path of the file before the hash comes into its name; ``src`` by default.
        force: Whether to write over the file.

    Returns:
        Path of the file; its name ends in the first eight digits of its SHA-256.

    Raises:
        FileNotFoundError: If there is no ``src``.
        ValueError: If ``src`` holds code, is damaged, or has no ``state_dict``.
    """
    content = read_checkpoint(src)
    if 'state_dict' not in content:
        raise ValueError(f"'{src}' has no state_dict; its keys: {list(content)[:5]}")
    data = to_bytes({name: content[name] for name in KEPT if name in content})
    dst = dst or src
    digest = hashlib.sha256(data).hexdigest()
    path = dst.with_name(f'{dst.stem}-{digest[:8]}.pth')
    write_file(path, data, force)
    gone = [name for name in content if name not in KEPT]
    print(f'{path}: kept {", ".join(KEPT)}; left out {", ".join(gone) or "nothing"}')
    return path


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and publish."""
    args = build_parser().parse_args(argv)
    try:
        publish(args.src, args.dst, args.force)
    except (OSError, ValueError) as error:
        raise SystemExit(f'publish_model.py: {error}') from None


if __name__ == '__main__':
    main()
