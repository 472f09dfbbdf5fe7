"""Refuses data whose classes have other numbers than those that a classifier learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpretrain.engine.hooks import ClassNumCheckHook

from videomac.registry import HOOKS

__all__ = ['ClassCheckHook', 'check_classes', 'classes_of']

SHOWN = 5


def classes_of(dataset: Any) -> Sequence[str] | None:
    """Names of the classes of a data set in the order of their numbers, if it has any."""
    found: Sequence[str] | None = getattr(dataset, 'metainfo', {}).get('classes')
    return found


def check_classes(
    learnt: Sequence[str] | None, asked: Sequence[str] | None, images: str
) -> None:
    """Check that two lists of classes are equal, as far as both are known.

    Args:
        learnt: Classes of the training images.
        asked: Classes of other images.
        images: What these are, for the message.

    Raises:
        ValueError: They differ, and so do the classes that a number stands for.
    """
    if learnt is None or asked is None or tuple(learnt) == tuple(asked):
        return
    lines = [
        f'only {side} have {", ".join(sorted(some)[:SHOWN])} ({len(some)} in all)'
        for side, some in (
            ('the training images', {*learnt} - {*asked}),
            (images, {*asked} - {*learnt}),
        )
        if some
    ]
    raise ValueError(
        f'the classes of {images} are not those of the training images: '
        + ('; '.join(lines) or 'they have another order')
        + '. Each split numbers its folders in alphabetical order, so that a number '
        'would stand for different classes: give both the same folders'
    )


@HOOKS.register_module()
class ClassCheckHook(ClassNumCheckHook):  # type: ignore[misc]
    """Check that all images of a classifier have the same classes, by number and name.

    mmpretrain's hook, which this one extends, compares the number of classes of each
    split with that of the classifier. But mmpretrain numbers the folders of each split
    by itself: with as many others, scores would be wrong without a word.

    Raises:
        AssertionError: A number of classes is not that of the classifier.
        ValueError: Images of validation or test have other classes than those of the
            training, which a checkpoint tells, too.
    """

    def __init__(self) -> None:
        self.learnt: Sequence[str] | None = None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Read what the classifier was trained on."""
        stored = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        self.learnt = stored.get('classes')

    def before_train(self, runner: Any) -> None:
        """Compare the images of validation now rather than after the first epoch."""
        super().before_train(runner)
        self.learnt = classes_of(runner.train_dataloader.dataset)
        if runner.val_loop is not None:
            found = classes_of(runner.val_dataloader.dataset)
            check_classes(self.learnt, found, 'the validation images')

    def before_test(self, runner: Any) -> None:
        """Compare the images of the test."""
        super().before_test(runner)
        found = classes_of(runner.test_dataloader.dataset)
        check_classes(self.learnt, found, 'the test images')
