"""Where in a network an error arose."""

from __future__ import annotations

from types import TracebackType

from torch import nn

__all__ = ['module_path']


def module_path(network: nn.Module, traceback: TracebackType | None) -> str | None:
    """Name the innermost module of a network that was running when an error arose.

    Args:
        network: The network that was called.
        traceback: That of the error.

    Returns:
        The module's path in the network and its class, ``layer1.0.conv2 (Conv2d)``;
        None if no module below the network itself was running.
    """
    names = {id(module): name for name, module in network.named_modules() if name}
    found = None
    while traceback is not None:
        running = traceback.tb_frame.f_locals.get('self')
        if isinstance(running, nn.Module) and id(running) in names:
            found = f'{names[id(running)]} ({type(running).__name__})'
        traceback = traceback.tb_next
    return found
