"""The network's input by a data set's config, against the data set that it builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_vip,
    make_youtube_vos,
    moving_squares,
)
from videomac.datasets import VIPDataset
from videomac.datasets.input_settings import InputSettings
from videomac.registry import DATASETS

KINDS = ('DAVISDataset', 'JHMDBDataset', 'VIPDataset', 'YouTubeVOSDataset')


def tree(root: Path, kind: str) -> Path:
    """Write a small tree of a data set."""
    videos = {'a': moving_squares(2)}
    if kind == 'DAVISDataset':
        return make_davis(root, videos)
    if kind == 'JHMDBDataset':
        return make_jhmdb(root, {'run/a': np.full((2, 15, 2), 9.0)})
    if kind == 'YouTubeVOSDataset':
        return make_youtube_vos(root, videos, {})
    return make_vip(root, videos)


def built(config: dict[str, Any]) -> tuple[Any, ...]:
    """What the data set of a config uses."""
    data = DATASETS.build(config)
    return data.size, data.multiple, data.mean, data.std, data.round_resized


def stated(config: dict[str, Any]) -> tuple[Any, ...]:
    """What its config says."""
    found = InputSettings.of(config)
    return found.size, found.multiple, found.mean, found.std, found.round_resized


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'given',
    [{}, {'size': (32, 48), 'round_resized': False}, {'std': (1, 1, 1), 'multiple': 8}],
)
def test_equals_the_data_set(tmp_path: Path, kind: str, given: dict[str, Any]) -> None:
    config = {'type': kind, 'data_root': str(tree(tmp_path, kind)), **given}
    assert stated(config) == built(config)


class Clips(VIPDataset):
    """A data set of one's own, which passes arguments on."""

    def __init__(self, data_root: str, size: int = 64, **kwargs: Any) -> None:
        super().__init__(data_root, size=size, **kwargs)


def test_classes_of_others(tmp_path: Path) -> None:
    """The class may be the type itself, and its bases know what it does not say."""
    config = {'type': Clips, 'data_root': str(tree(tmp_path, 'VIPDataset'))}
    assert stated(config) == built(config)
    assert stated(config)[0] == 64
    assert not stated(config)[-1]
    # A class that is not there is told of where it is built.
    assert stated({'type': 'Nowhere', 'size': 9})[0] == 9
    assert stated({})[0] is None


@pytest.mark.parametrize('wrong', [{'round_resized': 'no'}, {'size': 0}])
def test_bad_values(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} must be'):
        InputSettings.of({'type': 'VIPDataset', **wrong})
