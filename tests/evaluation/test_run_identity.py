"""What makes two runs the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from videomac.evaluation.run_identity import run_identity

MODEL = {'topk': 5, 'memory_budget': 9, 'backbone': {'checkpoint': 'x', 'stage': -1}}
DATA = {'type': 'DAVISDataset', 'data_root': 'data', 'videos': None}


def identity(**changes: Any) -> dict[str, Any]:
    """Identity of a run with some of these values."""
    given = {'model': MODEL, 'dataset': DATA, 'checkpoint': None, 'seed': 0}
    return run_identity(**{**given, **changes})


def test_all_settings_by_their_names() -> None:
    found = identity()
    assert found.pop('videomac')
    assert found == {
        'model.topk': 5,
        'model.backbone.stage': -1,
        'dataset.type': 'DAVISDataset',
        'dataset.round_resized': True,
        'dataset.data_root': str(Path.cwd() / 'data'),
        'checkpoint': 'none, seed 0',
    }


@pytest.mark.parametrize(
    'changes',
    [
        {'dataset': {**DATA, 'videos': ['camel']}},
        {'dataset': {**DATA, 'check': False}},
        {'model': {**MODEL, 'memory_budget': 1}},
    ],
)
def test_what_changes_no_prediction_does_not_count(changes: dict[str, Any]) -> None:
    assert identity(**changes) == identity()


@pytest.mark.parametrize(
    'changes',
    [
        {'seed': 1},
        {'dataset': {**DATA, 'data_root': 'other'}},
        {'dataset': {**DATA, 'year': 2016}},
        {'model': {**MODEL, 'topk': 6}},
        {'model': {**MODEL, 'backbone': {'stage': -2}}},
    ],
)
def test_what_changes_predictions_counts(changes: dict[str, Any]) -> None:
    assert identity(**changes) != identity()


@pytest.mark.parametrize(
    ('kind', 'rounds'), [('DAVISDataset', True), ('VIPDataset', False)]
)
def test_what_a_config_leaves_out_is_the_default_of_its_class(
    kind: str, rounds: bool
) -> None:
    data = {**DATA, 'type': kind}
    explicit = [
        identity(dataset={**data, 'round_resized': each}) for each in (rounds, not rounds)
    ]
    assert identity(dataset=data) == explicit[0] != explicit[1]


def test_a_checkpoint_is_its_content(tmp_path: Path) -> None:
    first, moved, other = (tmp_path / name for name in ('a.pth', 'b.pth', 'c.pth'))
    content = bytes(range(256)) * 10_000  # more than is read at once
    first.write_bytes(content)
    moved.write_bytes(content)
    other.write_bytes(content[:-1])
    found = identity(checkpoint=str(first))
    assert found == identity(checkpoint=str(moved))
    assert found != identity(checkpoint=str(other))
    assert found['checkpoint'] == f'sha256 {hashlib.sha256(content).hexdigest()}'
    address = 'https://example.org/a.pth'
    assert identity(checkpoint=address)['checkpoint'] == address
    with pytest.raises(FileNotFoundError, match=r"no checkpoint '.*d\.pth'"):
        identity(checkpoint=str(tmp_path / 'd.pth'))


@pytest.mark.parametrize(
    'network',
    [
        lambda path: {'init_cfg': {'type': 'Pretrained', 'checkpoint': path}},
        lambda path: {'init_cfg': [{'type': 'A'}, {'type': 'B', 'checkpoint': path}]},
        lambda path: {'type': 'TIMMBackbone', 'checkpoint_path': path},
        lambda path: {'pretrained': path},
    ],
)
def test_weights_that_the_config_names_are_their_content(
    network: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    first, moved, other = (tmp_path / name for name in ('a.pth', 'b.pth', 'c.pth'))
    for path, content in ((first, b'weights'), (moved, b'weights'), (other, b'others')):
        path.write_bytes(content)

    def of(path: str) -> dict[str, Any]:
        return identity(model={'topk': 5, 'backbone': {'network': network(path)}})

    found = of(str(first))
    assert found == of(str(moved))
    assert found != of(str(other))
    assert found['checkpoint'] == 'of the config, seed 0'
    assert hashlib.sha256(b'weights').hexdigest() in str(found)
    first.write_bytes(b'trained further')
    assert found != of(str(first))
    # What is no file is told by its name: addresses, and keys of a library.
    assert of('timm/a') != of('timm/b')


def test_ways_to_draw_weights_are_no_weights() -> None:
    network = {'init_cfg': {'type': 'TruncNormal', 'std': 0.02}, 'pretrained': None}
    found = identity(model={'backbone': {'checkpoint': None, 'network': network}})
    assert found['checkpoint'] == 'none, seed 0'
    assert found['model.backbone.network.init_cfg.std'] == 0.02
