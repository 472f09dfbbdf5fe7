"""The frames of a video that later ones take their labels from."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .propagate import MEMORY_BUDGET, Reference, propagate
from .settings import PropagationSettings

__all__ = ['FrameMemory']


class FrameMemory:
    """Features and labels of past frames, kept for as long as they are references.

    Args:
        settings: Which frames are references, and how they vote.
        memory_budget: Bytes of working memory for a frame's propagation.
    """

    def __init__(
        self, settings: PropagationSettings, memory_budget: int = MEMORY_BUDGET
    ) -> None:
        self.settings = settings
        self.memory_budget = memory_budget
        self.anchors: list[int] = []
        self._frames: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        """Number of frames held."""
        return len(self._frames)

    def add(
        self, frame: int, features: Tensor, maps: Tensor, annotated: bool = False
    ) -> None:
        """Keep a frame, and let go of those that no later one refers to.

        Args:
            frame: Its index; frames come in order, annotated ones are anchors.
            features: [h, w, C] of unit length.
            maps: Soft maps of the objects, [K, h, w].
            annotated: Whether labels were given for it.
        """
        if annotated:
            self.anchors.append(frame)
        self._frames[frame] = (features, maps)
        oldest = frame + 1 - self.settings.previous
        for past in [f for f in self._frames if f < oldest and f not in self.anchors]:
            del self._frames[past]

    def add_objects(self, count: int) -> None:
        """Give every frame held empty maps of objects that it did not know."""
        for frame, (features, maps) in self._frames.items():
            self._frames[frame] = (features, F.pad(maps, (0, 0, 0, 0, 0, count)))

    def propagate(self, frame: int, features: Tensor) -> Tensor:
        """Predict the soft maps [K, h, w] of a frame; see :func:`propagate`."""
        copies = self.settings.references(frame, self.anchors)
        references = [Reference(*self._frames[f], each) for f, each in copies.items()]
        return propagate(features, references, self.settings, self.memory_budget)
