"""Files inside tar archives, as a storage backend of mmengine."""

from __future__ import annotations

import os
import tarfile
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend
from numpy.typing import NDArray

__all__ = ['TarBackend', 'entry_name']


def entry_name(raw: str) -> str:
    """Name of an entry of a store below its root: ``c/0.jpg`` for ``./c/0.jpg``.

    Some programs pack whole paths, ``/c/0.jpg``; what is read here is never unpacked.
    """
    return os.path.normpath(raw).lstrip('/')


@register_backend('tar', force=True)
class TarBackend(BaseStorageBackend):
    """Reads single members of uncompressed tar archives (WebDataset's shards) by name.

    The headers are read once, at the first use; after that a member costs one read. The
    index is kept in arrays, which workers of a data loader share with their parent.

    Args:
        data_root: A ``.tar`` file or a folder that holds some.

    Raises:
        FileNotFoundError: There is no archive.
    """

    def __init__(self, data_root: str) -> None:
        root = Path(data_root)
        self.shards = [root] if root.is_file() else sorted(root.glob('*.tar'))
        if not self.shards:
            raise FileNotFoundError(f'there is no .tar file at {str(data_root)!r}')
        self._names: list[str] | None = None
        self._places: NDArray[np.int64] = np.zeros((0, 3), np.int64)
        self._files: dict[int, int] = {}  # open files of the process below
        self._process = -1

    def names(self) -> list[str]:
        """Names of all members that are files, sorted.

        Raises:
            ValueError: An archive cannot be read, is compressed, or two members have one
                name.
        """
        if self._names is None:
            found = sorted(self._members())
            names = [name for name, *_ in found]
            for one, other in pairwise(names):
                if one == other:
                    raise ValueError(
                        f'two members of the archives in {self.shards[0].parent} are '
                        f'named {one!r}; pack the frames anew'
                    )
            self._places = np.array([place for _, *place in found], np.int64)
            self._names = names
        return self._names

    def _members(self) -> Iterator[tuple[str, int, int, int]]:
        """Name, archive, offset and size of every file in the archives."""
        for number, path in enumerate(self.shards):
            try:
                with tarfile.open(path, 'r:') as archive:
                    for member in archive:
                        # The archive remembers every header that it has read.
                        archive.members = []  # type: ignore[attr-defined]
                        if member.isreg():
                            name = entry_name(member.name)
                            yield name, number, member.offset_data, member.size
            except tarfile.TarError as error:
                raise ValueError(
                    f'{path} is no uncompressed tar archive, or is cut short ({error}). '
                    'Fetch or pack it anew; unpack .tar.gz to .tar first'
                ) from error

    def get(self, filepath: str | Path) -> bytes:
        """Read a member.

        Raises:
            FileNotFoundError: There is none of that name.
            OSError: The archive cannot be read, or ends before the member does.
        """
        names, name = self.names(), str(filepath)
        at = bisect_left(names, name)
        if at == len(names) or names[at] != name:
            raise FileNotFoundError(f'{name!r} is in none of the archives')
        shard, offset, size = (int(n) for n in self._places[at])
        content = os.pread(self._open(shard), size, offset)
        if len(content) != size:
            raise OSError(f'{self.shards[shard]} ends within {name!r}')
        return content

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """Read a member as text."""
        return self.get(filepath).decode(encoding)

    def _open(self, shard: int) -> int:
        """Open an archive, in each process anew."""
        if self._process != os.getpid():
            self._files, self._process = {}, os.getpid()
        if shard not in self._files:
            self._files[shard] = os.open(self.shards[shard], os.O_RDONLY)
        return self._files[shard]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_files': {}, '_process': -1}

    def __del__(self) -> None:
        if getattr(self, '_process', -1) == os.getpid():
            for file in self._files.values():
                os.close(file)
