"""Hooks that a config switches off."""

from __future__ import annotations

from mmengine.config import Config

__all__ = ['drop_unset_hooks']

#: Hooks that mmengine's runner adds by itself, unless a config says None.
ADDED = (
    *('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler'),
    'checkpoint',
)


def drop_unset_hooks(cfg: Config) -> None:
    """Take what is None out of ``default_hooks``.

    mmengine's runner accepts None for the hooks that it adds by itself, which stays, and
    fails at any other, such as ``default_hooks.monitor=None``.

    Args:
        cfg: The config, with the command line applied; it is changed.
    """
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None]:
        if name not in ADDED:
            del hooks[name]
