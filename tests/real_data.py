"""Where tests find real sample data, which is not part of the repository."""

import os
from pathlib import Path

import pytest

__all__ = ['real_data']


def real_data(*parts: str) -> Path:
    """Locate real sample data, or skip the test that asks for it.

    Args:
        parts: Path below ``$VIDEOMAC_DATA``, or else below ``data`` in a folder
            ``shared`` beside the repository.

    Returns:
        The existing file or folder.
    """
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    path = Path(os.environ.get('VIDEOMAC_DATA', beside)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f'no real data at {path} (set VIDEOMAC_DATA to a folder that has it)')
    return path
