"""How long one pass over the data is."""

from __future__ import annotations

__all__ = ['iterations_per_pass']


def iterations_per_pass(
    samples: int, processes: int, batch_size: int, drop_last: bool = True
) -> int:
    """Count the iterations of one pass of mmengine's ``DefaultSampler``.

    Indices are dealt to the processes in turn, the first ones once more until all have
    as many; each process makes its own batches.
    """
    share = -(-samples // processes)
    return share // batch_size if drop_last else -(-share // batch_size)
