"""Archives and folders with given files, honest and hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = [
    'KINDS',
    'make_folder',
    'make_source',
    'make_tar',
    'make_zip',
    'picture',
    'read_tree',
]

#: How the same files can be published.
KINDS = ('folder', '.zip', '.tar', '.tar.gz', '.tar.bz2', '.tar.xz')

Files = Mapping[str, bytes]


def make_folder(path: Path, files: Files) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def make_zip(path: Path, files: Files, method: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, 'w', method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: Files, *others: tarfile.TarInfo) -> Path:
    """Write a tar, compressed as its suffix says; ``others`` are links and the like."""
    mode = {'.gz': 'w:gz', '.bz2': 'w:bz2', '.xz': 'w:xz'}.get(path.suffix, 'w:')
    with tarfile.open(path, mode, encoding='utf-8', errors='surrogateescape') as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return path


def make_source(folder: Path, name: str, kind: str, files: Files) -> Path:
    """Write the files in the way that ``kind``, one of :data:`KINDS`, says."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == 'folder':
        return make_folder(folder / name, files)
    path = folder / f'{name}{kind}'
    return make_zip(path, files) if kind == '.zip' else make_tar(path, files)


def read_tree(root: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def picture(kind: str = 'JPEG', value: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    """Encode a small picture (H, W); a PNG is a label map with an object ``value``."""
    buffer = io.BytesIO()
    if kind == 'PNG':
        ids = np.zeros(size, np.uint8)
        ids[: size[0] // 2] = value
        image = Image.fromarray(ids).convert('P')
    else:
        image = Image.new('RGB', size[::-1], (value % 256, 90, 200))
    image.save(buffer, kind)
    return buffer.getvalue()
