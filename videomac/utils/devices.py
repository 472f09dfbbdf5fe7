"""The device to compute on, checked before anything is loaded."""

from __future__ import annotations

import torch

__all__ = ['usable_device']


def usable_device(device: str | torch.device | None = None) -> torch.device:
    """Find the device that was asked for.

    Args:
        device: Its name, such as ``'cpu'`` or ``'cuda:1'`` [a GPU if there is one].

    Raises:
        ValueError: If there is no such device, or it cannot be used.
    """
    chosen = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(chosen)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
        reason = str(error).strip().partition('\n')[0].partition('. ')[0]
        raise ValueError(
            f"the device '{chosen}' cannot be used: {reason}; 'cpu' always can"
        ) from error
    return found
