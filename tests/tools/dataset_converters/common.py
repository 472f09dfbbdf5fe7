"""What the tests of the converters share."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from tests.tools.test_train_cli import load_tool
from videomac.datasets.tree_check import BrokenTreeError
from videomac.registry import DATASETS
from videomac.utils import find_config, tools_root

__all__ = ['build_dataset', 'converter', 'draw_video', 'offences']


def converter(name: str) -> ModuleType:
    """Import a converter."""
    return load_tool(tools_root() / 'dataset_converters' / f'{name}.py')


def build_dataset(config: str, loader: str, root: Path, **options: Any) -> Any:
    """Build the data set of a config in another place."""
    cfg = Config.fromfile(find_config(config))[f'{loader}_dataloader'].dataset
    place = cfg.source if 'source' in cfg else cfg
    place.data_root = str(root)
    cfg.update(options)
    return DATASETS.build(cfg)


def offences(tool: ModuleType, out: Path, *argv: object) -> list[str]:
    """All that a check finds."""
    from videomac.datasets.preparation import check_tree

    words = ['--check', '--out', out, '--processes', 1, *argv]
    args = tool.build_parser().parse_args([str(word) for word in words])
    (kind,) = (
        value
        for value in vars(tool).values()
        if isinstance(value, type)
        and value.__module__ == tool.__name__
        and hasattr(value, 'inspect')
    )
    with pytest.raises(BrokenTreeError) as caught:
        check_tree(kind(), args)
    return list(caught.value.offences)


def draw_video(path: Path, frames: int = 6, size: tuple[int, int] = (48, 64)) -> Path:
    """Write an MP4 whose frame t is grey of the value ``20 + 30 t``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    fourcc = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(path), fourcc, 25, (width, height))
    if not writer.isOpened():
        pytest.skip('this OpenCV cannot write MP4')
    for t in range(frames):
        writer.write(np.full((height, width, 3), 20 + 30 * t, np.uint8))
    writer.release()
    return path
