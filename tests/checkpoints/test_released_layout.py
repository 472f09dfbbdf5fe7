"""Tensors of the released code in our layout."""

from __future__ import annotations

import pytest
import torch

from videomac.checkpoints.released_layout import convert_kernel


def test_a_kernel_that_is_not_square_is_an_error() -> None:
    with pytest.raises(ValueError, match='8 offsets is not square'):
        convert_kernel(torch.zeros(8, 2, 2), depthwise=False)
