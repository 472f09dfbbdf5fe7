"""Trains in two processes of which the first cannot write some checkpoints.

Run by ``torchrun``; arguments: a folder, and ``before`` (nothing can be written) or
``later`` (the second and the third checkpoint cannot be).
"""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank

from tests.engine.saving import make_runner
from videomac.engine.checkpoint_files import CheckpointError, VerifiedBackend
from videomac.utils.distributed import end_processes, prepare_cpu_processes


def main() -> None:
    """Train, and write how it ended."""
    folder, when = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    put, options = VerifiedBackend.put, dict[str, Any]()

    def failing(self: Any, obj: bytes, filepath: str) -> None:
        assert get_rank() == 0
        if Path(filepath).name in ('iter_2.pth', 'iter_3.pth'):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), filepath)
        put(self, obj, filepath)

    VerifiedBackend.put = failing  # type: ignore[method-assign,assignment]
    if when == 'before':
        (folder / 'file').touch()
        options['out_dir'] = str(folder / 'file')
    cfg: dict[str, Any] = dict(launcher='pytorch')
    prepare_cpu_processes(cfg)
    runner = make_runner(folder / 'run', iterations=4, config=cfg, **options)
    try:
        runner.train()
        ending = f'ended at {runner.iter}'
    except CheckpointError as error:
        ending = str(error)
    (folder / f'rank{get_rank()}.txt').write_text(ending)
    end_processes()


if __name__ == '__main__':
    main()
