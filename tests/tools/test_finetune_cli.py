"""Fine-tuning from the command line to the printed accuracy, and the configs for it."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from videomac.registry import DATASETS, HOOKS, LOOPS, MODELS, OPTIM_WRAPPERS
from videomac.utils import expand_shortcuts, merge_options
from videomac.utils.paths import configs_root, tools_root

pytestmark = pytest.mark.usefixtures('quiet_scope')
ROOT = configs_root() / 'finetune'
CONFIGS = sorted(ROOT.glob('*.py'))
TINY = [
    'model.backbone.arch.depths=[1,1]',
    'model.backbone.arch.channels=[8,16]',
    'model.head.in_channels=16',
]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, tools_root() / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds(path: Path) -> None:
    cfg = Config.fromfile(path)
    model: Any = MODELS.build(cfg.model)
    # The encoder is the one that is pre-trained: the same class, the same weights.
    folder = configs_root() / 'videomac'
    before = 'demo' if path.stem == 'demo' else cfg.pretraining
    pretrained = Config.fromfile(folder / f'{before}.py').model.encoder
    encoder = MODELS.build(pretrained)
    assert type(model.backbone) is type(encoder)
    shapes = {name: value.shape for name, value in encoder.state_dict().items()}
    own = {name: value.shape for name, value in model.backbone.state_dict().items()}
    assert own == shapes
    assert cfg.checkpoint == cfg.model.backbone.init_cfg.checkpoint
    for hook in [*cfg.get('custom_hooks', []), *cfg.default_hooks.values()]:
        assert HOOKS.get(hook['type']) is not None, hook
    if 'knn' in path.stem:
        assert LOOPS.get(cfg.test_cfg.type) is not None
        assert (cfg.test_cfg.k, cfg.test_cfg.temperature) == (20, 0.07)
    else:
        assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type) is not None
        assert cfg.default_hooks.strict_load.type == 'StrictLoadHook'
    if '_8xb' in path.stem:
        assert f'_8xb{cfg.train_dataloader.batch_size}-' in path.name
        batch = 8 * cfg.train_dataloader.batch_size
        assert cfg.auto_scale_lr.base_batch_size == batch
        assert ('-amp-' in path.name) == (cfg.optim_wrapper.type == 'AmpOptimWrapper')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shortcuts_name_places_that_have_the_value(path: Path) -> None:
    cfg = Config.fromfile(path)
    for name, places in cfg.shortcuts.items():
        for place in places:
            node: Any = cfg
            for part in place.split('.'):
                node = node[int(part)] if isinstance(node, list) else node[part]
            assert node == cfg[name], place


#: Lr at the batch of the recipe, epochs, warm-up, layer decay and stochastic depth.
RECIPES = {
    # ConvNeXt V2's TRAINING.md: blr 8e-4, batch 1024
    'convnextv2-tiny': (8e-4 * 1024 / 256, 300, 40, 0.9, 0.2),
    'convnext-tiny': (8e-4 * 1024 / 256, 300, 40, 0.9, 0.1),
    # SparK's downstream_imagenet: base_lr 2e-3, batch 4096
    'resnet50': (2e-3 * 4096 / 256, 300, 5, 0.7, 0.05),
}
#: Encoders that are fine-tuned by the recipe of another, and their blocks a stage.
OTHERS = {
    'released-convnextv2-tiny': ('convnextv2-tiny', [3, 3, 9, 3]),
    'released-convnextv2-small': ('convnextv2-tiny', [3, 3, 27, 3]),
    'released-convnextv2-base': ('convnextv2-tiny', [3, 3, 27, 3]),
    'isotropic-convnextv2-small': ('convnextv2-tiny', [18]),
    'released-convnext-tiny': ('convnext-tiny', [3, 3, 9, 3]),
    'released-convnext-small': ('convnext-tiny', [3, 3, 27, 3]),
    'released-resnet18': ('resnet50', [2, 2, 2, 2]),
    'released-resnet50': ('resnet50', [3, 4, 6, 3]),
}
RECIPES |= {name: RECIPES[like] for name, (like, _) in OTHERS.items()}


@pytest.mark.parametrize('name', RECIPES)
def test_recipe(name: str) -> None:
    (path,) = ROOT.glob(f'videomac_{name}_*-300e_in1k.py')
    cfg = Config.fromfile(path)
    got = (
        cfg.optim_wrapper.optimizer.lr,
        cfg.train_cfg.max_epochs,
        cfg.param_scheduler[0].end,
        cfg.optim_wrapper.paramwise_cfg.layer_decay_rate,
        cfg.model.backbone.drop_path_rate,
    )
    assert got == pytest.approx(RECIPES[name])
    assert cfg.model.head.loss.label_smooth_val == 0.1
    assert [a.type for a in cfg.model.train_cfg.augments] == ['Mixup', 'CutMix']
    assert cfg.custom_hooks[0].momentum == pytest.approx(1 - 0.9999)


@pytest.mark.parametrize('name', OTHERS)
def test_released_and_isotropic_encoders_classify(name: str) -> None:
    """Logits come out, and the learning rate decays through all blocks."""
    (path,) = ROOT.glob(f'videomac_{name}_*-300e_in1k.py')
    cfg = Config.fromfile(path)
    model: Any = MODELS.build(cfg.model)
    settings = cfg.optim_wrapper.paramwise_cfg
    wrapper = build_optim_wrapper(
        model,
        {k: v for k, v in cfg.optim_wrapper.items() if k != 'loss_scale'}
        | dict(type='OptimWrapper'),
    )
    groups = wrapper.optimizer.param_groups
    lrs = sorted({group['lr'] for group in groups}, reverse=True)
    blocks = sum(math.ceil(n / settings.blocks_per_layer) for n in OTHERS[name][1])
    layers = blocks + 1 + settings.stem_apart  # the head is one
    lr, decay = cfg.optim_wrapper.optimizer.lr, settings.layer_decay_rate
    assert lrs == pytest.approx([lr * decay**depth for depth in range(layers)])
    model.eval()
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 1000)


def test_a_shortcut_sets_every_place_and_places_win() -> None:
    cfg = dict(shortcuts=dict(a=['x.a', 'y.a'], b=['z.b']))
    got = expand_shortcuts(cfg, {'a': 1, 'y.a': 2, 'c': 3})
    assert got == {'a': 1, 'x.a': 1, 'y.a': 2, 'c': 3}
    assert expand_shortcuts({}, None) == {}


def test_the_pipelines_give_batches(tmp_path: Path) -> None:
    draw(tmp_path, per_class=2)
    cfg = Config.fromfile(ROOT / 'videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        dataset: Any = DATASETS.build(loader.dataset | dict(data_root=str(tmp_path)))
        assert dataset.CLASSES == ('discs', 'stripes')
        sample = dataset[3]
        assert sample['inputs'].shape == (3, 224, 224)
        assert sample['data_samples'].gt_label.tolist() == [1]


def draw(root: Path, per_class: int = 12) -> None:
    """Two classes that colour tells apart: red discs and blue stripes."""
    generator = np.random.default_rng(0)
    for split in ('train', 'val'):
        for kind in ('discs', 'stripes'):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for index in range(per_class):
                image = generator.integers(0, 60, (48, 56, 3), dtype=np.uint8)
                if kind == 'discs':
                    middle = tuple(int(x) for x in generator.integers(16, 32, 2))
                    cv2.circle(image, middle, 16, (30, 30, 220), -1)
                else:
                    image[generator.integers(0, 4) :: 4] = (220, 30, 30)
                cv2.imwrite(str(folder / f'{index}.png'), image)


def options(data: Path, checkpoint: Path | None, *more: str) -> list[str]:
    """Command-line options of a tiny run."""
    return [
        '--cfg-options',
        f'data_root={data}',
        f'checkpoint={checkpoint}',
        'num_classes=2',
        'batch_size=8',
        'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
        *TINY,
        *more,
    ]


def tiny_encoder(path: Path) -> dict[str, Any]:
    """Save a checkpoint of pre-training with the encoder of these runs."""
    cfg = Config.fromfile(configs_root() / 'videomac' / 'demo.py').model
    cfg.encoder.arch = dict(depths=[1, 1], channels=[8, 16])
    cfg.decoder.dim = 8
    torch.manual_seed(3)
    model: Any = MODELS.build(cfg)
    torch.save(dict(state_dict=model.state_dict()), path)
    state: dict[str, Any] = model.encoder.state_dict()
    return state


def test_fine_tuning_and_testing(tmp_path: Path) -> None:
    draw(tmp_path / 'data')
    state = tiny_encoder(tmp_path / 'pre.pth')
    work = tmp_path / 'work'
    given = options(tmp_path / 'data', tmp_path / 'pre.pth')
    short = ['max_epochs=6', 'warmup_epochs=1', 'lr=0.01', 'custom_hooks.0.momentum=0.2']
    few = [*short, 'train_cfg.val_interval=6', 'default_hooks.checkpoint.interval=6']
    tool('train').main([str(ROOT / 'demo.py'), '--work-dir', str(work), *given, *few])
    done = torch.load(work / 'epoch_6.pth', weights_only=True)['state_dict']
    moved = {name: done[f'backbone.{name}'] - value for name, value in state.items()}
    assert all(change.abs().max() < 1 for change in moved.values())  # it started there
    assert any(change.abs().max() > 0 for change in moved.values())
    test = tool('test').main
    arguments = ['--work-dir', str(work / 'test'), *given]
    results = test([str(ROOT / 'demo.py'), str(work / 'epoch_6.pth'), *arguments])
    assert results['accuracy/top1'] == 100
    with pytest.raises(SystemExit, match=r'of another shape|missing'):
        test([str(ROOT / 'demo.py'), str(tmp_path / 'pre.pth'), *arguments])
    with pytest.raises(SystemExit, match='checkpoint of a fine-tuning run'):
        test([str(ROOT / 'demo.py'), *arguments])


def test_weights_that_do_not_fit_end_the_training(tmp_path: Path) -> None:
    """In one message with the list, not in a traceback."""
    draw(tmp_path / 'data', per_class=1)
    state = tiny_encoder(tmp_path / 'pre.pth')
    wrong = {f'encoder.{name}': value for name, value in state.items()}
    wrong['encoder.surplus'] = wrong.pop('encoder.norm1.bias')
    torch.save(dict(state_dict=wrong), tmp_path / 'wrong.pth')
    given = options(tmp_path / 'data', tmp_path / 'wrong.pth', 'batch_size=2')
    work = ['--work-dir', str(tmp_path / 'work')]
    with pytest.raises(SystemExit) as error:
        tool('train').main([str(ROOT / 'demo.py'), *work, *given])
    text = str(error.value)
    assert text.startswith("train.py: the checkpoint '")
    assert '1 missing: norm1.bias' in text
    assert '1 unexpected: surplus' in text
    # And so with a whole model.
    load = f'load_from={tmp_path / "pre.pth"}'
    given = options(tmp_path / 'data', None, 'batch_size=2', load)
    with pytest.raises(SystemExit, match=r'train\.py: .* does not fit ImageClassifier'):
        tool('train').main([str(ROOT / 'demo.py'), *work, *given])


def knn_config(folder: Path) -> Path:
    """A config of k-NN whose encoder is that of these runs."""
    path = folder / 'knn.py'
    path.write_text(
        f"_base_ = ['{ROOT / 'videomac_convnextv2-tiny_knn_in1k.py'}']\n"
        "model = dict(backbone=dict(_delete_=True, type='mmpretrain.ConvNeXt',\n"
        '    arch=dict(depths=[1, 1], channels=[8, 16]), stem_patch_size=8,\n'
        '    out_indices=[1], use_grn=True, layer_scale_init_value=0.0,\n'
        "    init_cfg=dict(type='Pretrained', checkpoint=None)))\n"
        'test_dataloader = dict(num_workers=0, persistent_workers=False)\n'
        'test_cfg = dict(bank_dataloader=dict(num_workers=0))\n'
    )
    return path


def knn_of_colours(folder: Path) -> Config:
    """A config of k-NN on data that colour alone tells apart, and its pre.pth."""
    draw(folder / 'data', per_class=6)
    tiny_encoder(folder / 'pre.pth')
    cfg = Config.fromfile(knn_config(folder))
    given = dict(num_classes=2, k=3, batch_size=5, data_root=str(folder / 'data'))
    merge_options(cfg, given | dict(work_dir=str(folder / 'work')))
    return cfg


def test_knn_of_a_pre_training_checkpoint(tmp_path: Path) -> None:
    draw(tmp_path / 'data', per_class=6)
    tiny_encoder(tmp_path / 'pre.pth')
    config = str(knn_config(tmp_path))
    given = ['--work-dir', str(tmp_path / 'w'), '--cfg-options', 'num_classes=2', 'k=3']
    given += [f'data_root={tmp_path / "data"}', 'batch_size=5']
    results = tool('test').main([config, str(tmp_path / 'pre.pth'), *given])
    assert results == {'accuracy/top1': 100.0}  # colour alone tells the classes apart
    torch.save(
        dict(state_dict={'encoder.conv.weight': torch.ones(2)}), tmp_path / 'b.pth'
    )
    with pytest.raises(SystemExit, match=r'does not fit ConvNeXt'):
        tool('test').main([config, str(tmp_path / 'b.pth'), *given])
