"""A data set that does not fill a batch is an error."""

from pathlib import Path

import pytest
from mmengine.runner import Runner

from tests.engine.tiny import runner_config


@pytest.mark.parametrize('drop_last', [True, False])
def test_nothing_to_train_on(tmp_path: Path, drop_last: bool) -> None:
    cfg = runner_config(tmp_path, iterations=1, batch_size=32)
    cfg['train_dataloader']['drop_last'] = drop_last
    cfg['default_hooks']['loader_check'] = dict(type='LoaderCheckHook')
    runner = Runner.from_cfg(cfg)
    if drop_last:
        with pytest.raises(ValueError, match='16 samples, fewer than a batch of 32'):
            runner.train()
    else:
        runner.train()
