"""The memory of a process, and how the C library handles that of large tensors."""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ['keep_freed_memory', 'resident_memory']

#: Parameters of glibc's ``mallopt`` and the largest values that it takes.
_TRIM_THRESHOLD, _MOST = -1, 2**31 - 1
_MMAP_THRESHOLD, _LARGEST_BLOCK = -3, 32 * 2**20


def keep_freed_memory() -> bool:
    """Let the process keep freed memory for the next tensors.

    By default glibc gives large blocks back to the system at once, and the next step
    pays for fresh pages: about a tenth of the time of a training step on a CPU. Blocks
    over 32 MiB are given back all the same.

    Returns:
        Whether it was done; there is nothing to do where the C library is not glibc.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL('libc.so.6').mallopt
    except (OSError, AttributeError):  # another C library
        return False
    done = [
        mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK),
        mallopt(_TRIM_THRESHOLD, _MOST),
    ]
    return all(done)


def resident_memory(process: int | str = 'self') -> int | None:
    """Memory of a process that lies in RAM.

    Args:
        process: Its number, or ``'self'``.

    Returns:
        Bytes, pages shared with other processes included; None where the system does not
        tell, or the process has ended.
    """
    try:
        with open(f'/proc/{process}/statm', encoding='ascii') as file:
            pages = int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf('SC_PAGE_SIZE')
