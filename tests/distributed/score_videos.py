"""Scores videos in each of several processes and saves what each is told.

Run by ``torchrun``; arguments: root of a DAVIS tree, work dir.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.dist import get_rank, get_world_size
from torch import distributed

from videomac.datasets import DAVISDataset
from videomac.evaluation import JAndFMetric
from videomac.utils.distributed import end_processes

__all__ = ['score_share']


def score_share(root: Path, out_dir: Path, deal: str) -> dict[str, Any]:
    """Score the share of this process.

    Args:
        root: Root of a DAVIS tree.
        out_dir: Where the metric writes its tables.
        deal: ``'sampler'`` to share the videos as mmengine does; ``'uneven'`` to leave
            all to the last process, as where a resumed run finds the others' done.

    Returns:
        Number of videos scored here, and what the metric returned or raised.
    """
    rank, world = get_rank(), get_world_size()
    dataset = DAVISDataset(root)
    indices = list(DefaultSampler(dataset, shuffle=False))
    if deal == 'uneven':
        indices = list(range(len(dataset))) if rank == world - 1 else []
    metric = JAndFMetric(out_dir=str(out_dir))
    metric.dataset_meta = dataset.metainfo
    for index in indices:
        batch = pseudo_collate([dataset[index]])
        labels = batch['inputs'][0].meta['labels']
        # Not quite right, by another amount for every video.
        masks = [np.roll(ids, 1 + index, axis=1) for ids in labels]
        metric.process(batch, [{'masks': masks}])
    try:
        result = metric.evaluate(len(dataset))
    except OSError as error:
        return {'videos': len(indices), 'error': type(error).__name__}
    return {'videos': len(indices), 'result': result}


def main() -> None:
    """Score in three ways, one of which cannot write its tables."""
    root, work_dir = Path(sys.argv[1]), Path(sys.argv[2])
    distributed.init_process_group('gloo')
    notes = {
        'sampler': score_share(root, work_dir / 'sampler', 'sampler'),
        'uneven': score_share(root, work_dir / 'uneven', 'uneven'),
        'broken': score_share(root, work_dir / 'file', 'sampler'),
    }
    (work_dir / f'rank{get_rank()}.json').write_text(json.dumps(notes))
    end_processes()


if __name__ == '__main__':
    main()
