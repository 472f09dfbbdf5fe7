"""The data sets of the configs."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import default_collate

from tests.datasets.media import numbered, sample_video, write_frames
from videomac.datasets import FramePairDataset
from videomac.models.data_preprocessor import FramesDataPreprocessor
from videomac.registry import DATASETS, MODELS

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


def build(name: str, data_root: Path) -> FramePairDataset:
    """Build the data set of a config, its data moved as on the command line."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.merge_from_dict({'train_dataloader.dataset.source.data_root': str(data_root)})
    data = DATASETS.build(cfg.train_dataloader.dataset)
    assert isinstance(data, FramePairDataset)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    assert isinstance(preprocessor, FramesDataPreprocessor)
    batch = preprocessor(default_collate([data[0], data[1]]))
    size = cfg.image_size
    assert batch['inputs'].shape == (2, 2, 3, size, size)
    return data


def test_ytvos(tmp_path: Path) -> None:
    write_frames(tmp_path / 'JPEGImages' / 'a', numbered(4, '.jpg'))
    assert len(build('ytvos', tmp_path)) == 3


def test_k400_takes_one_video_in_130(tmp_path: Path) -> None:
    for i in range(260):
        write_frames(tmp_path / f'class{i % 7}' / f'v{i}', ['0.png', '1.png', '2.png'])
    assert build('k400', tmp_path).metainfo['num_videos'] == 2


def test_video_files(tmp_path: Path) -> None:
    pytest.importorskip('decord')
    (tmp_path / 'a.mp4').symlink_to(sample_video('carphone_pristine.mp4'))
    assert len(build('video_files', tmp_path)) == 119


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda p: p.stem)
def test_image_size_is_said_once(path: Path) -> None:
    assert path.read_text().count('224') == 1
