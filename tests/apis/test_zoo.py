"""Models by name: of the checkout, of an installation, of the released code."""

from __future__ import annotations

import logging
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch

from videomac.apis import Propagator, get_model, list_models
from videomac.apis.zoo import model_config
from videomac.models import FeatureExtractor, LabelPropagator, VideoMAC
from videomac.models.propagation import PropagationSettings
from videomac.utils import configs_root, paths


def config_files() -> list[Path]:
    """All configs that are no bases, below configs/."""
    root = configs_root()
    files = [path.relative_to(root) for path in root.rglob('*.py')]
    return [path for path in files if path.parts[0] != '_base_']


def test_every_config_has_one_name() -> None:
    names = list_models()
    assert names == sorted(set(names))
    found = {
        Path(model_config(name).filename).relative_to(configs_root()) for name in names
    }
    assert found == set(config_files())


@pytest.mark.parametrize('pattern', ['convnextv2*', '*resnet50*', 'released-*', 'x*'])
def test_patterns(pattern: str) -> None:
    stems = {path.stem for path in config_files()}
    want = {
        stem
        for stem in stems
        if fnmatchcase(stem, pattern) or fnmatchcase(stem.split('_', 1)[-1], pattern)
    }
    assert set(list_models(pattern)) == want
    assert bool(want) == (pattern != 'x*')


def test_folders_and_shared_stems() -> None:
    assert list_models('*demo') == ['finetune/demo', 'videomac/demo']
    inside = {path.stem for path in config_files() if path.parts[0] == 'finetune'}
    assert {name.split('/')[-1] for name in list_models('finetune/*')} == inside


def test_kinds_of_models() -> None:
    model = get_model('videomac/demo', options={'model.masking.ratio': 0.9})
    assert isinstance(model, VideoMAC)
    assert model.masking.ratio == 0.9
    assert not model.training
    # Its config starts from a checkpoint that is not here.
    assert type(get_model('finetune/demo')).__name__ == 'ImageClassifier'
    found = get_model('videomac_resnet18_s8_davis2017')
    assert isinstance(found, LabelPropagator)
    file = configs_root() / 'videomac' / 'demo.py'
    assert isinstance(get_model(file), VideoMAC)


@pytest.mark.parametrize('suffix', ['.py', '.json', '.yaml'])
def test_files_of_every_kind_that_mmengine_reads(suffix: str, tmp_path: Path) -> None:
    cfg = model_config('videomac/demo')
    cfg.dump(tmp_path / f'mine{suffix}')
    found = model_config(tmp_path / f'mine{suffix}')
    assert found.model.encoder.type == cfg.model.encoder.type
    with pytest.raises(ValueError, match='there is no model'):
        model_config(tmp_path / 'mine')
    with pytest.raises(FileNotFoundError, match='there is no config'):
        model_config(tmp_path / f'gone{suffix}')


def test_a_checkpoint_is_no_config(tmp_path: Path) -> None:
    """Said before any of it is read."""
    (tmp_path / 'x.pth').write_bytes(b'')
    with pytest.raises(ValueError, match=r'there is no model .*x\.pth'):
        model_config(tmp_path / 'x.pth')


@pytest.mark.parametrize(
    ('file', 'content'),
    [
        ('list.yaml', '- 1'),
        ('empty.yml', ''),
        ('broken.yaml', 'a: [1\n b: {'),
        ('list.json', '[1]'),
        ('broken.json', '{'),
        ('broken.py', '[1, 2'),
        ('names.py', 'model = nobody'),
    ],
)
def test_files_that_are_no_configs(file: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(content)
    for read in (model_config, get_model):
        with pytest.raises(ValueError, match=f'{file}.* cannot be read as a conf') as got:
            read(path)
        assert '\n' not in str(got.value)
    path.write_text('{"_base_": "gone.json"}')
    if path.suffix != '.py':  # the base is what is missed
        with pytest.raises(FileNotFoundError, match=r'gone\.json'):
            model_config(path)


def test_paths_below_the_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From wherever they are asked for; a wrong one names those like it."""
    monkeypatch.chdir(tmp_path)
    for name in ('videomac/demo.py', '_base_/models/videomac.py'):
        for text in (name, f'configs/{name}'):
            assert model_config(text).filename == str(configs_root() / name)
    for folder in ('videomac', 'configs/videomac', str(configs_root() / 'videomac')):
        with pytest.raises(
            FileNotFoundError, match=r'mean: videomac/videomac_resnet50_8'
        ):
            model_config(f'{folder}/videomac_resnet50_8xb64-coslr-100e_ytvoz.py')


def test_random_weights_are_made_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Those of mmengine report each parameter; afterwards the log is as it was."""
    before = logging.root.manager.disable
    model = get_model('videomac/demo')
    assert isinstance(model, VideoMAC)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ''
    assert logging.root.manager.disable == before
    state = model.state_dict()  # initialised all the same: the target is a copy
    copies = [name for name in state if name.startswith('target.')]
    assert copies
    assert all(torch.equal(state[k], state[k.removeprefix('target.')]) for k in copies)


def test_checkpoints(tmp_path: Path) -> None:
    model = get_model('videomac/demo')
    state = {key: torch.randn_like(value) for key, value in model.state_dict().items()}
    path = tmp_path / 'run.pth'
    torch.save({'state_dict': state}, path)
    loaded = get_model('videomac/demo', path).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    del state['decoder.mask_token']
    torch.save({'state_dict': state}, path)
    with pytest.raises(ValueError, match=r'1 missing: decoder\.mask_token'):
        get_model('videomac/demo', str(path))
    with pytest.raises(FileNotFoundError, match='no file'):
        get_model('videomac/demo', tmp_path / 'none.pth')


def test_checkpoint_of_a_propagators_encoder(tmp_path: Path) -> None:
    source = get_model('videomac_resnet18_8xb64-coslr-100e_ytvos')
    assert isinstance(source, VideoMAC)
    path = tmp_path / 'run.pth'
    torch.save({'state_dict': source.state_dict()}, path)
    model = get_model('videomac_resnet18_s8_davis2017', path)
    assert isinstance(model, LabelPropagator)
    assert isinstance(model.backbone, FeatureExtractor)
    own = model.backbone.network.state_dict()
    for key, value in source.encoder.state_dict().items():
        assert torch.equal(own[key], value)


def test_published_weights_of_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a wheel, where all lies in `.mim`, with a metafile that lists a model."""
    mim = tmp_path / '.mim'
    shutil.copytree(configs_root(), mim / 'configs')
    checkpoint = tmp_path / 'published.pth'
    state = get_model('videomac/demo').state_dict()
    torch.save({'state_dict': state}, checkpoint)
    (mim / 'model-index.yml').write_text('Import:\n  - configs/videomac/metafile.yml\n')
    (mim / 'configs/videomac/metafile.yml').write_text(
        'Models:\n'
        '  - Name: videomac_small-thing\n'
        '    Config: configs/videomac/demo.py\n'
        f'    Weights: {checkpoint}\n'
        '  - Name: videomac_no-weights\n'
        '    Config: configs/videomac/demo.py\n'
    )
    monkeypatch.setattr(paths, '_roots', lambda: [mim])
    assert list_models('small*') == ['videomac_small-thing']
    assert 'videomac/demo' in list_models()
    for name in ('videomac_small-thing', 'videomac/demo'):
        loaded = get_model(name, pretrained=True).state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in state.items())
    with pytest.raises(ValueError, match="no weights are published for 'finetune/demo'"):
        get_model('finetune/demo', pretrained=True)


PROPAGATION = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017'


@pytest.mark.parametrize('name', ['videomac/demo', PROPAGATION])
def test_options_that_would_change_nothing(name: str) -> None:
    """Refused with the place that is meant, as on the command line."""
    builders: list[Any] = [get_model]
    key, meant = 'masking.ratio', 'model.masking.ratio'
    if name == PROPAGATION:
        builders += [Propagator.from_config]
        key, meant = 'backbone.type', 'model.backbone.type'
    for build in builders:
        with pytest.raises(ValueError, match=rf'^{key}: nothing reads') as caught:
            build(name, options={key: 0.5})
        assert 'Did you mean ' in str(caught.value)
        assert meant in str(caught.value)
        assert 'print_config.py' not in str(caught.value)
        with pytest.raises(ValueError, match='does not fit the config'):
            build(name, options={'model.type.name': 1})


def test_options_arrive(capfd: pytest.CaptureFixture[str]) -> None:
    model: Any = get_model('videomac/demo', options={'model.masking.ratio': 0.5})
    assert model.masking.ratio == 0.5
    capfd.readouterr()
    options = {'model.topk': 3, 'test_dataloader.dataset.size': 96}
    made = Propagator.from_config(PROPAGATION, 'none', options=options)
    assert (made.model.settings.topk, made.input.size) == (3, 96)
    assert ''.join(capfd.readouterr()) == ''


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='cuda'):
        get_model('videomac/demo', device='cuda')


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r'mean: .*videomac_resnet50_8xb64-coslr-100e'):
        get_model('videomac_resnet50_8xb64-coslr-100e_ytvoz')
    with pytest.raises(ValueError, match=r'mean: .*videomac_convnextv2-tiny'):
        get_model('convnextv2-tiny')
    with pytest.raises(ValueError, match=r'has all names$'):
        get_model('nonsense')
    with pytest.raises(FileNotFoundError, match='no config'):
        get_model('somewhere/else.py')
    with pytest.raises(ValueError, match='no weights are published'):
        get_model('videomac/demo', pretrained=True)


def test_another_preset_replaces_all_of_the_old() -> None:
    """As on the command line of tools/test.py."""
    changes = {'model.preset': 'crw', 'model.topk': 3}
    model = get_model(PROPAGATION, options=changes)
    assert model.settings == PropagationSettings.preset('crw', topk=3)
    assert get_model(PROPAGATION).settings == PropagationSettings.preset('dino')
