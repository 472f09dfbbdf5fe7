"""The optional package MinkowskiEngine."""

from __future__ import annotations

import sys
import warnings
from typing import Any

__all__ = ['load_engine']


def load_engine() -> Any:
    """Import MinkowskiEngine, which is optional and must be built.

    Raises:
        ImportError: If it is not installed or does not load.
    """
    loaded = sys.modules.get('MinkowskiEngine')
    if loaded is not None:  # it is asked for at every layer
        return loaded
    try:
        with warnings.catch_warnings():  # that it was built for the CPU is no news
            warnings.simplefilter('ignore')
            import MinkowskiEngine
    except ImportError as error:
        raise ImportError(
            f'the sparse backend Minkowski needs MinkowskiEngine, but: {error}. Build it '
            'with `make minkowski` (about ten minutes), or use '
            "sparse=dict(type='PatchSparse'), which needs nothing."
        ) from error
    return MinkowskiEngine
