"""What the monitor writes down, and to whom."""

from __future__ import annotations

import itertools
import json
import mmap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook, iter_timer_hook
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.analysis import MultiplyAddCounter
from videomac.engine.hooks import MonitorHook
from videomac.registry import HOOKS
from videomac.utils.memory import resident_memory

NAMES = {'data_share', 'samples_per_second', 'visible_gflops', 'gradient_norm', 'rss_gib'}


@HOOKS.register_module(force=True)
class WeightChange(Hook):
    """Keeps how far each step moves the trained weights."""

    def __init__(self) -> None:
        self.changes: list[float] = []

    def _weights(self, runner: Any) -> torch.Tensor:
        trained = [p for p in runner.model.parameters() if p.requires_grad]
        return torch.cat([p.detach().double().flatten() for p in trained])

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self.before = self._weights(runner)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self.changes.append(float((self._weights(runner) - self.before).norm()))


def fake_clock(seconds: list[float]) -> SimpleNamespace:
    """A module ``time`` in which each look at the clock takes the next of these."""
    ticks = itertools.accumulate(itertools.cycle(seconds), initial=0.0)
    return SimpleNamespace(time=lambda: next(ticks))


@pytest.fixture
def slow_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterations of one second, 0.3 of it for the data."""
    # mmengine's timer looks at the clock before the step and twice after it.
    monkeypatch.setattr(iter_timer_hook, 'time', fake_clock([0.3, 0.7, 0.0]))


def monitored(work_dir: Path, iterations: int, interval: int, **changes: Any) -> Runner:
    """A run of plain SGD at rate 1, so that a step is the gradient itself."""
    cfg = runner_config(work_dir, iterations)
    cfg['optim_wrapper']['optimizer'] = dict(type='SGD', lr=1.0)
    cfg['optim_wrapper'] |= changes.pop('optim_wrapper', {})
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=interval)
    cfg['log_processor'] = dict(window_size=interval, by_epoch=False)
    cfg['custom_hooks'] += [
        dict(type='WeightChange'),
        dict(type='MonitorHook'),  # at the logger's interval
    ]
    return Runner.from_cfg(cfg | changes)


def logged(work_dir: Path) -> list[dict[str, Any]]:
    """Lines of the JSON writer."""
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def weight_changes(runner: Runner) -> list[float]:
    return next(h.changes for h in runner.hooks if isinstance(h, WeightChange))


def test_figures(tmp_path: Path, slow_loading: None) -> None:
    runner = monitored(tmp_path, 6, 3)
    runner.train()
    lines = logged(tmp_path)
    assert [line['step'] for line in lines] == [3, 6]
    changes = weight_changes(runner)
    with MultiplyAddCounter() as counter:
        batch = runner.model.data_preprocessor(next(iter(runner.train_dataloader)))
        runner.model(**batch, mode='loss')
    work = (counter.forward + counter.backward) / 2  # the batch has two samples
    for line, change in zip(lines, (changes[2], changes[5]), strict=True):
        assert line.keys() >= NAMES | {'loss_online', 'loss_target', 'target_momentum'}
        assert line['data_share'] == pytest.approx(0.3)
        assert line['samples_per_second'] == pytest.approx(2)
        assert line['visible_gflops'] == pytest.approx(2 * work / 1e9)
        assert line['gradient_norm'] == pytest.approx(change, rel=1e-4)
        assert 0.05 < line['rss_gib'] < 64


def test_warning_says_what_to_change(
    tmp_path: Path, slow_loading: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    module = 'videomac.engine.hooks.monitor.print_log'
    monkeypatch.setattr(module, lambda text, *args: said.append(text))
    monitored(tmp_path, 8, 2).train()
    (warning,) = said  # once, though three intervals are slow
    assert 'waits for data in 30% of its time, more than 20%' in warning
    assert 'num_workers, now 0' in warning
    for word in ('FramesRandomResizedCrop', 'pack_frames', 'repeats', 'loading.md'):
        assert word in warning


def test_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    module = 'videomac.engine.hooks.monitor.print_log'
    monkeypatch.setattr(module, lambda text, *args: said.append(text))
    # The first interval alone waits, for the workers to start.
    monkeypatch.setattr(iter_timer_hook, 'time', fake_clock([0.1, 0.9, 0.0]))
    monitored(tmp_path, 4, 2).train()
    monkeypatch.setattr(iter_timer_hook, 'time', fake_clock([0.9, 0.1, 0.0]))
    monitored(tmp_path / 'one', 2, 2).train()
    assert not said


def test_training_is_the_same_with_and_without(tmp_path: Path) -> None:
    weights = []
    for number, hooks in enumerate(([], [dict(type='MonitorHook', interval=1)])):
        cfg = runner_config(tmp_path / str(number), 3)
        cfg['custom_hooks'] += hooks
        runner = Runner.from_cfg(cfg)
        runner.train()
        assert 'train_step' not in vars(runner.model)
        weights.append({k: v.clone() for k, v in runner.model.state_dict().items()})
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())


def test_gradient_of_accumulated_steps(tmp_path: Path, slow_loading: None) -> None:
    runner = monitored(tmp_path, 8, 4, optim_wrapper=dict(accumulative_counts=2))
    runner.train()
    changes = weight_changes(runner)
    assert changes[0] == changes[2] == 0  # these only accumulate
    norms = [line['gradient_norm'] for line in logged(tmp_path)]
    assert norms == pytest.approx([changes[3], changes[7]], rel=1e-4)


@pytest.mark.parametrize('fused', [True, False])
def test_gradient_of_a_scaled_loss(fused: bool) -> None:
    """A fused optimiser is given gradients that still have the scale."""
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.AdamW([weight], fused=fused)
    scaler = torch.amp.grad_scaler.GradScaler('cpu', init_scale=1024.0)
    hook = MonitorHook()
    hook._wants_norm = True
    optimizer.register_step_pre_hook(hook._before_step)
    scaler.scale(weight.square().sum()).backward()
    scaler.step(optimizer)
    assert hook._norm is not None
    assert float(hook._norm) == pytest.approx(10.0)


def test_clipped_gradients_are_left_to_mmengine(
    tmp_path: Path, slow_loading: None
) -> None:
    clip = dict(clip_grad=dict(max_norm=1e-3))
    monitored(tmp_path, 2, 2, optim_wrapper=clip).train()
    (line,) = logged(tmp_path)
    assert 'gradient_norm' not in line
    assert line['grad_norm'] > 1e-3


def test_optimizer_is_left_alone_after_the_run(tmp_path: Path) -> None:
    runner = monitored(tmp_path, 2, 2)
    runner.train()
    assert not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks


def test_compiled_step_is_not_counted(tmp_path: Path, slow_loading: None) -> None:
    runner = monitored(tmp_path, 2, 2)
    runner.model.train_step = runner.model.train_step  # as mmengine does to compile it
    runner.train()
    (line,) = logged(tmp_path)
    assert 'visible_gflops' not in line
    assert line['samples_per_second'] == pytest.approx(2)


def test_tensorboard(tmp_path: Path, slow_loading: None) -> None:
    events = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    backends = [dict(type='TensorboardVisBackend')]
    visualizer = dict(type='Visualizer', vis_backends=backends, name='monitor_tb')
    runner = monitored(tmp_path, 4, 2, visualizer=visualizer)
    runner.train()
    (folder,) = tmp_path.glob('*/vis_data')
    runner.visualizer.close()
    accumulator = events.EventAccumulator(str(folder))
    accumulator.Reload()
    assert set(accumulator.Tags()['scalars']) >= NAMES
    shares = accumulator.Scalars('data_share')
    assert [event.step for event in shares] == [2, 4]
    assert [event.value for event in shares] == pytest.approx([0.3, 0.3])


def test_wandb_offline(
    tmp_path: Path, slow_loading: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip('wandb')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    options = dict(mode='offline', project='videomac')
    backends = [dict(type='WandbVisBackend', init_kwargs=options)]
    visualizer = dict(type='Visualizer', vis_backends=backends, name='monitor_wandb')
    # Several records: the file is cut into blocks, and a cut may fall into a name.
    runner = monitored(tmp_path, 8, 2, visualizer=visualizer)
    runner.train()
    runner.visualizer.close()
    wandb.finish()
    (log,) = tmp_path.rglob('run-*.wandb')
    names = {name.encode() for name in NAMES | {'loss_online', 'target_momentum'}}
    missing = names
    for _ in range(300):  # another process writes it, and may lag behind
        content = log.read_bytes()
        missing = {name for name in names if name not in content}
        if not missing:
            break
        time.sleep(0.1)
    assert not missing


def test_memory_of_processes() -> None:
    own = resident_memory()
    if own is None:
        pytest.skip('this system does not tell')
    # Not from malloc, which may still have as much from earlier tests.
    held = mmap.mmap(-1, 64 * 2**20)
    for page in range(0, len(held), mmap.PAGESIZE):
        held[page] = 1
    grown = resident_memory()
    assert grown is not None
    assert grown - own > 0.9 * len(held)
    assert resident_memory(2**30) is None


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(interval=0), 'interval.*0'),
        (dict(most_waiting=0), 'most_waiting.*0'),
        (dict(most_waiting=1.5), r'most_waiting.*1\.5'),
    ],
)
def test_wrong_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MonitorHook(**options)
