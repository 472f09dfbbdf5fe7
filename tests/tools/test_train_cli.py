"""The command line of the tools keeps OpenMMLab's contract."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper

from videomac.utils import find_config, tools_root

TRAIN = tools_root() / 'train.py'
PRINT_CONFIG = tools_root() / 'misc' / 'print_config.py'


def load_tool(path: Path) -> ModuleType:
    """Import a script by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


train = load_tool(TRAIN)


def run_tool(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script from another folder, as a user would."""
    command = [sys.executable, '-W', 'ignore', *map(str, args)]
    root = str(TRAIN.parents[1])
    env = {**os.environ, 'PYTHONPATH': root}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )


def merged(*args: str, **cfg: Any) -> Config:
    """Apply a command line to a config."""
    config = Config({'optim_wrapper': {'type': 'OptimWrapper'}, **cfg})
    arguments = train.build_parser().parse_args(['folder/name.py', *args])
    result: Config = train.merge_args(config, arguments)
    return result


def test_defaults() -> None:
    """Without options only the work dir and the launcher are set."""
    cfg = merged(resume=False, load_from='weights.pth')
    assert cfg.work_dir == os.path.join('work_dirs', 'name')
    assert cfg.launcher == 'none'
    assert (cfg.resume, cfg.load_from) == (False, 'weights.pth')


@pytest.mark.parametrize(
    ('args', 'load_from'),
    [
        (['--resume'], 'weights.pth'),
        (['--resume', 'auto'], 'weights.pth'),
        (['--resume', 'a.pth'], 'a.pth'),
    ],
)
def test_resume(args: list[str], load_from: str | None) -> None:
    """The config's weights stay for the case that there is nothing to resume."""
    cfg = merged(*args, load_from='weights.pth')
    assert cfg.resume is True
    assert cfg.load_from == load_from


def test_work_dir_priority() -> None:
    """Command line, then config, then the config's name."""
    assert merged('--work-dir', 'cli', work_dir='cfg').work_dir == 'cli'
    assert merged(work_dir='cfg').work_dir == 'cfg'


def test_cfg_options() -> None:
    """Nested keys, lists and tuples."""
    cfg = merged(
        '--cfg-options',
        'model.masking.ratio=0.9',
        'model.pairs=[(1,2),(3,4)]',
        'model.names=a,b',
    )
    assert cfg.model.masking.ratio == 0.9
    assert cfg.model.pairs == [(1, 2), (3, 4)]
    assert cfg.model.names == ['a', 'b']


@pytest.mark.parametrize('cuda', [False, True])
def test_amp(cuda: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss scaling on a GPU, bfloat16 without it."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    wrapper = merged('--amp').optim_wrapper
    if cuda:
        assert wrapper == {'type': 'AmpOptimWrapper', 'loss_scale': 'dynamic'}
    else:
        assert wrapper == {'type': 'BFloat16OptimWrapper'}


@pytest.mark.parametrize(
    'kind',
    ['AmpOptimWrapper', 'mmengine.optim.AmpOptimWrapper', AmpOptimWrapper],
    ids=str,
)
def test_config_with_amp_runs_without_gpu(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config may name mmengine's wrapper, which refuses to work on a CPU."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    named = {'type': kind, 'dtype': 'float16', 'accumulative_counts': 2}
    wrapper = merged(optim_wrapper=named).optim_wrapper
    assert wrapper == {'type': 'BFloat16OptimWrapper', 'accumulative_counts': 2}


@pytest.mark.parametrize(
    ('by_epoch', 'name'), [(True, 'EpochBasedTrainLoop'), (False, 'IterBasedTrainLoop')]
)
def test_loop(by_epoch: bool, name: str) -> None:
    """A loop without a type gets ours, not mmengine's; one with a type keeps it."""
    assert merged(train_cfg={'by_epoch': by_epoch}).train_cfg == {'type': name}
    named = {'type': 'mmengine.EpochBasedTrainLoop', 'max_epochs': 1}
    assert merged(train_cfg=named).train_cfg == named


def test_loaders() -> None:
    """Defaults, flags, and no persistent workers where there are none."""
    loader = {'num_workers': 2}
    cfg = merged(train_dataloader=loader, val_dataloader=None)
    assert cfg.train_dataloader.pin_memory is True
    assert cfg.train_dataloader.persistent_workers is True
    assert cfg.val_dataloader is None
    flags = ('--no-pin-memory', '--no-persistent-workers')
    cfg = merged(*flags, train_dataloader=loader)
    assert cfg.train_dataloader.pin_memory is False
    assert cfg.train_dataloader.persistent_workers is False
    none = merged(
        '--cfg-options', 'train_dataloader.num_workers=0', train_dataloader=loader
    )
    assert none.train_dataloader.persistent_workers is False


def test_auto_scale_lr_and_no_validate() -> None:
    """The flag enables what the config describes, or says what is missing."""
    cfg = merged('--auto-scale-lr', auto_scale_lr={'base_batch_size': 512})
    assert cfg.auto_scale_lr == {'base_batch_size': 512, 'enable': True}
    with pytest.raises(SystemExit, match='base_batch_size'):
        merged('--auto-scale-lr')
    cfg = merged('--no-validate', val_cfg={}, val_evaluator={}, val_dataloader={})
    assert cfg.val_cfg is cfg.val_evaluator is cfg.val_dataloader is None


def test_compile_is_refused_where_it_cannot_work() -> None:
    """Dense models, such as those of fine-tuning, may be compiled."""
    with pytest.raises(SystemExit, match='cannot trace the sparse engine'):
        merged(compile=True, model={'sparse': {'type': 'PatchSparse'}})
    assert merged(compile=True, model={'type': 'ImageClassifier'}).compile is True


@pytest.mark.parametrize('spelling', ['--local_rank', '--local-rank'])
def test_launcher_arguments(spelling: str) -> None:
    """Both spellings of the rank that launchers use."""
    args = train.build_parser().parse_args(
        ['c.py', '--launcher', 'pytorch', f'{spelling}=3']
    )
    assert (args.launcher, args.local_rank) == ('pytorch', 3)


def test_missing_config_is_one_line(tmp_path: Path) -> None:
    """No traceback, and similar names."""
    done = run_tool(TRAIN, 'default_runtme.py', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1
    assert "no config 'default_runtme.py'" in done.stderr
    assert '_base_/default_runtime.py' in done.stderr


def test_print_config_parses_again(tmp_path: Path) -> None:
    """What is printed and what is saved equal the config with its changes."""
    saved = tmp_path / 'new folder' / 'saved.py'
    name = '_base_/default_runtime.py'
    change = 'default_hooks.logger.interval=7'
    done = run_tool(
        PRINT_CONFIG, name, '--cfg-options', change, '--save-path', saved, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    expected = Config.fromfile(tools_root().parent / 'configs' / name)
    expected.default_hooks.logger.interval = 7
    assert Config.fromstring(done.stdout, '.py').to_dict() == expected.to_dict()
    assert Config.fromfile(saved).to_dict() == expected.to_dict()


TINY = """
_base_ = {base!r}
custom_imports = dict(imports=['tiny_model'])
model = dict(type='Tiny')
train_dataloader = dict(batch_size=2, dataset=dict(type='Zeros'),
    sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(by_epoch=True, max_epochs=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
default_hooks = dict(checkpoint=dict(interval=1))
"""

TINY_MODEL = """
import torch
from mmengine.model import BaseModel
from videomac.registry import DATASETS, MODELS

@MODELS.register_module()
class Tiny(BaseModel):
    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.linear = torch.nn.Linear(2, 2)

    def forward(self, inputs, mode='loss'):
        out = self.linear(inputs)
        print('computed in', out.dtype)
        return {'loss': out.float().square().mean()}

@DATASETS.register_module()
class Zeros(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {'inputs': torch.ones(2)}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Write a config and its model; return their folder and the environment to use."""
    folder = tmp_path / 'an experiment'
    folder.mkdir()
    base = str(find_config('_base_/default_runtime.py'))
    (folder / 'tiny.py').write_text(TINY.replace('{base!r}', repr(base)))
    (folder / 'tiny_model.py').write_text(TINY_MODEL)
    path = f'{TRAIN.parents[1]}{os.pathsep}{folder}'
    return folder, {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}


def test_train_then_resume(tiny: tuple[Path, dict[str, str]]) -> None:
    """A config elsewhere inherits ours, trains in mixed precision, and resumes."""
    folder, env = tiny

    def train_tiny(*more: str) -> str:
        command = [sys.executable, '-W', 'ignore', str(TRAIN), 'tiny.py', '--amp', *more]
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    output = train_tiny()
    if not torch.cuda.is_available():
        assert 'bfloat16, without loss scaling' in output
        assert 'computed in torch.bfloat16' in output
    output = train_tiny('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert 'resumed epoch: 2' in output
    assert (folder / 'work_dirs' / 'tiny' / 'epoch_3.pth').is_file()


@pytest.mark.slow
def test_two_processes_without_gpu(tiny: tuple[Path, dict[str, str]]) -> None:
    """dist_train.sh from another folder, with a space in the path."""
    if torch.cuda.is_available():
        pytest.skip('is about machines without GPUs')
    folder, env = tiny
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    done = subprocess.run(
        [str(tools_root() / 'dist_train.sh'), 'tiny.py', '2'],
        cwd=folder,
        env={**env, 'PYTHON': sys.executable, 'PORT': str(port)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert 'GPU number: 2' in done.stdout + done.stderr
    assert (folder / 'work_dirs' / 'tiny' / 'epoch_2.pth').is_file()


@pytest.mark.parametrize('script', ['dist_train.sh', 'slurm_train.sh'])
def test_shell_scripts_explain_themselves(script: str) -> None:
    """Too few arguments print the usage."""
    path = tools_root() / script
    done = subprocess.run([path], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'usage:' in done.stderr


def test_slurm_command(tmp_path: Path) -> None:
    """Spaces in paths stay together; the environment's numbers arrive."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    env = {
        **os.environ,
        'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
        'GPUS': '4',
        'SRUN_ARGS': '--quiet --exclusive',
    }
    script = tools_root() / 'slurm_train.sh'
    command = [str(script), 'gpu', 'job', 'a config.py', 'work dir', '--amp']
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert {'--gres=gpu:4', '--ntasks=4', '--ntasks-per-node=4'} <= set(lines)
    assert {'--quiet', '--exclusive', 'a config.py', 'work dir'} <= set(lines)
    assert lines[-5:] == ['--work-dir', 'work dir', '--launcher', 'slurm', '--amp']
