"""The command-line tools of the toolbox, called from here."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

from videomac.utils import tools_root

__all__ = ['load_tool']


@cache
def load_tool(name: str) -> Any:
    """Load ``tools/<name>.py`` as a module."""
    path = tools_root() / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'videomac_tool_{name}', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
