"""Images of other classes than the training's are refused."""

from __future__ import annotations

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import ConcatDataset, DefaultSampler, RepeatDataset
from mmpretrain.datasets import CustomDataset
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from videomac.engine import ClassCheckHook, ClassesError, KNNTestLoop
from videomac.engine.hooks import class_check
from videomac.engine.hooks.class_check import check_classes

NAMES = st.lists(st.sampled_from(string.ascii_lowercase), unique=True, max_size=5)


def images(root: Path, *classes: str, **settings: Any) -> Any:
    """A data set of one image for each class, as mmpretrain numbers them."""
    for name in classes:
        (root / name).mkdir(parents=True)
        Image.new('RGB', (8, 8)).save(root / name / 'image.png')
    return CustomDataset(data_root=str(root), **settings)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the check logs."""
    texts: list[str] = []
    monkeypatch.setattr(class_check, 'print_log', lambda text, **_: texts.append(text))
    return texts


def runner(train: Any, val: Any = None, test: Any = None, resume: bool = False) -> Any:
    """What the hook sees of a Runner."""
    model = nn.Module()
    model.num_classes = 2  # type: ignore[assignment]
    return SimpleNamespace(
        model=model,
        _resume=resume,
        train_dataloader=SimpleNamespace(dataset=train),
        val_loop=val,
        val_dataloader=SimpleNamespace(dataset=val),
        test_dataloader=SimpleNamespace(dataset=test),
    )


def load(hook: ClassCheckHook, *classes: str) -> None:
    """Load a checkpoint of a training with these classes."""
    meta = dict(dataset_meta=dict(classes=list(classes)))
    hook.after_load_checkpoint(None, {'meta': meta})


@given(learnt=NAMES, asked=NAMES)
def test_equal_numbers_pass_and_others_name_what_differs(
    learnt: list[str], asked: list[str]
) -> None:
    """The numbers are equal where each name has the same place in both lists."""
    check_classes(learnt, tuple(learnt), 'others')
    check_classes(None, asked, 'others')
    check_classes(learnt, None, 'others')
    if all(name in learnt and learnt.index(name) == i for i, name in enumerate(asked)):
        check_classes(learnt, tuple(asked), 'others')
        return
    if len(learnt) == len(asked) and not any(name in learnt for name in asked):
        return  # see below
    with pytest.raises(ClassesError, match=r'^the classes of others are not') as info:
        check_classes(learnt, asked, 'others')
    assert 'data set of others metainfo=dict(classes=[...])' in str(info.value)
    for ours, theirs, side in ((learnt, asked, 'training images'), (asked, learnt, 'o')):
        missing = sorted({*ours} - {*theirs})
        assert (f'{", ".join(missing)} ({len(missing)} in all)' in str(info.value)) == (
            bool(missing)
        ), side
    assert ('another order' in str(info.value)) == ({*learnt} == {*asked})


def test_other_words_for_the_same_classes(tmp_path: Path, said: list[str]) -> None:
    """As with mmpretrain's names of ImageNet's classes, where our folders have ids."""
    ids = images(tmp_path / 'ids', 'n01', 'n02')
    check_classes(['tench', 'goldfish'], ids.CLASSES, 'the test images')
    (text,) = said
    assert 'the test images (n01, n02 (2 in all))' in text
    assert 'the training images (tench, goldfish (2 in all))' in text
    assert 'by number alone' in text
    for named in (['tench', 'n02'], ['n02', 'tench'], ['tench']):
        with pytest.raises(ClassesError):
            check_classes(named, ids.CLASSES, 'the test images')
    # The way out that the texts name.
    named = images(tmp_path / 'ids', metainfo=dict(classes=['tench', 'goldfish']))
    assert named.get_cat_ids(1) == ids.get_cat_ids(1) == [1]
    check_classes(['tench', 'goldfish'], named.CLASSES, 'the test images')
    assert said == [text]


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
    with pytest.raises(ClassesError, match=expected.format('validation images')):
        hook.before_train(runner(train, other))
    with pytest.raises(ClassesError, match=expected.format('test images')):
        hook.before_test(runner(train, test=other))


def test_what_a_checkpoint_tells(tmp_path: Path) -> None:
    test = images(tmp_path, 'a', 'b')
    hook = ClassCheckHook()
    for meta in (None, {}, {'dataset_meta': None}, {'dataset_meta': {'gap': 1}}):
        hook.after_load_checkpoint(None, {'meta': meta})
        hook.before_test(runner(None, test=test))
    load(hook, 'b', 'c')
    with pytest.raises(ClassesError, match=r'only the test images have a'):
        hook.before_test(runner(None, test=test))


def test_a_resumed_training(tmp_path: Path) -> None:
    """Its classes are those of the checkpoint; weights alone may start with others."""
    train = images(tmp_path, 'b', 'c')
    hook = ClassCheckHook()
    expected = (
        r'the classes of the training images are not those of the images of the '
        r'checkpoint: only the images of the checkpoint have a \(1 in all\); only the '
        r'training images have c'
    )
    load(hook, 'a', 'b')
    with pytest.raises(ClassesError, match=expected):
        hook.before_train(runner(train, train, resume=True))
    hook.before_train(runner(train, train))
    load(hook, 'b', 'c')
    hook.before_train(runner(train, train, resume=True))


def test_a_validation_by_itself(tmp_path: Path) -> None:
    val = images(tmp_path, 'a', 'b')
    hook = ClassCheckHook()
    load(hook, 'b', 'c')
    with pytest.raises(ClassesError, match='only the validation images have a'):
        hook.before_val(runner(None, val))
    load(hook, 'a', 'b')
    hook.before_val(runner(None, val))


def test_a_training_says_once_what_it_validates(tmp_path: Path, said: list[str]) -> None:
    data = images(tmp_path / 'a', 'a', 'b'), images(tmp_path / 'x', 'x', 'y')
    hook = ClassCheckHook()
    hook.before_train(runner(*data))
    hook.before_val(runner(*data))
    assert len(said) == 1


def test_numbers_are_checked_too(tmp_path: Path) -> None:
    two, three = images(tmp_path / '2', 'a', 'b'), images(tmp_path / '3', 'a', 'b', 'c')
    expected = 'images have 3 classes, and the model has num_classes=2 of Module'
    for run in (runner(three), runner(two, three)):
        with pytest.raises(ClassesError, match=expected):
            ClassCheckHook().before_train(run)
    with pytest.raises(ClassesError, match=expected):
        ClassCheckHook().before_test(runner(None, test=three))
    for none in (None, 0, -1):  # as of parts that classify nothing
        run = runner(three)
        run.model.num_classes = none
        ClassCheckHook().before_train(run)


def test_data_sets_in_others(tmp_path: Path, said: list[str]) -> None:
    ab, ac = images(tmp_path / 'ab', 'a', 'b'), images(tmp_path / 'ac', 'a', 'c')
    for wrapped in (RepeatDataset(ab, 2), ConcatDataset([ab, ab])):
        ClassCheckHook().before_train(runner(wrapped, ab))
        ClassCheckHook().before_train(runner(ab, wrapped))
        with pytest.raises(ClassesError, match='only the validation images have c'):
            ClassCheckHook().before_train(runner(wrapped, ac))
    assert not said
    ClassCheckHook().before_train(runner([ab[0]], ab))
    assert [text.partition(',')[0] for text in said] == [
        'the training images have no names of classes (metainfo)'
    ]


def test_the_bank_of_nearest_neighbours(tmp_path: Path) -> None:
    bank = images(tmp_path / 'train', 'a', 'b')
    test = images(tmp_path / 'test', 'b', 'c')
    sampler = DefaultSampler(bank, shuffle=False)
    loader = DataLoader(bank, sampler=sampler)
    run: Any = SimpleNamespace(visualizer=SimpleNamespace())
    part = images(tmp_path / 'part', 'a')
    for fits in (loader, DataLoader(part)):
        assert KNNTestLoop(run, fits, SimpleNamespace(), loader).classes == 2
    with pytest.raises(ClassesError, match=r'a \(1 in all\).* c \(1 in all\)'):
        KNNTestLoop(run, DataLoader(test), SimpleNamespace(), loader)
