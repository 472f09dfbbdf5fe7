"""Whole models of the released VideoMAC: every tensor used, or an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.test_released import CASES
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints import import_whole, whole_config
from videomac.checkpoints.released_layout import convert_released
from videomac.registry import MODELS
from videomac.utils import tools_root

convert = load_tool(tools_root() / 'model_converters' / 'convert.py')


def checkpoint(case: str) -> dict[str, Any]:
    """A file of the released code, with what it keeps beside the networks."""
    online = {name: value.float() for name, value in CASES[case][0]().state.items()}
    return dict(
        online_without_ddp=online,
        target_without_ddp={name: value + 1 for name, value in online.items()},
        optimizer=dict(state={}),
        epoch=99,
    )


@pytest.mark.parametrize('case', CASES)
def test_every_tensor_is_used_once(case: str) -> None:
    """No value is lost or made: the same numbers, in both networks, in another order."""
    source = checkpoint(case)
    done = import_whole(source)
    model: Any = MODELS.build(whole_config(done.state))
    model.load_state_dict(done.state, strict=True)
    names = [
        f'{place}.{name}'
        for place in ('online_without_ddp', 'target_without_ddp')
        for name in source[place]
    ]
    assert [row.source for row in done.rows] == names
    assert sorted(row.target for row in done.rows) == sorted(model.state_dict())
    for row in done.rows:
        place, name = row.source.split('.', 1)
        assert row.target.startswith('target.') == (place == 'target_without_ddp')
        before, after = source[place][name], done.state[row.target]
        assert torch.equal(before.flatten().sort()[0], after.flatten().sort()[0])
    # What predictions are compared with the description of the code in test_released.
    expected = convert_released(source)
    assert all(torch.equal(value, expected[k]) for k, value in done.state.items())


def test_config_from_the_shapes() -> None:
    config = whole_config(import_whole(checkpoint('isotropic')).state)
    assert config['encoder']['type'] == 'IsotropicConvNeXt'
    assert config['masking']['patch_size'] == 16
    assert config['decoder'] == dict(type='ConvNeXtDecoder', dim=16, depth=2)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, dst = tmp_path / 'released.pth', tmp_path / 'model.pth'
    source = checkpoint('convnextv2')
    torch.save(source, src)
    command = ['released', str(src), str(dst), '--to', 'model']
    convert.main([*command, '--dry-run'])
    lines = capsys.readouterr().out.splitlines()
    assert 'epoch -> left out: not a network of the model' in lines
    moved = (
        'online_without_ddp.mask_token [1, 16, 1, 1] -> decoder.mask_token [1, 16, 1, 1]'
    )
    assert moved in lines
    tensors = 2 * len(source['online_without_ddp'])
    assert f'a whole model: {tensors} of {tensors} tensors used' in lines
    assert not dst.exists()
    convert.main(command)
    state = torch.load(dst)['state_dict']
    assert state.keys() == import_whole(source).state.keys()
    with pytest.raises(SystemExit, match='both networks of the format released'):
        convert.main([*command, '--network', 'online'])


def test_errors_name_what_is_wrong() -> None:
    source = checkpoint('resnet18')
    surplus = source['online_without_ddp'] | {'surplus': torch.zeros(2)}
    with pytest.raises(ValueError, match='1 unexpected: surplus'):
        import_whole(source | dict(online_without_ddp=surplus))
    lacking = dict(source['target_without_ddp'])
    del lacking['decoder.1.norm.bias']
    with pytest.raises(ValueError, match=r'1 missing: target\.decoder\.blocks\.1\.norm'):
        import_whole(source | dict(target_without_ddp=lacking))
    with pytest.raises(ValueError, match="has 'target_without_ddp'; this file has"):
        import_whole(dict(online_without_ddp=source['online_without_ddp']))
    encoder = {k: v for k, v in source['online_without_ddp'].items() if 'enc' in k}
    with pytest.raises(ValueError, match='or no decoder'):
        import_whole(dict(online_without_ddp=encoder, target_without_ddp=encoder))
