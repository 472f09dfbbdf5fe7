"""Which config evaluates what a pre-training config makes."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..utils import configs_root

__all__ = ['evaluation_config']


def evaluation_config(pretraining: str, benchmark: str = 'davis2017') -> str:
    """Find the config that evaluates an encoder by label propagation.

    Args:
        pretraining: A pre-training config: its second word begins with the encoder, as
            in ``videomac_resnet50-patch16_8xb64-...py``.
        benchmark: Folder below ``configs/propagation``.

    Returns:
        Path below ``configs/`` of the config with the longest encoder that fits.

    Raises:
        ValueError: No config of the benchmark is for this encoder.
    """
    words = PurePosixPath(pretraining).stem.split('_')
    encoder = words[1] if len(words) > 1 else ''
    root = configs_root()
    found = {
        path.stem.split('_')[1]: path
        for path in (root / 'propagation' / benchmark).glob('videomac_*_s*.py')
    }
    fitting = [name for name in found if f'{encoder}-'.startswith(f'{name}-')]
    if not fitting:
        raise ValueError(
            f'no config in configs/propagation/{benchmark} is for the encoder '
            f"'{encoder}' of '{pretraining}'; there are: "
            f'{", ".join(sorted(found)) or "none"}'
        )
    return found[max(fitting, key=len)].relative_to(root).as_posix()
