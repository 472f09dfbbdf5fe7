"""A linear classifier on a frozen encoder."""

from __future__ import annotations

from typing import Any

from mmpretrain.models import ImageClassifier

from ..registry import MODELS

__all__ = ['LinearProbe']


@MODELS.register_module()
class LinearProbe(ImageClassifier):
    """mmpretrain's ``ImageClassifier`` whose backbone does not learn.

    Works for every backbone, since it asks nothing of it: no gradients, and eval mode,
    so that running statistics and stochastic depth stand still too. Neck and head are
    trained.

    Args:
        args: See :class:`mmpretrain.models.ImageClassifier`.
        kwargs: The same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> LinearProbe:
        """Set the mode of neck and head; the backbone stays in eval mode."""
        super().train(mode)
        # Some backbones unfreeze nothing here, but all switch their layers.
        self.backbone.eval()
        return self
