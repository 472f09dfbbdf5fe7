"""Which frames are references, and what the window holds."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from videomac.models.propagation import Copies, PropagationSettings, Window


def listed_by_dino(frame: int) -> dict[int, Copies]:
    """A queue of 7 frames behind frame 0, which never enters it."""
    queue: list[int] = []
    for past in range(1, frame):
        queue = [*queue, past][-7:]
    return {each: Copies() for each in [0, *queue]}


def listed_by_crw(frame: int, length: int) -> dict[int, Copies]:
    """Indices of the video behind ``length`` copies of frame 0."""
    prefixed = [0] * length + list(range(frame + 1))
    target = len(prefixed) - 1
    counts = Counter(prefixed[target - length : target])
    copies = {each: Copies(count) for each, count in counts.items()}
    copies[0] = Copies(1 + counts[0], 1)
    return copies


def listed_by_vfs(frame: int) -> dict[int, Copies]:
    """Frame 0 and up to 20 before, whatever they are."""
    counts = Counter([0, *range(max(0, frame - 20), frame)])
    return {each: Copies(count) for each, count in counts.items()}


@pytest.mark.parametrize('frame', [1, 2, 4, 5, 7, 8, 9, 20, 21, 22, 50])
def test_references_of_the_presets(frame: int) -> None:
    dino, crw, vfs = (PropagationSettings.preset(n) for n in ('dino', 'crw', 'vfs'))
    assert dino.references(frame) == listed_by_dino(frame)
    assert crw.references(frame) == listed_by_crw(frame, 20)
    assert vfs.references(frame) == listed_by_vfs(frame)
    four = PropagationSettings.preset('crw', previous=4)
    assert four.references(frame) == listed_by_crw(frame, 4)


def test_numbers_of_the_presets() -> None:
    dino = PropagationSettings.preset('dino')
    assert dino == PropagationSettings()
    assert (dino.radius, dino.window, dino.topk, dino.temperature) == (
        12,
        'square',
        5,
        0.1,
    )
    crw = PropagationSettings.preset('crw')
    assert (crw.radius, crw.window, crw.topk, crw.temperature) == (12, 'circle', 10, 0.05)
    vfs = PropagationSettings.preset('vfs', radius=18)
    assert (vfs.radius, vfs.topk, vfs.temperature, vfs.min_max) == (18, 10, 0.07, True)


def test_annotated_frames_are_references_from_then_on() -> None:
    options = PropagationSettings(previous=2)
    assert list(options.references(3, anchors=[0, 5])) == [0, 1, 2]
    assert list(options.references(6, anchors=[0, 5])) == [0, 4, 5]
    assert options.references(6, anchors=[0, 5])[5] == Copies()
    assert list(options.references(9, anchors=[0, 5])) == [0, 5, 7, 8]


def test_without_frame_0() -> None:
    options = PropagationSettings(previous=2, always_first=False)
    assert [list(options.references(frame)) for frame in (1, 2, 5)] == [
        [0],
        [0, 1],
        [3, 4],
    ]


@pytest.mark.parametrize('radius', [0.5, 1, 1.5, 2, 5, 12])
def test_windows(radius: float) -> None:
    span = torch.arange(-15, 16)
    square, circle = Window('square', radius), Window('circle', radius)
    for dy in span:
        for dx in span:
            far = max(abs(int(dy)), abs(int(dx)))
            distance = math.sqrt(int(dy) ** 2 + int(dx) ** 2)
            assert bool(square.inside(dy, dx)) == (far <= radius)
            assert bool(circle.inside(dy, dx)) == (distance < radius)
    for window in (square, circle):
        held = window.inside(span[:, None], span)
        assert window.reach == int(span[held.any(0)].max())
    assert Window('square', None).inside(span[:, None], span).all()
    assert Window('circle', None).reach is None


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"preset must be one of .*got 'uvc'"):
        PropagationSettings.preset('uvc')
    with pytest.raises(ValueError, match=r"unknown settings \['top_k'\]"):
        PropagationSettings.preset('dino', top_k=3)
    for wrong in (
        dict(topk=0),
        dict(topk=5.5),
        dict(topk='5'),
        dict(topk=True),
        dict(previous=-1),
        dict(previous=1.5),
        dict(always_first='no'),
        dict(restrict_first='no'),
        dict(min_max='no'),
        dict(min_max=0),
        dict(temperature=0.0),
        dict(temperature=math.nan),
        dict(radius=0),
        dict(window='disk'),
        dict(first_frame='twice'),
        dict(ties='drop'),
        dict(label_resize='area'),
        dict(decode='cells'),
        dict(previous=0, always_first=False),
    ):
        ((name, value),) = list(wrong.items())[:1]
        with pytest.raises(ValueError, match=name) as caught:
            PropagationSettings.preset('dino', **wrong)
        assert str(value) in str(caught.value)
