"""Ends of processes that form a group."""

import subprocess
import sys

import pytest

from videomac.utils.distributed import end_processes

ALONE = """
import atexit, os, sys
from torch import distributed
from videomac.utils.distributed import end_processes

class Last:
    def __del__(self):
        os.write(1, b'Python shut down;')

last = Last()
atexit.register(lambda: print('at exit', end=';'))
if sys.argv[1] == 'group':
    store = distributed.HashStore()
    distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
print('before', end=';')
end_processes(int(sys.argv[2]))
print('after', end=';')
"""


@pytest.mark.parametrize(
    ('where', 'status', 'said'),
    [
        ('group', 0, 'before;at exit;'),
        ('group', 75, 'before;at exit;'),
        ('alone', 75, 'before;after;at exit;Python shut down;'),
    ],
)
def test_process_ends_with_its_group(where: str, status: int, said: str) -> None:
    """With its status and output, what was to be done at exit, and nothing after it."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', ALONE, where, str(status)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == said, done.stderr
    assert done.returncode == (status if where == 'group' else 0)


def test_nothing_without_a_group() -> None:
    end_processes(3)
