"""Refuses data whose classes have other numbers than those that a classifier learns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log

from videomac.registry import HOOKS

__all__ = ['ClassCheckHook', 'ClassesError', 'check_classes', 'classes_of']

SHOWN = 5


class ClassesError(ValueError):
    """The numbers of classes do not mean the same everywhere."""


def classes_of(dataset: Any) -> Sequence[str] | None:
    """Names of the classes of a data set in the order of their numbers, if it has any."""
    found: Sequence[str] | None = getattr(dataset, 'metainfo', {}).get('classes')
    return found


def check_classes(
    learnt: Sequence[str] | None,
    asked: Sequence[str] | None,
    images: str,
    teachers: str = 'the training images',
) -> None:
    """Check that each number stands for the same class, as far as names are known.

    The last classes may be missing. As many classes without a single name in common are
    taken for the same ones in other words, such as WordNet ids, with a warning.

    Args:
        learnt: Classes of the images that were learnt from.
        asked: Classes of other images.
        images: What these are, for the message.
        teachers: What the first ones are.

    Raises:
        ClassesError: A number stands for different classes.
    """
    if learnt is None or asked is None or tuple(learnt[: len(asked)]) == tuple(asked):
        return
    ours, theirs = {*learnt}, {*asked}
    if len(learnt) == len(asked) and ours.isdisjoint(theirs):
        print_log(
            f'the classes of {images} ({_some(asked)}) and those of {teachers} '
            f'({_some(learnt)}) have no name in common: they are taken for the same in '
            'other words, and compared by number alone. If they are, give the data set '
            f'of {images} metainfo=dict(classes=[...]) with the other names; if not, its '
            'scores mean nothing',
            logger='current',
            level=logging.WARNING,
        )
        return
    lines = [
        f'only {side} have {_some(sorted(map(str, some)))}'
        for side, some in ((teachers, ours - theirs), (images, theirs - ours))
        if some
    ]
    raise ClassesError(
        f'the classes of {images} are not those of {teachers}: '
        + ('; '.join(lines) or 'they have another order')
        + '. Each data set numbers its folders in alphabetical order, so that a number '
        'would stand for different classes: give both the same folders, or, if the '
        f'numbers agree and only names differ, give the data set of {images} '
        'metainfo=dict(classes=[...]) with the other names'
    )


def _some(names: Sequence[str]) -> str:
    return f'{", ".join(map(str, names[:SHOWN]))} ({len(names)} in all)'


def check_number(model: Any, classes: Sequence[str], images: str) -> None:
    """Check that a classifier has as many classes as its images.

    Args:
        model: Module whose parts may have ``num_classes``; None, 0 and -1 mean none.
        classes: Classes of the images.
        images: What these are, for the message.

    Raises:
        ClassesError: It has not.
    """
    right = len(classes)
    wrong = [
        f'num_classes={part.num_classes} of {type(part).__name__}'
        for part in model.modules()
        if getattr(part, 'num_classes', None) not in (None, 0, -1, right)
    ]
    if wrong:
        raise ClassesError(
            f'{images} have {right} classes, and the model has {", ".join(wrong)}: give '
            'the config the number of folders, or the images the folders that they lack'
        )


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Check that all images of a classifier have the same classes, by number and name.

    mmpretrain numbers the folders of each split by itself, and its ``ClassNumCheckHook``
    compares how many there are: with as many others, scores would be wrong without a
    word.

    Raises:
        ClassesError: A number of classes is not that of the classifier, or images of
            validation or test have other classes than those of the training, which a
            checkpoint tells, too; so have those of a resumed training.
    """

    def __init__(self) -> None:
        self.learnt: Sequence[str] | None = None
        self.trains = False

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Read what the classifier was trained on."""
        stored = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        self.learnt = stored.get('classes')

    def before_train(self, runner: Any) -> None:
        """Compare the images of validation now rather than after the first epoch."""
        if not runner._resume:  # weights to start from may have learnt other classes
            self.learnt = None
        self.learnt = self._check(
            runner,
            runner.train_dataloader,
            'the training images',
            'the images of the checkpoint',
        )
        self.trains = True
        if runner.val_loop is not None:
            self._check(runner, runner.val_dataloader, 'the validation images')

    def before_val(self, runner: Any) -> None:
        """Compare the images of a validation that is no part of a training."""
        if not self.trains:
            self._check(runner, runner.val_dataloader, 'the validation images')

    def before_test(self, runner: Any) -> None:
        """Compare the images of the test."""
        self._check(runner, runner.test_dataloader, 'the test images')

    def _check(
        self, runner: Any, loader: Any, images: str, *teachers: str
    ) -> Sequence[str] | None:
        """Compare with the classifier and with what it has learnt from."""
        found = classes_of(loader.dataset)
        if found is None:
            print_log(
                f'{images} have no names of classes (metainfo), so that nothing tells '
                'whether their numbers are those of the classifier',
                logger='current',
                level=logging.WARNING,
            )
            return None
        check_number(runner.model, found, images)
        check_classes(self.learnt, found, images, *teachers)
        return found
