"""Fine-tuning on other classes than before, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.test_finetune_cli import ROOT, draw, options, tool

pytestmark = pytest.mark.usefixtures('quiet_scope')


def rename(data: Path, old: str, new: str, *splits: str) -> None:
    for split in splits:
        (data / split / old).rename(data / split / new)


def test_other_classes_end_a_training_in_one_sentence(tmp_path: Path) -> None:
    """Unless it only starts from weights that learnt others."""
    data, work = tmp_path / 'data', tmp_path / 'work'
    draw(data, per_class=4)
    saving = 'default_hooks.checkpoint.interval=1'
    short = ('max_epochs=2', 'warmup_epochs=1', saving)

    def train(folder: str, *words: str, load: str = 'load_from=None') -> None:
        given = [str(ROOT / 'demo.py'), '--work-dir', str(work / folder), *words]
        tool('train').main([*given, *options(data, None, *short, load)])

    train('first')
    saved = work / 'first' / 'epoch_1.pth'
    rename(data, 'discs', 'zebras', 'train', 'val')  # stripes were 1 and are 0
    with pytest.raises(SystemExit) as ended:
        train('resumed', '--resume', str(saved))
    text = str(ended.value)
    assert text.startswith('train.py: the classes of the training images are not those')
    assert 'only the images of the checkpoint have discs (1 in all)' in text
    train('started', load=f'load_from={saved}')
    assert (work / 'started' / 'epoch_2.pth').is_file()
    rename(data, 'zebras', 'discs', 'val')
    with pytest.raises(SystemExit, match=r'^train\.py: the classes of the validation im'):
        train('apart')
    rename(data, 'discs', 'zebras', 'val')
    (data / 'train' / 'cubes').mkdir()
    with pytest.raises(SystemExit, match=r'^train\.py: the training images have 3 class'):
        train('three')
    (data / 'train' / 'cubes').rmdir()
    rename(data, 'zebras', 'discs', 'train', 'val')
    train('resumed', '--resume', str(saved))
    assert (work / 'resumed' / 'epoch_2.pth').is_file()
