"""The rivals' configs: they build, train by their papers' numbers, and fit each other."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from videomac.checkpoints import import_state
from videomac.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from videomac.utils.paths import configs_root

ROOT = configs_root() / 'rivals'
CONFIGS = sorted(ROOT.glob('*.py'))
PROPAGATION = configs_root() / 'propagation'
BENCHMARKS = ('davis2017', 'vip', 'jhmdb')
#: Method, backbone, and the share of patches that its paper masks.
RIVALS = {
    'fcmae': ('convnextv2-base', 0.6),
    'spark': ('resnet50', 0.6),
    'mae': ('vit-base-p16', 0.75),
    'siammae': ('vit-small-p16', 0.95),
    'cropmae': ('vit-small-p16', 0.985),
    'rcmae': ('vit-small-p16', 0.75),
}
#: Rows of Table 1, the names of their configs, and millions of parameters that the
#: architecture is known for.
TABLE_1 = {
    'Supervised': ('supervised_resnet50', 23.5),
    'DenseCL': ('densecl_resnet50', 23.5),
    'DINO': ('dino_vit-small-p16', 21.7),
    'ODIN2': ('odin_resnet50', 23.5),
    'CrOC': ('croc_vit-small-p16', 21.7),
    'MAE': ('mae_vit-base-p16', 85.8),
    'FCMAE': ('fcmae_convnextv2-base', 87.7),
    'RC-MAE': ('rcmae_vit-small-p16', 21.7),
    'SparK': ('spark_resnet50', 23.5),
    'MAE-ST': ('mae-st_vit-large-p16', 303.3),
    'VideoMAE': ('videomae_vit-small-p16', 21.7),
    'DropMAE': ('dropmae_vit-base-p16', 85.8),
    'SiamMAE': ('siammae_vit-small-p16', 21.7),
}


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('videomac')


@functools.cache
def load(path: Path) -> Any:
    """Read a config."""
    return Config.fromfile(path)


def method(path: Path) -> str:
    """The method in the name of a config."""
    return path.name.split('_')[0]


def evaluation(path: Path, benchmark: str = 'davis2017') -> Any:
    """The evaluation config of the method and backbone of a pre-training config."""
    name = '_'.join(path.name.split('_')[:2])
    (found,) = (PROPAGATION / benchmark).glob(f'{name}_s*.py')
    return load(found)


@functools.cache
def made(text: str) -> Any:
    """A network of full size; a ViT without data, which a ConvNet needs to be built."""
    with torch.device('meta' if 'vit' in text.lower() else 'cpu'):
        return MODELS.build(json.loads(text))


def build(path: Path) -> Any:
    """The algorithm of a config."""
    return made(json.dumps(load(path).model.to_dict()))


def evaluated(path: Path, benchmark: str = 'davis2017') -> torch.nn.Module:
    """The network of the evaluation config."""
    cfg = evaluation(path, benchmark).model.backbone.network.to_dict()
    network = made(json.dumps(cfg))
    assert isinstance(network, torch.nn.Module)
    return network


def encoder_of(model: Any) -> torch.nn.Module:
    """The network that is pre-trained."""
    network = model.encoder if hasattr(model, 'encoder') else model.backbone
    assert isinstance(network, torch.nn.Module)
    return network


def table_1() -> dict[str, dict[str, Any]]:
    """The rows of the rivals, as configs/paper.yml has them."""
    paper = yaml.safe_load((configs_root() / 'paper.yml').read_text(encoding='utf-8'))
    (table,) = [each for each in paper['tables'] if each['number'] == '1']
    return {
        row['about'][0]: row for row in table['rows'] if row['about'][0] != 'VideoMAC'
    }


def count(network: torch.nn.Module) -> float:
    """Millions of parameters, those of ViTs' fixed positions included."""
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_every_rival_is_there() -> None:
    assert {method(path): path.name.split('_')[1] for path in CONFIGS} == {
        name: backbone for name, (backbone, _) in RIVALS.items()
    }


@pytest.mark.parametrize('path', CONFIGS, ids=method)
def test_masking_is_that_of_the_paper(path: Path) -> None:
    model = load(path).model
    ratio = RIVALS[method(path)][1]
    places: list[Any] = [model, model.get('masking', {}), model.get('backbone', {})]
    found = [p.get(key) for p in places for key in ('ratio', 'mask_ratio') if key in p]
    assert found == [ratio]


@pytest.mark.parametrize('path', CONFIGS, ids=method)
def test_schedule_and_name_agree(path: Path) -> None:
    cfg = load(path)
    batch = cfg.train_dataloader.batch_size
    assert f'_8xb{batch}-' in path.name
    assert cfg.auto_scale_lr.base_batch_size == 8 * batch == 512
    assert ('-amp-' in path.name) == (cfg.optim_wrapper.type == 'AmpOptimWrapper')
    assert cfg.train_cfg.max_epochs == 100
    # The others end with the run.
    assert [part.get('end') for part in cfg.param_scheduler][:2] == [10, None]
    base = dict(siammae=1.5e-4, cropmae=1e-4, rcmae=1.5e-4, mae=1.5e-4, fcmae=1.5e-4)
    base['spark'] = 1e-4  # 2e-4 for each 512
    lr = cfg.optim_wrapper.optimizer.lr
    assert lr == pytest.approx(base[method(path)] * 512 / 256)
    decays = cfg.optim_wrapper.paramwise_cfg.custom_keys
    if 'vit-' in path.name:
        assert decays.cls_token.decay_mult == decays.mask_token.decay_mult == 0.0


@pytest.mark.parametrize('path', CONFIGS, ids=method)
def test_parts_are_registered(path: Path) -> None:
    """Data set, transforms, preprocessor and hooks by their names."""
    cfg = load(path)
    dataset = cfg.train_dataloader.dataset
    assert DATASETS.get(dataset.type) is not None
    for transform in dataset.pipeline:
        TRANSFORMS.build(transform)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    for hook in cfg.get('custom_hooks', []):
        HOOKS.build(hook)
    size = dataset.pipeline[0].size
    frames = torch.zeros(2, 2, 3, size, size, dtype=torch.uint8)
    inputs = preprocessor(dict(inputs=frames))['inputs']
    single = method(path) in ('mae', 'spark')
    assert inputs.shape == ((4, 3, size, size) if single else (2, 2, 3, size, size))
    if method(path) == 'siammae':
        assert (dataset.gap, dataset.max_gap) == (1, 10)
    else:
        assert dataset.num_frames == 1


@pytest.mark.parametrize('path', CONFIGS, ids=method)
def test_checkpoints_fit_the_evaluation(path: Path) -> None:
    """Every tensor of what is pre-trained has its place in the network evaluated."""
    own = encoder_of(build(path)).state_dict()
    for benchmark in BENCHMARKS:
        want = evaluated(path, benchmark).state_dict()
        assert {k: v.shape for k, v in own.items()} == {
            k: v.shape for k, v in want.items()
        }


@pytest.mark.parametrize('path', CONFIGS, ids=method)
def test_converter_takes_the_encoder_out(path: Path) -> None:
    """With every tensor of the run named, none left over."""
    model = build(path)
    done, found = import_state(model.state_dict())
    names = dict(mae='mmpretrain', spark='resnet')
    assert found.name == names.get(method(path), 'videomac')
    own = encoder_of(model).state_dict()
    want = evaluated(path).state_dict()
    assert set(done.state) == set(own) == set(want)
    assert all(done.state[name].shape == value.shape for name, value in want.items())


@pytest.mark.parametrize('row', TABLE_1)
@pytest.mark.parametrize('benchmark', BENCHMARKS)
def test_rows_of_table_1(row: str, benchmark: str) -> None:
    name, millions = TABLE_1[row]
    (path,) = (PROPAGATION / benchmark).glob(f'{name}_s*_{benchmark}.py')
    backbone = load(path).model.backbone
    network = made(json.dumps(backbone.network.to_dict()))
    assert count(network) == pytest.approx(millions, abs=0.15)
    vit = 'vit' in name
    assert backbone.output_stride == (16 if vit else 8)
    # DropMAE and VideoMAE have no class token.
    if vit:
        with_token = row not in ('DropMAE', 'VideoMAE')
        assert ('cls_token' in network.state_dict()) == with_token
    assert backbone.out_stage == (2 if row == 'Supervised' else -1)
    gray = tuple(load(path).test_dataloader.dataset.mean) == (0.45, 0.45, 0.45)
    assert gray == (row == 'MAE-ST')


def test_rivals_are_evaluated_by_one_protocol() -> None:
    """Beside features and pixels nothing differs from the configs of VideoMAC."""
    for benchmark in BENCHMARKS:
        (ours,) = (PROPAGATION / benchmark).glob(f'videomac_resnet50_s8_{benchmark}.py')
        for path in (PROPAGATION / benchmark).glob('[!v]*.py'):
            cfg, base = load(path).to_dict(), load(ours).to_dict()
            for each in (cfg, base):
                each['model'].pop('backbone')
                for key in ('mean', 'std'):
                    each['test_dataloader']['dataset'].pop(key)
            for key in ('model', 'test_dataloader', 'test_evaluator'):
                assert cfg[key] == base[key], path.name


def test_readme_quotes_the_paper() -> None:
    """The table of the rivals has every row of Table 1, its scores and its configs."""
    readme = (PROPAGATION / 'README.md').read_text(encoding='utf-8')
    rows = table_1()
    lines = re.findall(r'^\| .*\|$', readme, re.MULTILINE)
    assert list(rows) == list(TABLE_1)
    for name, (stem, _) in TABLE_1.items():
        (line,) = [x for x in lines if f'/{stem}_s' in x]
        scores = rows[name]['scores']
        shown = ['-' if s is None else f'{s:.1f}' for s in (scores[0], *scores[3:])]
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        assert cells[-4:] == shown
        assert all(f'({b}/{stem}_s' in line for b in BENCHMARKS)


def test_readme_of_the_folder() -> None:
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    for path in CONFIGS:
        (line,) = [x for x in readme.splitlines() if f'({path.name})' in x]
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        model = build(path)
        assert f'{count(encoder_of(model)):.2f}' in cells
        assert str(RIVALS[method(path)][1]) in cells
    targets = re.findall(r'\]\(([^)\s]+)\)', readme)
    local = [t.split('#')[0] for t in targets if not t.startswith('http')]
    assert all((ROOT / target).exists() for target in local)


def test_metafile() -> None:
    """Models and parameters are those of the configs; there are no results."""
    meta = yaml.safe_load((ROOT / 'metafile.yml').read_text(encoding='utf-8'))
    collections = {each['Name'] for each in meta['Collections']}
    models = {model['Name']: model for model in meta['Models']}
    assert set(models) == {path.stem for path in CONFIGS}
    for path in CONFIGS:
        model = models[path.stem]
        total = sum(p.numel() for p in encoder_of(build(path)).parameters())
        assert model['Metadata']['Parameters'] == total
        assert 'Results' not in model
        assert model['Config'] == f'configs/rivals/{path.name}'
        assert model['In Collection'] in collections
    assert collections == {model['In Collection'] for model in models.values()}


def test_the_paper_names_the_configs() -> None:
    """Each row of Table 1 has its config on DAVIS."""
    for name, row in table_1().items():
        stem = TABLE_1[name][0]
        folder, benchmark, config = row['config'].split('/')
        assert (folder, benchmark) == ('propagation', 'davis2017')
        assert re.fullmatch(rf'{stem}_s\d+_davis2017\.py', config)
