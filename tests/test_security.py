"""No code of a checkpoint runs, whatever reads it, and the refusal says what to do.

Each entry point gets a file that would make a folder if it were unpickled with trust, and
an environment that tells torch to trust it.
"""

from __future__ import annotations

import functools
import http.server
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule, PretrainedInit
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_http
from torch import nn

from tests.datasets.trees import make_davis, moving_squares
from tests.tools.test_finetune_cli import ROOT, draw, knn_config, options
from tests.tools.test_train_cli import load_tool
from tests.tools.test_vis_affinity import PROPAGATION
from videomac.apis import Propagator, Reconstructor, get_model, load_encoder
from videomac.checkpoints import load_plain, read_checkpoint, read_header
from videomac.checkpoints.weights import load_weights
from videomac.registry import MODELS
from videomac.utils import find_config, tools_root


class Malicious:
    """Makes a folder when it is unpickled with trust."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


#: Name of the file, and whether it is a bare pickle or one of torch.save.
ATTACKS = {
    'torch.save': ('malicious.pth', False),
    'bare pickle': ('malicious.pth', True),
    'as safetensors': ('malicious.safetensors', False),
}


def write_malicious(path: Path, mark: Path, bare: bool = False) -> Path:
    """Write a checkpoint with code in it."""
    bomb = {'state_dict': {'weight': torch.zeros(1)}, 'meta': Malicious(mark)}
    path.parent.mkdir(parents=True, exist_ok=True)
    if bare:
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save(bomb, path)
    return path


@functools.cache
def tool(name: str) -> Any:
    """The main function of a tool, which runs in this process."""
    return load_tool(tools_root() / name).main


def train(path: Path, *more: str) -> None:
    """Fine-tune; the first of ``more`` may be an option of the tool."""
    data = path.parent / 'data'
    draw(data, per_class=1)
    given = options(data, None, 'batch_size=2')
    work = ['--work-dir', str(path.parent / 'work')]
    flags = [each for each in more if '=' not in each]
    keys = [each for each in more if '=' in each]
    tool('train.py')([str(ROOT / 'demo.py'), *work, *flags, *given, *keys])


def resume_newest(path: Path) -> None:
    """As if the last run had left the file."""
    work = path.parent / 'work'
    work.mkdir()
    (work / 'last_checkpoint').write_text(str(path))
    train(path, '--resume')


def run_classifier(path: Path) -> None:
    data = path.parent / 'data'
    draw(data, per_class=1)
    work = ['--work-dir', str(path.parent / 'work')]
    given = options(data, None, 'batch_size=2')
    tool('test.py')([str(ROOT / 'demo.py'), str(path), *work, *given])


def run_knn(path: Path) -> None:
    draw(path.parent / 'data', per_class=1)
    given = [f'data_root={path.parent / "data"}', 'num_classes=2', 'k=1']
    config = str(knn_config(path.parent))
    work = ['--work-dir', str(path.parent / 'work')]
    tool('test.py')([config, str(path), *work, '--cfg-options', *given])


def run_propagation(path: Path) -> None:
    root = make_davis(path.parent / 'DAVIS', {'dog': moving_squares(2, (48, 64))})
    work = ['--work-dir', str(path.parent / 'work')]
    given = ['--cfg-options', f'test_dataloader.dataset.data_root={root}']
    tool('test.py')([PROPAGATION, str(path), *work, *given])


def show_affinity(path: Path) -> None:
    draw(path.parent / 'data', per_class=1)
    frame = str(path.parent / 'data/train/discs/0.png')
    out = ['--point', '8', '8', '--out', str(path.parent / 'out.png')]
    tool('visualization/vis_affinity.py')([PROPAGATION, str(path), frame, frame, *out])


def small() -> nn.Module:
    return nn.Linear(1, 1)


def initialise(path: Path, scope: str) -> None:
    """``Pretrained`` as it is called in configs of videomac, and of mmengine itself."""
    init_default_scope(scope)
    try:
        BaseModule(dict(type='Pretrained', checkpoint=str(path))).init_weights()
    finally:
        init_default_scope('videomac')


def build_extractor(path: Path) -> None:
    backbone = Config.fromfile(find_config(PROPAGATION)).model.backbone
    MODELS.build(backbone | dict(checkpoint=str(path)))


CONVERT, PUBLISH = 'model_converters/convert.py', 'model_converters/publish_model.py'
ENTRIES: dict[str, Callable[[Path], object]] = {
    'train load_from': lambda path: train(path, f'load_from={path}'),
    'train --resume PATH': lambda path: train(path, '--resume', str(path)),
    'train --resume': resume_newest,
    'train Pretrained': lambda path: train(path, f'checkpoint={path}'),
    'test classifier': run_classifier,
    'test k-NN': run_knn,
    'test propagation': run_propagation,
    'convert': lambda path: tool(CONVERT)(['auto', str(path), f'{path}.new.pth']),
    'convert --dry-run': lambda path: tool(CONVERT)(['auto', str(path), '--dry-run']),
    'publish': lambda path: tool(PUBLISH)([str(path)]),
    'vis_affinity': show_affinity,
    'Pretrained of videomac': lambda path: initialise(path, 'videomac'),
    'Pretrained of mmengine': lambda path: initialise(path, 'mmengine'),
    'PretrainedInit': lambda path: PretrainedInit(str(path))(small()),
    'FeatureExtractor': build_extractor,
    'load_weights': lambda path: load_weights(small(), str(path)),
    'load_plain': lambda path: load_plain(str(path)),
    'read_checkpoint': read_checkpoint,
    'load_encoder': load_encoder,
    'Propagator': Propagator,
    'Propagator of a config': lambda path: Propagator(
        dict(type='mmpretrain.ResNet', depth=18), path
    ),
    'Reconstructor': Reconstructor,
    'Reconstructor of a config': lambda path: Reconstructor(path, 'videomac/demo.py'),
    'get_model': lambda path: get_model('videomac/demo.py', pretrained=str(path)),
}


@pytest.fixture(autouse=True)
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell torch to trust every file, as impatient users do."""
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    monkeypatch.setenv('LOCAL_RANK', '0')


def refused(entry: Callable[[Path], object], path: Path) -> None:
    """Check that an entry point ends with a message for people."""
    with pytest.raises((SystemExit, ValueError)) as error:
        entry(path)
    text = str(error.value)
    # --resume looks at several files: it names each in a warning, the folder at the end.
    place = f"no checkpoint in '{path.parent / 'work'}'"
    assert path.name in text or place in text
    assert re.search(r'\b([Uu]se|Restore) ', text), text
    assert 'weights_only=False' not in text  # torch's own advice would run the code


@pytest.mark.parametrize('attack', ATTACKS)
@pytest.mark.parametrize('entry', ENTRIES)
def test_code_does_not_run(entry: str, attack: str, tmp_path: Path) -> None:
    name, bare = ATTACKS[attack]
    mark = tmp_path / 'code ran'
    path = write_malicious(tmp_path / name, mark, bare)
    refused(ENTRIES[entry], path)
    assert not mark.exists()


@pytest.mark.parametrize('attack', ATTACKS)
def test_the_files_are_a_threat(attack: str, tmp_path: Path) -> None:
    """Loaded with trust, as mmengine's own loader does here, each of them acts."""
    name, bare = ATTACKS[attack]
    mark = tmp_path / 'code ran'
    path = write_malicious(tmp_path / name, mark, bare)
    # torch notices that a bare pickle is no checkpoint, but too late.
    noticed = pytest.raises(RuntimeError, match='corrupt file') if bare else nullcontext()
    with noticed:
        torch.load(path)
    assert mark.exists()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a folder of this machine, and keep downloads in another."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'downloads'))
    handler = functools.partial(Quiet, directory=str(tmp_path / 'served'))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves without a word."""

    def log_message(self, *args: Any) -> None:
        pass


def test_downloads_do_not_run_either(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch trusts downloads by default, whatever the environment says."""
    monkeypatch.delenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD')
    mark = tmp_path / 'code ran'
    write_malicious(tmp_path / 'served' / 'malicious.pth', mark)
    address = f'{server}/malicious.pth'
    for entry in (load_plain, lambda a: load_weights(small(), a)):
        with pytest.raises(ValueError, match=r"malicious\.pth' holds a .* Use a file"):
            entry(address)
    assert not mark.exists()
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ
    load_from_http(address)  # as mmengine has it
    assert mark.exists()


def test_a_download_of_weights_is_loaded(server: str, tmp_path: Path) -> None:
    (tmp_path / 'served').mkdir()
    weights = small().state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'served' / 'good.pth')
    got = load_plain(f'{server}/good.pth')['state_dict']
    assert all(torch.equal(got[name], value) for name, value in weights.items())


def test_every_loader_of_mmengine_is_guarded() -> None:
    """Also those that cannot be tried here."""
    for prefix, loader in CheckpointLoader._schemes.items():
        assert loader.__module__ == 'videomac.checkpoints.loaders' or hasattr(
            loader, '__wrapped__'
        ), prefix


def test_a_header_of_safetensors_is_data(tmp_path: Path) -> None:
    """The reader of headers takes no pickle for one."""
    path = write_malicious(tmp_path / 'malicious.safetensors', tmp_path / 'code ran')
    refused(read_header, path)
    assert not (tmp_path / 'code ran').exists()
