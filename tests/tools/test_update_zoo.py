"""The zoo's pages and metafiles are up to date, and right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.tools.test_train_cli import load_tool
from videomac.analysis import costs, zoo_entry
from videomac.analysis.paper import paper_tables
from videomac.analysis.zoo_entry import (
    ZooCost,
    ZooEntry,
    config_cost,
    stored_costs,
    title,
)
from videomac.analysis.zoo_tables import zoo_table
from videomac.registry import MODELS
from videomac.utils import configs_root, tools_root

ROOT = configs_root().parent
tool = load_tool(tools_root() / 'misc' / 'update_zoo.py')
STORED = stored_costs()
PAGES = [ROOT / name for name in tool.PAGES]
PRETRAINING = [name for name, cost in STORED.items() if cost.decoder is not None]
#: Quick to build: other topologies, another patch size, other decoders.
QUICK = [
    'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py',
    'videomac/videomac_isotropic-convnextv2-small_8xb64-amp-coslr-100e_ytvos.py',
    'finetune/videomac_released-resnet18_8xb512-coslr-300e_in1k.py',
]


def models(folder: str) -> list[dict[str, Any]]:
    """The models of a metafile."""
    text = (configs_root() / folder / 'metafile.yml').read_text(encoding='utf-8')
    found: list[dict[str, Any]] = yaml.safe_load(text)['Models']
    return found


def test_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(['--check', '--stored-costs']) == 0, capsys.readouterr().err


@pytest.mark.parametrize('folder', tool.FOLDERS)
def test_every_config_is_a_model(folder: str) -> None:
    files = (configs_root() / folder).rglob('*.py')
    stems = {path.stem for path in files} - {'demo'}
    assert {model['Name'] for model in models(folder)} == stems
    for model in models(folder):
        assert (ROOT / model['Config']).is_file()
        assert Path(model['Config']).stem == model['Name']


def test_metafiles_are_valid() -> None:
    modelindex = pytest.importorskip('modelindex')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.check(silent=True)
    index.build_models_with_collections()
    assert not index.check_errors
    names = {model.name for model in index.models}
    assert {model['Name'] for folder in tool.FOLDERS for model in models(folder)} <= names
    for model in index.models:
        assert not model.check_errors, model.name
        assert (ROOT / model.config).is_file()
        assert model.full_model.paper['URL'].startswith('https://arxiv.org/abs/')


def test_costs_are_stored_for_every_model_that_is_trained() -> None:
    for folder in ('videomac', 'ablations', 'finetune', 'rivals'):
        for model in models(folder):
            assert model['Config'].removeprefix('configs/') in STORED
    assert len(PRETRAINING) >= 40


def compare(config: str) -> None:
    """Stored costs, those of the tool, and those of a step of the whole model."""
    settings = Config.fromfile(configs_root() / config)
    assert config_cost(settings) == STORED[config]
    if config not in PRETRAINING:
        return
    init_default_scope('videomac')
    size = settings.image_size
    encoder, decoder, _ = costs(MODELS.build(settings.model), (size, size))
    assert (
        ZooCost(
            encoder.parameters,
            encoder.dense,
            encoder.visible,
            decoder.parameters,
            decoder.dense,
        )
        == STORED[config]
    )


@pytest.mark.parametrize('config', QUICK)
def test_costs_are_those_of_the_built_model(config: str) -> None:
    compare(config)


@pytest.mark.slow
@pytest.mark.parametrize('config', sorted(set(STORED) - set(QUICK)))
def test_all_costs_are_those_of_the_built_models(config: str) -> None:
    compare(config)


def test_costs_follow_closed_forms() -> None:
    """What the names of configs say, without building anything."""
    base = STORED[tool_default()]
    assert base.visible is not None
    assert base.decoder is not None
    for name, visible in (('ratio65', 17), ('ratio85', 7), ('ratio95', 2)):
        assert STORED[ablation(name)].visible == base.visible * visible // 12
    for name, dim in (('decoder-dim128', 128), ('decoder-dim1024', 1024)):
        kernels = 768 * dim + (49 + 8 * dim) * dim + dim * 3 * 32**2
        assert STORED[ablation(name)].decoder == 49 * kernels
    block = 49 * (49 + 8 * 512) * 512
    for name, depth in (('decoder-depth2', 2), ('decoder-depth8', 8)):
        assert STORED[ablation(name)].decoder == base.decoder + (depth - 1) * block
    for name in ('gap5', 'color', 'gamma0', 'online'):
        assert STORED[ablation(name)] == base


def ablation(name: str) -> str:
    """Path of an ablation."""
    start = 'ablations/videomac_convnextv2-small'
    return f'{start}-{name}_8xb64-amp-coslr-100e_ytvos.py'


def tool_default() -> str:
    """Path of the paper's default."""
    return 'videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py'


def test_the_papers_numbers_are_labelled_and_its_own() -> None:
    """No score of the paper is among the results; all are under its name."""
    reported = {}
    for folder in tool.FOLDERS:
        for model in models(folder):
            assert 'Results' not in model
            reported[model['Config'].removeprefix('configs/')] = model['Metadata'].get(
                'Reported by the paper', []
            )
    for table in paper_tables().values():
        for row in table.rows:
            if row.config is not None:
                pairs = zip(table.metrics, row.scores, strict=True)
                scores = {key: value for key, value in pairs if value is not None}
                assert {'Table': table.number, **scores} in reported[row.config]
    text = (ROOT / 'docs/en/model_zoo.md').read_text(encoding='utf-8')
    for line in text.splitlines():
        if line.startswith('|') and 'J&F' in line and '---' not in line:
            headings = [cell.strip() for cell in line.strip('|').split('|')]
            assert 'J&F' not in headings  # always whose


def test_rivals_are_in_the_collections_of_their_methods() -> None:
    found = {model['Name']: model['In Collection'] for model in models('rivals')}
    assert {name.split('_')[0]: collection for name, collection in found.items()} == {
        'cropmae': 'CropMAE',
        'fcmae': 'FCMAE',
        'mae': 'MAE',
        'rcmae': 'RC-MAE',
        'siammae': 'SiamMAE',
        'spark': 'SparK',
    }
    assert {model['In Collection'] for model in models('videomac')} == {'VideoMAC'}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.parent.name)
def test_links_exist(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    links = re.findall(r'\]\(([^)\s]+)\)', text)
    local = [link.split('#')[0] for link in links if not link.startswith('http')]
    assert local
    assert not [link for link in local if not (page.parent / link).exists()]


@pytest.mark.parametrize('folder', ['videomac', 'ablations', 'finetune', 'rivals'])
def test_pages_have_every_config(folder: str) -> None:
    names = [path.name for path in (configs_root() / folder).glob('*.py')]
    own = configs_root() / folder / 'README.md'
    for page in (own, ROOT / 'docs/en/model_zoo.md'):
        text = page.read_text(encoding='utf-8')
        missing = [name for name in names if f'{name})' not in text]
        assert missing in ([], ['demo.py'])


def test_measurements_reach_pages_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tool_default()
    small = dict(
        config=config,
        changes=['model.encoder.arch=atto'],
        task='Video object segmentation',
        dataset='DAVIS-2017',
        metrics={'J&F': 12.3},
        date='2026-01-01',
        commit='abc',
    )
    full = small | dict(
        changes=[], metrics={'J&F': 45.6}, weights='https://example.org/a.pth'
    )
    monkeypatch.setattr(zoo_entry, 'measurements', lambda: [small])
    entry = ZooEntry(config, 'VideoMAC', Config.fromfile(configs_root() / config), None)
    assert 'Results' not in entry.model()
    monkeypatch.setattr(zoo_entry, 'measurements', lambda: [small, full])
    model = entry.model()
    (result,) = model['Results']
    assert result['Metrics'] == {'J&F': 45.6}
    assert model['Weights'] == 'https://example.org/a.pth'
    monkeypatch.setattr(
        'videomac.analysis.zoo_tables.measurements', lambda: [small, full]
    )
    text = zoo_table('pretraining', {config: entry}, PAGES[0], configs_root())
    assert '| 68.4 | 45.6 | - | [weights](https://example.org/a.pth) |' in text
    text = zoo_table('measured', {}, PAGES[0], configs_root())
    assert '| `model.encoder.arch=atto` | J&F 12.3 |' in text
    assert '| `none` | J&F 45.6 |' in text


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        ('videomac_convnextv2-tiny_8xb64', 'ConvNeXt V2-T'),
        ('videomac_resnet50-patch16_8xb64', 'ResNet-50, 16-pixel patches'),
        ('videomac_released-convnext-small_x', 'ConvNeXt V1-S, released topology'),
        ('fcmae_convnextv2-small_8xb64', 'ConvNeXt V2-S, FCMAE'),
        ('videomac_resnet50_knn_in1k', 'ResNet-50, k-NN'),
        ('videomac_vit-small-p16_8xb64', 'ViT-S, 16-pixel patches'),
    ],
)
def test_titles(config: str, expected: str) -> None:
    assert title(config) == expected


def test_stale_files_and_unknown_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / 'page.md'
    page.write_text('a\n<!-- zoo: measured -->\nold\n<!-- /zoo -->\nb\n')
    new = tool.page(page, {})
    assert new.startswith('a\n<!-- zoo: measured -->\n\n')
    assert new.endswith('\n\n<!-- /zoo -->\nb\n')
    assert 'old' not in new
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    monkeypatch.setattr(tool, 'collect', lambda stored: {})
    monkeypatch.setattr(tool, 'contents', lambda entries: {page: new})
    assert tool.main(['--check']) == 1
    assert 'page.md is out of date' in capsys.readouterr().err
    assert page.read_text() != new
    assert tool.main([]) == 0
    assert page.read_text() == new
    assert tool.main(['--check']) == 0
    page.write_text('<!-- zoo: nothing -->\n<!-- /zoo -->\n')
    with pytest.raises(SystemExit, match="no table 'nothing'; there are pretraining, "):
        tool.page(page, {})
