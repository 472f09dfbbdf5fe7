"""What a folder of results is of: settings that later commands must repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ['read_plan', 'write_plan']

NAME = 'plan.json'


def read_plan(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the plan of a folder; None if it has none yet.

    Args:
        folder: Of the results.
        asked: Settings of this command, as JSON has them.

    Raises:
        ValueError: The results there are of other settings.
    """
    path = folder / NAME
    if not path.exists():
        return None
    plan: dict[str, Any] = json.loads(path.read_text())
    changed = [name for name, value in asked.items() if plan.get(name) != value]
    if changed:
        raise ValueError(
            f"'{folder}' has results with other settings ({', '.join(changed)}): name "
            'another folder with --work-dir'
        )
    return plan


def write_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Keep the plan of a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_text(json.dumps(plan, indent=1) + '\n')
