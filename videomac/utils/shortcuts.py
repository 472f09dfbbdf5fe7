"""One name on the command line for a value that a config needs in several places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ['expand_shortcuts']


def expand_shortcuts(
    cfg: Mapping[str, Any], options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Add the places that an option stands for, as the config lists them.

    A config such as ``shortcuts = dict(data_root=['train_dataloader.dataset.data_root',
    'val_dataloader.dataset.data_root'])`` makes ``--cfg-options data_root=FOLDER`` set
    the root of both data sets. Without it mmengine would change the name at the top and
    nothing that was computed from it.

    Args:
        cfg: The config; its ``shortcuts`` are read, if it has any.
        options: The options by name, as ``--cfg-options`` gives them; may be None.

    Returns:
        The options with the places added. What an option says of a place itself wins.
    """
    given = dict(options or {})
    shortcuts = cfg.get('shortcuts') or {}
    implied = {
        place: given[name]
        for name in shortcuts
        if name in given
        for place in shortcuts[name]
    }
    return implied | given
