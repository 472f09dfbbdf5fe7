"""Configs of images are told from those of videos, however they name their classes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmpretrain.models import ImageClassifier

from tests.tools.test_finetune_cli import knn_of_colours
from videomac.engine import ClassesError
from videomac.engine.image_evaluation import evaluate_images, is_image_config
from videomac.models.propagation import LabelPropagator


class OwnPropagator(LabelPropagator):
    """Somebody's own, in a config of pure Python."""


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        *[('LabelPropagator', False), ('videomac.LabelPropagator', False)],
        *[('videomac.models.propagation.LabelPropagator', False)],
        *[(LabelPropagator, False), (OwnPropagator, False)],
        *[('mmpretrain.ImageClassifier', True), (ImageClassifier, True)],
    ],
    ids=str,
)
def test_which_configs_are_of_images(kind: Any, expected: bool) -> None:
    model = dict(type=kind)
    assert is_image_config(Config(dict(model=model, test_cfg={}))) is expected
    assert not is_image_config(Config(dict(model=model)))  # it tests nothing


def test_knn_by_the_path_of_its_class(tmp_path: Path) -> None:
    """As a run of a config in pure Python keeps it."""
    cfg = knn_of_colours(tmp_path)
    cfg.test_cfg.type = 'videomac.engine.KNNTestLoop'
    results = evaluate_images(cfg, str(tmp_path / 'pre.pth'))
    assert results == {'accuracy/top1': 100.0}  # colour alone tells the classes apart


@pytest.mark.parametrize('missing', ['stripes', 'discs'])
def test_knn_with_fewer_classes_than_the_bank(missing: str, tmp_path: Path) -> None:
    """Those that are left keep their numbers if the last ones are missing."""
    cfg = knn_of_colours(tmp_path)
    shutil.rmtree(tmp_path / 'data' / 'val' / missing)
    if missing == 'stripes':
        results = evaluate_images(cfg, str(tmp_path / 'pre.pth'))
        assert results == {'accuracy/top1': 100.0}
        return
    with pytest.raises(ClassesError, match='only the training images have discs'):
        evaluate_images(cfg, str(tmp_path / 'pre.pth'))
