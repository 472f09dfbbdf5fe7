"""Checkpoints load without running code, resume, and continue the log."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from videomac.engine.hooks.safe_checkpoint import (
    SafeCheckpointHook,
    from_plain,
    to_plain,
)


class Line(BaseModel):
    """Fits y = 2x with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        nn.init.zeros_(self.linear.weight)  # made before the runner sets its seed
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor, mode: str = 'loss') -> dict[str, Tensor]:
        """Mean squared error."""
        assert mode == 'loss'
        return {'loss': (self.linear(inputs) - 2 * inputs).square().mean()}


class Points(Dataset[dict[str, Tensor]]):
    """Eight points."""

    metainfo = {'mean': np.array([0.5, 0.25]), 'size': np.int64(8)}

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {'inputs': torch.full((1,), float(index))}


def make_runner(
    work_dir: Path, epochs: int, safe: bool = True, resume: bool = False
) -> Runner:
    """Make a runner over four iterations an epoch."""
    scope = 'videomac'
    hooks = {'safe_checkpoint': {'type': 'SafeCheckpointHook'}} if safe else {}
    return Runner(
        model=Line(),
        work_dir=str(work_dir),
        train_dataloader={
            'dataset': Points(),
            'batch_size': 2,
            'collate_fn': {'type': 'default_collate'},
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
        },
        train_cfg={'by_epoch': True, 'max_epochs': epochs},
        optim_wrapper={'optimizer': {'type': 'AdamW', 'lr': 0.1}},
        # Not left to mmengine, which would end it with the first, shorter run.
        param_scheduler={'type': 'CosineAnnealingLR', 'T_max': 4, 'end': 4},
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'interval': 1}, **hooks},
        default_scope=scope,
        randomness={'seed': 0},
        resume=resume,
        experiment_name=f'{work_dir.parent.name}-{work_dir.name}-{epochs}-{resume}',
        log_level='ERROR',
    )


def log_of(runner: Runner, name: str = 'train/loss') -> np.ndarray[Any, Any]:
    """Return the history of one logged number."""
    history: np.ndarray[Any, Any] = runner.message_hub.get_scalar(name).data[0]
    return history


def test_resumed_run_equals_uninterrupted_run(tmp_path: Path) -> None:
    """Weights and log history after 2 + 2 epochs equal those after 4."""
    whole = make_runner(tmp_path / 'whole', 4)
    whole.train()
    make_runner(tmp_path / 'parts', 2).train()

    saved = torch.load(tmp_path / 'parts' / 'epoch_2.pth', weights_only=True)
    assert saved['meta']['epoch'] == 2
    # The hook is what makes the next line's class of error go away.
    assert not isinstance(
        saved['message_hub']['log_scalars']['train/loss'], HistoryBuffer
    )

    resumed = make_runner(tmp_path / 'parts', 4, resume=True)
    resumed.train()
    assert resumed.epoch == 4
    assert len(log_of(whole)) == 16
    np.testing.assert_allclose(log_of(resumed), log_of(whole), rtol=1e-6)
    np.testing.assert_allclose(
        log_of(resumed, 'train/lr'), log_of(whole, 'train/lr'), rtol=1e-12
    )
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value)


def test_without_the_hook_torch_refuses(tmp_path: Path) -> None:
    """The reason for the hook still exists; if this fails, it can go."""
    make_runner(tmp_path / 'unsafe', 1, safe=False).train()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'unsafe' / 'epoch_1.pth', weights_only=True)


def test_saving_leaves_the_runner_alone(tmp_path: Path) -> None:
    """The live log history is not what gets rewritten."""
    runner = make_runner(tmp_path / 'live', 1)
    runner.train()
    assert isinstance(runner.message_hub.get_scalar('train/loss'), HistoryBuffer)
    assert isinstance(Points.metainfo['mean'], np.ndarray)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text() | st.floats(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(), inner).map(OrderedDict)
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(data=PLAIN)
def test_plain_data_is_unchanged(data: Any) -> None:
    """Neither direction changes data that was plain."""
    plain = to_plain(data)
    assert repr(plain) == repr(data)
    assert repr(from_plain(plain)) == repr(data)


def through_file(value: Any, path: Path) -> Any:
    """Save and load the way that mmengine does."""
    torch.save(to_plain(value), path)
    return from_plain(torch.load(path, weights_only=True))


@pytest.mark.parametrize(
    'value',
    [
        np.float64(0.5),
        np.int32(-3),
        np.bool_(True),
        np.str_('name'),
        {1, 2},
        2 + 1j,
        b'bytes',
        torch.Size([2, 3]),
        torch.bfloat16,
        torch.device('cpu'),
    ],
    ids=repr,
)
def test_scalars_survive_a_file(value: Any, tmp_path: Path) -> None:
    """They come back equal, and as Python's own types."""
    back = through_file({'x': [value]}, tmp_path / 'x.pth')['x'][0]
    assert back == value
    assert not isinstance(back, np.generic)


@pytest.mark.parametrize('dtype', ['float64', 'float32', 'int64', 'uint8', 'bool'])
def test_arrays_survive_a_file(dtype: str, tmp_path: Path) -> None:
    """Values, type and shape, also of views that are not contiguous."""
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::-2]
    back = through_file(array, tmp_path / 'x.pth')
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_history_survives_a_file(tmp_path: Path) -> None:
    """Values, counts and the length limit."""
    history = HistoryBuffer([1.0, 2.0, 4.0], [1, 1, 2], max_length=3)
    back = through_file({'h': history}, tmp_path / 'x.pth')['h']
    assert back.mean() == history.mean() == 7 / 4
    back.update(8.0)
    np.testing.assert_array_equal(back.data[0], [2, 4, 8])


def test_version_numbers_of_modules_survive() -> None:
    """A state dict's hidden attribute tells modules how old it is."""
    state = nn.BatchNorm2d(2).state_dict()
    assert to_plain(state)._metadata == state._metadata  # type: ignore[attr-defined]


def test_other_objects_are_refused_by_name() -> None:
    """The error says where the object is, and which."""
    checkpoint = {'meta': {'dataset_meta': {'palette': [1, object()]}}}
    with pytest.raises(TypeError, match=r"checkpoint\['meta'\]\['dataset_meta'\]") as e:
        SafeCheckpointHook().before_save_checkpoint(None, checkpoint)
    assert "['palette'][1] is a builtins.object" in str(e.value)


def test_unknown_tag_is_refused() -> None:
    """A file of a later version does not load as something else."""
    with pytest.raises(ValueError, match='newer'):
        from_plain({'__videomac_kind__': 'Surprise'})
