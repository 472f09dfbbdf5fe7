"""Images of other classes than the training's are refused."""

from __future__ import annotations

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from mmpretrain.datasets import CustomDataset
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from videomac.engine import KNNTestLoop
from videomac.engine.hooks import ClassCheckHook
from videomac.engine.hooks.class_check import check_classes

NAMES = st.lists(st.sampled_from(string.ascii_lowercase), unique=True, max_size=5)


def images(root: Path, *classes: str) -> Any:
    """A data set of one image for each class, as mmpretrain numbers them."""
    for name in classes:
        (root / name).mkdir(parents=True)
        Image.new('RGB', (8, 8)).save(root / name / 'image.png')
    return CustomDataset(data_root=str(root))


def runner(train: Any, val: Any = None, test: Any = None) -> Any:
    """What the hook sees of a Runner."""
    model = nn.Module()
    model.num_classes = 2  # type: ignore[assignment]
    return SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=train),
        val_loop=val,
        val_dataloader=SimpleNamespace(dataset=val),
        test_dataloader=SimpleNamespace(dataset=test),
    )


@given(learnt=NAMES, asked=NAMES)
def test_equal_lists_pass_and_others_name_what_differs(
    learnt: list[str], asked: list[str]
) -> None:
    check_classes(learnt, tuple(learnt), 'others')
    check_classes(None, asked, 'others')
    check_classes(learnt, None, 'others')
    if learnt == asked:
        return
    with pytest.raises(ValueError, match=r'^the classes of others are not') as info:
        check_classes(learnt, asked, 'others')
    for ours, theirs, side in ((learnt, asked, 'training images'), (asked, learnt, 'o')):
        missing = sorted({*ours} - {*theirs})
        assert (f'{", ".join(missing)} ({len(missing)} in all)' in str(info.value)) == (
            bool(missing)
        ), side
    assert ('another order' in str(info.value)) == ({*learnt} == {*asked})


def test_as_many_classes_of_other_names(tmp_path: Path) -> None:
    """The numbers agree, and b is 1 here and 0 there."""
    train = images(tmp_path / 'train', 'a', 'b')
    same = images(tmp_path / 'same', 'a', 'b')
    other = images(tmp_path / 'other', 'b', 'c')
    assert train.class_to_idx['b'] != other.class_to_idx['b']
    hook = ClassCheckHook()
    hook.before_train(runner(train))
    hook.before_train(runner(train, same))
    hook.before_test(runner(train, test=same))
    expected = r'only the training images have a .* only the {} have c \(1 in all\)'
    with pytest.raises(ValueError, match=expected.format('validation images')):
        hook.before_train(runner(train, other))
    with pytest.raises(ValueError, match=expected.format('test images')):
        hook.before_test(runner(train, test=other))


def test_what_a_checkpoint_tells(tmp_path: Path) -> None:
    test = images(tmp_path, 'a', 'b')
    hook = ClassCheckHook()
    for meta in (None, {}, {'dataset_meta': None}, {'dataset_meta': {'gap': 1}}):
        hook.after_load_checkpoint(None, {'meta': meta})
        hook.before_test(runner(None, test=test))
    hook.after_load_checkpoint(None, {'meta': {'dataset_meta': {'classes': ['b', 'c']}}})
    with pytest.raises(ValueError, match=r'only the test images have a'):
        hook.before_test(runner(None, test=test))


def test_numbers_are_checked_as_before(tmp_path: Path) -> None:
    three = images(tmp_path, 'a', 'b', 'c')
    with pytest.raises(AssertionError, match='num_classes'):
        ClassCheckHook().before_train(runner(three))


def test_the_bank_of_nearest_neighbours(tmp_path: Path) -> None:
    bank = images(tmp_path / 'train', 'a', 'b')
    test = images(tmp_path / 'test', 'b', 'c')
    sampler = DefaultSampler(bank, shuffle=False)
    loader = DataLoader(bank, sampler=sampler)
    run: Any = SimpleNamespace(visualizer=SimpleNamespace())
    KNNTestLoop(run, loader, SimpleNamespace(), loader)
    with pytest.raises(ValueError, match=r'a \(1 in all\).* c \(1 in all\)'):
        KNNTestLoop(run, DataLoader(test), SimpleNamespace(), loader)
