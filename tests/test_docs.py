"""What README and docs show can be run: code, commands, configs, lists and links."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from videomac.models import VideoMAC
from videomac.registry import MODELS
from videomac.sparse import PatchTensor

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs' / 'en').glob('*.md'))]
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[Any]:
    """All blocks of a language, as parameters named by page and line."""
    found = []
    for page in PAGES:
        if language == 'python' and page.name.startswith('new_'):
            continue  # their blocks belong together: test_extending.py
        text = page.read_text(encoding='utf-8')
        for match in BLOCK.finditer(text):
            if match[1] == language:
                line = text.count('\n', 0, match.start()) + 1
                found.append(pytest.param(match[2], id=f'{page.name}:{line}'))
    return found


def command_lines() -> list[Any]:
    """All lines of bash blocks without their comments."""
    found = []
    for block in blocks('bash'):
        for line in block.values[0].splitlines():
            command = line.split('  #')[0].rstrip()
            if command:
                found.append(pytest.param(command, id=f'{block.id} {command[:60]}'))
    return found


def prepare_folder(folder: Path) -> None:
    """Put what the blocks read into a folder of their own."""
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    log = folder / 'work_dirs/demo/20260101_120000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 2.0, "loss_online": 1.0, "step": 1}\n')


@pytest.mark.parametrize('code', blocks('python'))
def test_python_block(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts run; configs build a model that computes losses."""
    prepare_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    is_config = code.startswith(('_base_', 'model = dict('))
    if 'import onnxruntime' in code:
        for package in ('onnx', 'onnxscript', 'onnxruntime'):
            pytest.importorskip(package)
    if 'import timm' in code:
        pytest.importorskip('timm')
    if not is_config:
        exec(compile(code, 'block', 'exec'), {'__name__': '__main__'})
        return
    if "'mmpretrain.TIMMBackbone'" in code:
        pytest.importorskip('timm')
    # The page says that such files lie beside the configs they inherit from.
    if '/propagation/' in code:
        config = tmp_path / 'configs' / 'propagation' / 'davis2017' / 'block.py'
        config.write_text(code)
        propagator = MODELS.build(Config.fromfile(config).model)
        assert propagator.backbone(torch.rand(1, 3, 64, 96)).isfinite().all()
        return
    config = tmp_path / 'configs' / 'videomac' / 'block.py'
    config.write_text(code)
    model = MODELS.build(Config.fromfile(config).model)
    assert isinstance(model, VideoMAC)
    losses = model(torch.rand(2, 2, 3, 128, 128), mode='loss')
    assert all(loss.isfinite() for loss in losses.values())


def tool_parser(tool: str) -> argparse.ArgumentParser:
    """The parser of one of our tools."""
    spec = importlib.util.spec_from_file_location(Path(tool).stem, ROOT / tool)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser: argparse.ArgumentParser = module.build_parser()
    return parser


def check_options(config: str, options: dict[str, Any] | None) -> None:
    """Every key that is changed exists in the config."""
    cfg = Config.fromfile(ROOT / config)
    for key in options or {}:
        node: Any = cfg
        for part in key.split('.'):
            assert part in node, f'{key}: {config} has no {part!r}'
            node = node[part]


def check_python_tool(words: list[str]) -> None:
    """The tool, its arguments, its config and the keys it changes exist."""
    args = tool_parser(words[1]).parse_args(words[2:])
    config = getattr(args, 'config', None) or 'configs/videomac/demo.py'
    assert (ROOT / config).is_file(), config
    check_options(config, getattr(args, 'cfg_options', None))


def check_make(words: list[str]) -> None:
    """The target exists."""
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.findall(r'^([\w-]+):', makefile, re.MULTILINE))
    assert {word for word in words[1:] if '=' not in word} <= targets


@pytest.mark.parametrize('command', command_lines())
def test_command(command: str) -> None:
    """Commands name tools, configs, keys and targets that exist."""
    words = command.replace('"', '').split()
    if words[0] == 'make':
        check_make(words)
    elif words[0] == 'python':
        check_python_tool(words)
    elif words[0].startswith('tools/'):
        assert os.access(ROOT / words[0], os.X_OK), f'{words[0]} is not executable'
        assert (ROOT / words[1]).is_file(), words[1]
        number = words[3] if 'dist_test' in words[0] else words[2]
        assert int(number) > 0
    else:
        known = ('pip install', 'pip wheel', 'source .venv')
        assert command.startswith(known), f'this test cannot check: {command}'


def test_extras_exist() -> None:
    """What pip is told to add is there."""
    for page in PAGES:
        for names in re.findall(r'\.\[([\w,]+)\]', page.read_text(encoding='utf-8')):
            for name in names.split(','):
                assert (ROOT / 'requirements' / f'{name}.txt').is_file()


def test_supported_operations() -> None:
    """The page lists exactly the operations that are supported."""
    text = (ROOT / 'docs/en/sparse_engine.md').read_text(encoding='utf-8')
    listed = text.split('<!-- operations:')[1].split('-->')[1].split('<!--')[0]
    assert re.findall(r'`(\w+)`', listed) == sorted(PatchTensor.handlers)


def test_model_zoo_lists_every_config() -> None:
    """No shipped config is missing in the tables to which the README sends."""
    pages = ROOT / 'docs/en/model_zoo.md', ROOT / 'README.md'
    zoo = ''.join(page.read_text(encoding='utf-8') for page in pages)
    configs = sorted((ROOT / 'configs' / 'videomac').glob('*.py'))
    assert configs
    missing = [c.name for c in configs if f'/{c.name})' not in zoo]
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Links within the repository lead somewhere."""
    text = page.read_text(encoding='utf-8')
    targets = re.findall(r'\]\(([^)\s]+)\)', text) + re.findall(r'src="([^"]+)"', text)
    local = [t.split('#')[0] for t in targets if not t.startswith(('http', '#'))]
    broken = [target for target in local if not (page.parent / target).exists()]
    assert not broken


def test_pages_name_no_private_path() -> None:
    """Paths of a machine have no place in public pages."""
    for page in PAGES:
        assert not re.search(r'(?<![\w.])/(work|home|tmp|root)/', page.read_text())
