"""What the published procedures of label propagation differ in, as values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ...utils.arguments import check_flags, check_integer, check_positive

__all__ = [
    'PRESETS',
    'SINGLE',
    'Copies',
    'PropagationSettings',
    'Window',
    'drop_old_preset',
]

WindowShape = Literal['square', 'circle']
FirstFrame = Literal['once', 'again', 'padded']
Ties = Literal['keep', 'share']
LabelResize = Literal['nearest', 'bilinear']
DecodeSize = Literal['network', 'original']


@dataclass(frozen=True)
class Window:
    """Cells of a reference that a query cell may look at, centred on the same cell.

    Args:
        shape: ``'square'``: ``|dy| <= r`` and ``|dx| <= r``; ``'circle'``:
            ``dy^2 + dx^2 < r^2``.
        radius: r in cells, positive; None for the whole map.

    Raises:
        ValueError: If an argument is out of its range.
    """

    shape: WindowShape = 'square'
    radius: float | None = 12

    def __post_init__(self) -> None:
        """Check the arguments."""
        _check_choice('window', self.shape, WindowShape)
        if self.radius is not None and not self.radius > 0:
            raise ValueError(
                f'radius must be positive, or None for no window, got {self.radius}'
            )

    @property
    def reach(self) -> int | None:
        """Largest ``|dy|`` and ``|dx|`` inside, or None if nothing is outside."""
        if self.radius is None or math.isinf(self.radius):
            return None
        inner = math.floor(self.radius)
        return inner if self.shape == 'square' else math.ceil(self.radius) - 1

    def inside(self, dy: Tensor, dx: Tensor) -> Tensor:
        """Tell which offsets lie in the window; ``dy`` and ``dx`` broadcast, to bool."""
        reach = self.reach
        if reach is None:
            return torch.ones_like(dy + dx, dtype=torch.bool)
        if self.shape == 'square':
            return (dy.abs() <= reach) & (dx.abs() <= reach)
        assert self.radius is not None
        return dy * dy + dx * dx < self.radius**2


@dataclass(frozen=True)
class Copies:
    """How often a reference frame counts: cells in the window of a query, and others.

    A frame that procedures list several times has every cell that often among the
    candidates; a frame without a window has ``outside`` copies of the cells beyond.
    """

    inside: int = 1
    outside: int = 0


#: A frame listed once, with a window.
SINGLE = Copies()


@dataclass(frozen=True)
class PropagationSettings:
    """All that a published procedure of label propagation fixes.

    Args:
        previous: Number n of frames before the present one that are references.
        always_first: Whether frame 0 is a reference of every frame.
        first_frame: What becomes of frame 0 among the previous frames:
            ``'once'``: left out, where it is a reference anyway (DINO); ``'again'``:
            listed again (VFS); ``'padded'``: listed again, and in place of every frame
            before it, so that there are always n previous frames (CRW).
        window: Shape of the window; see :class:`Window`.
        radius: Its radius in cells, or None for no window.
        restrict_first: Whether the window holds for frame 0 as the reference of every
            frame; among the previous frames it is always restricted.
        topk: Number k of candidates, over all references jointly, that vote.
        temperature: T of the weights exp(cosine / T), positive.
        ties: What becomes of candidates that score like the k-th: ``'keep'``: all of
            them vote (DINO); ``'share'``: they share the votes that are left, which is
            the mean over the ways to choose exactly k.
        label_resize: How ids become maps on cells: ``'nearest'``: the id at the cell's
            centre; ``'bilinear'``: maps of the objects, interpolated without filter.
        min_max: Whether every object's map is stretched to [0, 1] over the picture
            before the strongest object is taken.
        decode: Size at which that is done: of the network's input, then resized by
            nearest neighbour, or of the original frames.

    Raises:
        ValueError: If an argument is out of its range.
    """

    previous: int = 7
    always_first: bool = True
    first_frame: FirstFrame = 'once'
    window: WindowShape = 'square'
    radius: float | None = 12
    restrict_first: bool = True
    topk: int = 5
    temperature: float = 0.1
    ties: Ties = 'keep'
    label_resize: LabelResize = 'nearest'
    min_max: bool = True
    decode: DecodeSize = 'network'

    def __post_init__(self) -> None:
        """Check the arguments."""
        Window(self.window, self.radius)
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        flags = ('always_first', 'restrict_first', 'min_max')
        check_flags(**{name: getattr(self, name) for name in flags})
        check_integer(1, topk=self.topk)
        check_integer(0, previous=self.previous)
        if self.previous == 0 and not self.always_first:
            raise ValueError(
                'there is no reference: previous is 0 and always_first is False'
            )
        check_positive(temperature=self.temperature)

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> PropagationSettings:
        """Make the settings of a published procedure.

        Args:
            name: One of :data:`PRESETS`: ``'dino'`` (arXiv:2104.14294), ``'crw'``
                (arXiv:2006.14613), ``'vfs'`` (arXiv:2103.17263).
            overrides: Fields to set otherwise.

        Raises:
            ValueError: If there is no such preset or field.
        """
        if name not in PRESETS:
            raise ValueError(f'preset must be one of {sorted(PRESETS)}, got {name!r}')
        known = {each.name for each in fields(cls)}
        if not set(overrides) <= known:
            raise ValueError(
                f'unknown settings {sorted(set(overrides) - known)} of label '
                f'propagation; there are {sorted(known)}'
            )
        return cls(**{**PRESETS[name], **overrides})

    def references(self, frame: int, anchors: Iterable[int] = (0,)) -> dict[int, Copies]:
        """List the references of a frame.

        Args:
            frame: Index t >= 1 of the frame.
            anchors: Annotated frames: 0, and those where objects enter. What is said of
                frame 0 above holds for each of them, as soon as it lies before t.

        Returns:
            Copies of every reference, by frame.
        """
        recent = range(frame - self.previous, frame)
        if self.first_frame == 'padded':
            counts = Counter(max(0, index) for index in recent)
        else:
            counts = Counter(index for index in recent if index >= 0)
        copies = {index: Copies(count) for index, count in counts.items()}
        for anchor in anchors if self.always_first else ():
            if anchor < frame:
                again = 0 if self.first_frame == 'once' else counts[anchor]
                outside = 0 if self.restrict_first else 1
                copies[anchor] = Copies(1 + again, outside)
        return dict(sorted(copies.items()))


def drop_old_preset(model: MutableMapping[str, Any], options: Mapping[str, Any]) -> None:
    """Drop what a config spells out for its own preset, if options choose another.

    Otherwise the other preset would have all its values set back to those of the old.
    To be called before the options are merged: what they say themselves then stays.

    Args:
        model: Config of a :class:`LabelPropagator`; it is changed.
        options: Changes of the whole config, by dotted names or nested, such as
            ``{'model.preset': 'crw'}``.
    """
    nested = options.get('model')
    whole = nested.get('preset') if isinstance(nested, Mapping) else None
    if options.get('model.preset', whole) not in (None, model.get('preset')):
        for name in ('pose', *(field.name for field in fields(PropagationSettings))):
            model.pop(name, None)


def _check_choice(name: str, value: Any, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f'{name} must be one of {get_args(choices)}, got {value!r}')


_CHOICES = {
    'first_frame': FirstFrame,
    'ties': Ties,
    'label_resize': LabelResize,
    'decode': DecodeSize,
}

#: Values of the published procedures, as their own code has them.
PRESETS: dict[str, dict[str, Any]] = {
    'dino': dict(
        previous=7,
        first_frame='once',
        window='square',
        radius=12,
        restrict_first=True,
        topk=5,
        temperature=0.1,
        ties='keep',
        label_resize='nearest',
        min_max=True,
        decode='network',
    ),
    'crw': dict(
        previous=20,
        first_frame='padded',
        window='circle',
        radius=12,
        restrict_first=False,
        topk=10,
        temperature=0.05,
        ties='share',
        label_resize='bilinear',
        min_max=False,
        decode='original',
    ),
    'vfs': dict(
        previous=20,
        first_frame='again',
        window='circle',
        radius=12,
        restrict_first=True,
        topk=10,
        temperature=0.07,
        ties='share',
        label_resize='nearest',
        min_max=True,
        decode='original',
    ),
}
