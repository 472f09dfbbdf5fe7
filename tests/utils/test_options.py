"""Options that would change nothing are refused; those that are read are not."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from videomac.utils import find_config, merge_options


def config() -> Config:
    """A config whose top has variables that have done their work."""
    lr, batch_size = 1e-3, 8
    return Config(
        dict(
            lr=lr,
            batch_size=batch_size,
            encoder=dict(arch='tiny'),
            model=dict(encoder=dict(arch='tiny')),
            optim_wrapper=dict(optimizer=dict(lr=lr)),
            train_dataloader=dict(batch_size=batch_size, dataset=dict(data_root='a')),
            custom_hooks=[dict(type='A', momentum=0.1)],
            shortcuts=dict(batch_size=['train_dataloader.batch_size']),
        )
    )


@pytest.mark.parametrize(
    ('name', 'place'),
    [
        ('lr', 'optim_wrapper.optimizer.lr'),
        ('encoder.arch', 'model.encoder.arch'),
        ('dataset.data_root', 'train_dataloader.dataset.data_root'),
        ('momentum', 'custom_hooks.0.momentum'),
    ],
)
def test_a_name_that_nobody_reads_is_refused_with_the_place_that_is_meant(
    name: str, place: str
) -> None:
    cfg = config()
    with pytest.raises(SystemExit) as caught:
        merge_options(cfg, {name: 1})
    text = str(caught.value)
    assert f"--cfg-options {name}: nothing reads '{name.split('.')[0]}'" in text
    assert f'Did you mean {place}? ' in text
    assert cfg.to_dict() == config().to_dict()


def test_a_name_like_no_other_is_refused() -> None:
    with pytest.raises(SystemExit, match=r'nonsense.*print_config') as caught:
        merge_options(config(), {'nonsense': 1})
    assert 'Did you mean' not in str(caught.value)


@pytest.mark.parametrize(
    'options',
    [
        {'optim_wrapper.optimizer.lr': 2},
        {'custom_hooks.0.momentum': 0.5},
        {'batch_size': 4},  # a shortcut
        {'work_dir': 'w', 'resume': True, 'compile': True, 'env_cfg.cudnn_benchmark': 1},
        {'image_size': 64},  # which the caller reads
    ],
)
def test_names_that_are_read(options: dict[str, Any]) -> None:
    cfg = config()
    merge_options(cfg, options, read=('image_size',))
    for name, value in options.items():
        node: Any = cfg
        for part in name.split('.'):
            node = node[int(part)] if isinstance(node, list) else node[part]
        assert node == value
    assert cfg.train_dataloader.batch_size == options.get('batch_size', 8)


def test_every_name_that_the_runner_reads() -> None:
    found = re.findall(r"\bcfg\.get\(\s*'(\w+)'", inspect.getsource(Runner))
    assert {'sync_bn', 'compile', 'model_wrapper_cfg', 'train_dataloader'} <= {*found}
    for name in set(found):
        cfg = config()
        merge_options(cfg, {name: 'x'})
        assert cfg[name] == 'x'


def test_shipped_configs_suggest_where_their_variables_went() -> None:
    path = 'videomac/videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos.py'
    for name, place in (
        ('base_batch_size', 'auto_scale_lr.base_batch_size'),
        ('data_root', 'train_dataloader.dataset.source.data_root'),
    ):
        with pytest.raises(SystemExit, match=f'Did you mean {place}'):
            merge_options(Config.fromfile(find_config(path)), {name: 1})
