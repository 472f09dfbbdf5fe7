"""Where a run keeps its config."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.tools.test_train_cli import load_tool
from videomac.utils import configs_root, tools_root
from videomac.utils.paths import kept_config

train = load_tool(tools_root() / 'train.py')


def test_kept_configs(tmp_path: Path) -> None:
    source = tmp_path / 'a.py'
    source.write_text('x = 1')
    (tmp_path / 'link').symlink_to(tmp_path)
    assert kept_config(tmp_path / 'w', source) == tmp_path / 'w/a.py'
    for folder in (tmp_path, tmp_path / 'link', tmp_path / 'w/..'):
        assert kept_config(folder, source) == folder / 'a_resolved.py'


@pytest.mark.parametrize(('folder', 'name'), [('', 'mine_resolved.py'), ('w', 'mine.py')])
def test_a_training_does_not_overwrite_its_config(
    folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, work_dir = tmp_path / 'mine.py', tmp_path / folder
    before = f'# thoughts\n_base_ = [{str(configs_root() / "videomac/demo.py")!r}]\n'
    path.write_text(before)

    def dump(cfg: Config) -> None:
        Path(cfg.work_dir).mkdir(exist_ok=True)
        Runner.dump_config(SimpleNamespace(cfg=cfg, work_dir=cfg.work_dir))
        raise InterruptedError

    monkeypatch.setattr(train, 'check_inputs', lambda cfg, args: None)
    monkeypatch.setattr(train.Runner, 'from_cfg', dump)
    args = train.build_parser().parse_args([str(path), '--work-dir', str(work_dir)])
    with pytest.raises(InterruptedError):
        train.build_runner(args)
    assert path.read_text() == before
    assert Config.fromfile(work_dir / name).model.type
