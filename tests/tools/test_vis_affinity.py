"""The tool that draws heat maps of agreement, from its command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.models import ResNet
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.utils import find_config, tools_root

tool = load_tool(tools_root() / 'visualization' / 'vis_affinity.py')

PROPAGATION = 'propagation/davis2017/videomac_resnet18_s8_davis2017.py'
TRAINING = 'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py'
SPARK = 'rivals/spark_resnet50_8xb64-coslr-100e_ytvos.py'
CLASSIFIER = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier', backbone=dict(type='MobileNetV2', widen_factor=0.35))
"""


@pytest.fixture
def frames(tmp_path: Path) -> tuple[str, str]:
    """Smooth noise, and the same moved by 32 pixels to the right and 64 down."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    large = Image.fromarray(noise).resize((384, 320), Image.Resampling.BICUBIC)
    first, second = tmp_path / 'first.png', tmp_path / 'second.png'
    large.crop((64, 64, 320, 256)).save(first)
    large.crop((32, 0, 288, 192)).save(second)
    return str(first), str(second)


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    tool.main([*args, '--size', '192'])
    return capsys.readouterr().out


def test_finds_what_has_moved(
    frames: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even random features follow an exact motion; the picture is there."""
    out = tmp_path / 'new' / 'heat.png'
    args = [PROPAGATION, *frames, '--point', '124', '60', '--out', str(out)]
    small = [
        '--out-stage',
        '1',
        '--cfg-options',
        'model.backbone.network.out_indices=[1]',
    ]
    printed = run([*args, *small], capsys)
    assert 'ResNet, random weights: 128 channels, 24 x 32 cells' in printed
    # The cell of 8 x 8 pixels round (124, 60), moved.
    assert '(124, 60) is most like (156, 124): 1.000' in printed
    before = Image.open(out).size
    run([*args, *small, '--self', '--range', '0', '1'], capsys)
    assert Image.open(out).size[0] > before[0]
    assert Image.open(out).size[1] == before[1]


def test_any_config_with_a_network(
    frames: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pre-training configs and classifiers of mmpretrain will do; points are chosen."""
    path = tmp_path / 'classifier.py'
    path.write_text(CLASSIFIER)
    out = ['--out', str(tmp_path / 'x.jpg')]
    printed = run([str(path), *frames, *out, '--output-stride', '16'], capsys)
    assert 'MobileNetV2, random weights: 1280 channels, 12 x 16 cells' in printed
    assert printed.count('is most like') == 3
    printed = run([TRAINING, *frames, *out], capsys)
    assert 'ResNet, random weights: 512 channels, 6 x 8 cells' in printed


def test_checkpoint(
    frames: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights are those of the named network of the file; options may stand between."""
    torch.manual_seed(5)
    network = ResNet(18)
    network.init_weights()
    state = {f'target.encoder.{k}': v for k, v in network.state_dict().items()}
    path = tmp_path / 'epoch_1.pth'
    torch.save({'state_dict': state}, path)
    args = [TRAINING, str(path), '--out', str(tmp_path / 'x.png'), frames[0]]
    args += ['--point', '40', '40', frames[1], '--prefix', 'target.encoder.']
    printed = run(args, capsys)
    assert 'ResNet, weights of epoch_1.pth: 512 channels' in printed
    assert printed == run([*args, '--seed', '9'], capsys)
    with pytest.raises(SystemExit, match=r'vis_affinity.py: the checkpoint .* not fit'):
        run([*args[:-1], 'encoder.'], capsys)


def test_random_weights_follow_the_seed(
    frames: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [TRAINING, *frames, '--point', '40', '40', '--out', str(tmp_path / 'x.png')]
    printed = [run([*args, '--seed', seed], capsys) for seed in ('1', '1', '2')]
    assert printed[0] == printed[1]
    assert printed[0] != printed[2]


def test_where_weights_are_from() -> None:
    """A config's own weights are not called random."""
    network = {'type': 'ResNet', 'depth': 18}
    for more, note in (
        ({}, 'random weights'),
        ({'pretrained': False}, 'random weights'),
        ({'pretrained': True}, "weights of the config's network"),
        ({'init_cfg': {'type': 'TruncNormal', 'std': 0.1}}, 'random weights'),
        (
            {'init_cfg': {'type': 'Pretrained', 'checkpoint': 'a.pth'}},
            "weights of the config's network",
        ),
    ):
        assert tool.weights_note({'network': network | more}) == note
    named = {'network': network, 'checkpoint': 'https://x.org/a/b.pth'}
    assert tool.weights_note(named) == 'weights of b.pth'


def test_command_line_changes_the_extractor() -> None:
    """What is not asked for stays as the config has it."""
    cfg = Config.fromfile(find_config(PROPAGATION))
    parser = tool.build_parser()
    args = parser.parse_intermixed_args(['c.py', 'a.png', 'b.png'])
    assert tool.extractor_config(cfg, args) == cfg.model.backbone
    options = ['--out-stage', '2', '3', '--output-stride', '16']
    args = parser.parse_intermixed_args(['c.py', 'w.pth', 'a.png', 'b.png', *options])
    changed = tool.extractor_config(cfg, args)
    assert changed['checkpoint'] == 'w.pth'
    assert changed['out_stage'] == [2, 3]
    assert changed['output_stride'] == 16
    assert cfg.model.backbone.output_stride == 8
    cfg.model.backbone.checkpoint = 'own.pth'
    args = parser.parse_intermixed_args(['c.py', 'none', 'a.png', 'b.png'])
    assert tool.extractor_config(cfg, args)['checkpoint'] is None


def test_bad_input(
    frames: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors name what is wrong, before the network is built."""
    out = ['--out', str(tmp_path / 'x.png')]
    first, second = frames
    empty, broken = tmp_path / 'empty.py', tmp_path / 'broken.png'
    empty.write_text('x = 1')
    broken.write_bytes(b'no picture')
    headless = tmp_path / 'headless.py'
    headless.write_text("model = dict(type='X', head=dict())")
    for args, message in (
        ([TRAINING, first, str(tmp_path / 'no.png')], r'no\.png: the file does not'),
        ([TRAINING, str(broken), second], r'broken\.png: cannot be decoded'),
        ([TRAINING, *frames, '--point', '256', '3'], r'\(256, 3\) lies outside of the '),
        ([TRAINING, *frames, '--point', '3', '-1'], r'\(3, -1\) lies outside of the '),
        (['videomac/nothing.py', *frames], "no config 'videomac/nothing.py'"),
        ([TRAINING, str(tmp_path / 'no.pth'), *frames], r'no\.pth'),
        ([TRAINING, *frames, '--range', '1', '0'], 'limits must rise'),
        ([TRAINING, *frames, '--out-stage', '9'], 'stage'),
        ([TRAINING, *frames, '--device', 'gpu'], "the device 'gpu' cannot be used"),
        ([SPARK, 'none', *frames], 'SparseResNet masks its input.* give ResNet in'),
        ([str(empty), *frames], r"empty\.py' has no model"),
        ([str(headless), *frames], r"neither a backbone nor an encoder; it has \['head'"),
    ):
        with pytest.raises(SystemExit, match=message) as caught:
            run([*args, *out], capsys)
        assert str(caught.value).startswith('vis_affinity.py: ')
    assert not (tmp_path / 'x.png').exists()
