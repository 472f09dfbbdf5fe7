"""What the figure of dissolving masks is made of, from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.utils import tools_root

tool = load_tool(tools_root() / 'visualization' / 'vis_mask_dissipation.py')


def shares(printed: str) -> dict[str, list[float]]:
    lines = re.findall(r'^share of cells, (\w+): ([\d. ]+)$', printed, re.MULTILINE)
    return {kind: [float(v) for v in values.split()] for kind, values in lines}


@pytest.mark.parametrize(
    'encoder',
    [
        'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py',
        'videomac/videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos.py',
    ],
)
def test_every_stage(
    encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sparse cells stay as many as are visible; dense ones become all."""
    out = tmp_path / 'new' / 'x.svg'
    args = ['--out', str(out), '--image-size', '96', '--ratio', '0.8']
    tool.main([encoder, *args])
    found = shares(capsys.readouterr().out)
    assert found['visible'] == pytest.approx([1 / 9] * 4, abs=1e-3)
    assert found['sparse'] == found['visible']
    assert found['dense'] == sorted(found['dense'])
    assert 1 / 9 < found['dense'][0] < 1
    assert found['dense'][-1] == 1
    assert 'masked, but reached</text>' in out.read_text()


def test_patches_of_an_output_stride(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The encoder is that of the config, whose last cells are no larger than a patch."""
    name = 'videomac/videomac_resnet50-patch16_8xb64-coslr-100e_ytvos.py'
    args = ['--image-size', '64', '--patch-size', '16', '--out', str(tmp_path / 'x.png')]
    tool.main([name, *args])
    found = shares(capsys.readouterr().out)
    assert found['visible'] == found['sparse'] == [0.25] * 4


def test_first_convolution_against_brute_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint's first stage reaches what gradients say it does."""
    from videomac.apis import get_model, load_encoder
    from videomac.models import RandomPatchMasking

    path = tmp_path / 'x.pth'
    torch.manual_seed(5)
    torch.save({'state_dict': get_model('videomac/demo').state_dict()}, path)
    args = ['--image-size', '64', '--patch-size', '16', '--out', str(tmp_path / 'x.png')]
    tool.main([str(path), *args])
    found = shares(capsys.readouterr().out)
    encoder = load_encoder(str(path)).network
    encoder.eval()  # which returns nothing in mmpretrain
    network = tool.EveryStage(encoder)
    torch.manual_seed(0)
    (grid,) = RandomPatchMasking(16, 0.75)(1, (64, 64), 1)
    seen = grid.cell_mask(16, 16)[0]
    image = (torch.randn(1, 3, 64, 64) * seen).requires_grad_()
    first = network(image)[0].sum(1)[0]
    reached = 0
    for value in first.flatten():
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
        reached += bool((gradient[0].abs().sum(0) * seen).any())
    assert found['dense'][0] == pytest.approx(reached / first.numel(), abs=1e-3)


def test_a_picture_is_shown(tmp_path: Path) -> None:
    """In both rows, where it is visible."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[..., 0] = 255  # red, which no other part of the figure is
    Image.fromarray(pixels).save(tmp_path / 'red.png')
    out = tmp_path / 'x.png'
    args = ['--image', str(tmp_path / 'red.png'), '--image-size', '96', '--ratio', '0.5']
    tool.main(
        ['videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py', *args, '--out', str(out)]
    )
    image = np.asarray(Image.open(out).convert('RGB')).astype(int)
    red = np.abs(image - (255, 0, 0)).max(2) < 40
    rows = np.flatnonzero(red.any(1))
    assert rows[0] < image.shape[0] / 2 < rows[-1]
    assert np.flatnonzero(red.any(0))[-1] < image.shape[1] / 3


def test_bad_input(tmp_path: Path) -> None:
    resnet = 'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py'
    empty = tmp_path / 'empty.yaml'
    empty.touch()
    for args, message in (
        (['no_such_config'], 'no_such_config'),
        ([str(empty)], r'empty\.yaml.* cannot be read as a config'),
        ([resnet, '--ratio', '1.5'], 'ratio must be between 0 and 1'),
        ([resnet, '--patch-size', '30'], '30'),
        ([resnet, '--image', 'no.png'], r'no\.png'),
        ([resnet, 'no.pth'], r'no\.pth'),
    ):
        with pytest.raises(SystemExit, match=f'vis_mask_dissipation.py: .*{message}'):
            tool.main([*args, '--out', str(tmp_path / 'x.png')])
