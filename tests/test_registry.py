"""Names resolve as in a config; a missing mmcv is explained."""

import subprocess
import sys

import pytest

from videomac.registry import HOOKS, MODELS, TRANSFORMS


@pytest.mark.parametrize(
    ('registry', 'name', 'module'),
    [
        (MODELS, 'VideoMAC', 'videomac.models'),
        (MODELS, 'ConvNeXt', 'mmpretrain.models'),
        (MODELS, 'mmpretrain.ResNet', 'mmpretrain.models'),
        (MODELS, 'GELU', 'torch.nn'),
        (HOOKS, 'TargetEMAHook', 'videomac.engine'),
        (HOOKS, 'CheckpointHook', 'mmengine.hooks'),
        (TRANSFORMS, 'PackFrames', 'videomac.datasets'),
        (TRANSFORMS, 'PackInputs', 'mmpretrain.datasets'),
    ],
)
def test_names_of_all_three_packages_resolve(
    registry: object, name: str, module: str
) -> None:
    found = registry.get(name)  # type: ignore[attr-defined]
    assert found is not None
    assert found.__module__.startswith(module)


def test_a_missing_mmcv_is_explained() -> None:
    code = "import sys; sys.modules['mmcv'] = None; import videomac.registry"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode != 0
    assert 'pip install "mmcv-lite' in done.stderr
