"""The table of the tool against official figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.test_train_cli import load_tool
from videomac.utils import tools_root

tool = load_tool(tools_root() / 'analysis_tools' / 'get_flops.py')

#: torchvision's entries for the same networks as classifiers. ConvNeXt V1 and V2 have
#: the same convolutions and linear layers.
OFFICIAL = {
    'ResNet-18': 'ResNet18_Weights',
    'ResNet-50': 'ResNet50_Weights',
    'ConvNeXt V2-T': 'ConvNeXt_Tiny_Weights',
    'ConvNeXt V2-S': 'ConvNeXt_Small_Weights',
}


def cells(line: str) -> list[str]:
    """Split a line of a Markdown table."""
    return [cell.strip() for cell in line.strip('|\n').split('|')]


def test_table_2(capsys: pytest.CaptureFixture[str]) -> None:
    import torchvision

    tool.main(['--table2'])
    printed = capsys.readouterr().out
    lines = [cells(line) for line in printed.splitlines() if line.startswith('|')]
    rows = {line[0]: line[1:] for line in lines[2:]}
    for name, weights in OFFICIAL.items():
        meta = getattr(torchvision.models, weights).DEFAULT.meta
        assert float(rows[name][5]) == pytest.approx(meta['_ops'], abs=0.0015)
        if 'ResNet' in name:
            assert float(rows[name][2]) == pytest.approx(
                meta['num_params'] / 1e6, abs=0.006
            )
    paper = [(line[1], line[4]) for line in lines[2:7]]
    assert paper == [
        ('22', '4.3'),
        ('12', '1.8'),
        ('26', '4.1'),
        ('29', '4.5'),
        ('50', '8.7'),
    ]
    assert {line[-1] for line in lines[2:7]} == {'yes'}
    # 12 of 49 patches, and 49 of 196 for the isotropic network.
    for line in lines[2:]:
        share = 49 / 196 if 'isotropic' in line[0] else 12 / 49
        assert float(line[7]) == pytest.approx(share * float(line[5]), abs=0.001)


def test_config_with_patches(capsys: pytest.CaptureFixture[str]) -> None:
    tool.main(['configs/videomac/demo.py', '--depth', '1'])
    printed = capsys.readouterr().out
    assert 'VideoMAC' in printed
    assert 'at 128 x 128, 16 of 64 patches of 16 pixels visible' in printed
    assert len([line for line in printed.splitlines() if 'encoder' in line]) == 2


def test_plain_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / 'classifier.py'
    config.write_text(
        "default_scope = 'mmpretrain'\n"
        "model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18),\n"
        "    neck=dict(type='GlobalAveragePooling'),\n"
        "    head=dict(type='LinearClsHead', num_classes=1000, in_channels=512))\n"
    )
    tool.main([str(config), '--shape', '224'])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if 'Image' in line][
        1:
    ]
    assert cells(row) == ['ImageClassifier', '11.69', '1.814', '-', '-']


def test_features_of_propagation(capsys: pytest.CaptureFixture[str]) -> None:
    config = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017.py'
    counts = {}
    for stride in (8, 32):
        change = ['--cfg-options', f'model.backbone.output_stride={stride}']
        tool.main([config, '--shape', '128', *change])
        printed = capsys.readouterr().out
        (row,) = [ln for ln in printed.splitlines() if ln.startswith('| FeatureEx')]
        counts[stride] = float(cells(row)[2])
    # Per cell nothing changes; stages 2 and 3 have 4 and 16 times the cells at stride 8.
    blocks = {2: (6, 160), 3: (2, 320)}
    macs = {n: depth * (8 * c * c + 49 * c) for n, (depth, c) in blocks.items()}
    downsampling = {2: 4 * 80 * 160, 3: 4 * 160 * 320}
    cells_at = {2: (128 // 16) ** 2, 3: (128 // 32) ** 2}
    more = sum(
        (factor - 1) * cells_at[n] * (macs[n] + downsampling[n])
        for n, factor in ((2, 4), (3, 16))
    )
    assert counts[8] - counts[32] == pytest.approx(more / 1e9, abs=0.002)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['configs/videomac/demo.py', '--shape', '100'], 'not a multiple of 16'),
        (['configs/videomac/demo.py', '--shape', '1', '2', '3'], 'one or two sides'),
        (['configs/videomac/nothing.py'], 'there is no config'),
        (['configs/_base_/default_runtime.py'], 'has no model'),
    ],
)
def test_errors(args: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        tool.main(args)
