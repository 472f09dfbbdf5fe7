"""What the tests of the backend Minkowski share."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from videomac.sparse import MinkowskiMap

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec('MinkowskiEngine') is None,
    reason='MinkowskiEngine is not installed; `make minkowski` builds it',
)
#: To the helpers a kind of map like the two others.
KIND: Any = MinkowskiMap
