"""The matrix products of an encoder step and nothing else: a lower bound of its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from videomac.sparse import SparseMap

__all__ = ['MatrixProducts']


class _Shapes(TorchFunctionMode):
    """Notes rows, columns and inner length of dense convolutions and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, int, int]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if getattr(func, '__name__', '') in ('linear', 'conv2d'):
            weight = args[1]
            depthwise = weight.shape[1] == 1 < weight.shape[0]
            if isinstance(out, SparseMap) and not depthwise:
                rows = len(out.grid.index) * out.cells[0] * out.cells[1]
                self.found.append((rows, weight.shape[0], weight[0].numel()))
        return out


class MatrixProducts:
    """Forward and both backward products of every layer, on operands that lie ready.

    Depthwise kernels, norms, activations, gathers and all Python are left out, so the
    time is a lower bound of the step's with this library of matrix products.

    Args:
        forward: Forward pass of the encoder on a sparse map.
        dtype: Type of the products.
        device: Where they are computed.
    """

    def __init__(
        self, forward: Callable[[], Tensor], dtype: torch.dtype, device: torch.device
    ):
        with _Shapes() as shapes:
            forward()
        self.operands = [
            tuple(
                torch.randn(*size, dtype=dtype, device=device)
                for size in ((rows, inner), (columns, inner), (rows, columns))
            )
            for rows, columns, inner in shapes.found
        ]

    def step(self) -> None:
        """Compute all products once."""
        for cells, weight, _ in self.operands:
            cells @ weight.t()
        for cells, weight, grads in reversed(self.operands):
            grads.t() @ cells
            grads @ weight
