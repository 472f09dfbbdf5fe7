"""Features after import equal what the original layouts mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from mmengine.registry import init_default_scope
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.convnext import ConvNeXt as TorchvisionConvNeXt

from tests.checkpoints import layouts, reference
from tests.models import released_reference
from tests.models.test_released import (
    DEPTHS,
    released_convnext,
    released_isotropic,
    released_resnet,
)
from videomac.checkpoints import (
    Conversion,
    check_encoder,
    encoder_config,
    import_state,
)
from videomac.registry import MODELS

State = dict[str, Tensor]
SIZE = layouts.GRID * layouts.PATCH


def encoder(state: State) -> nn.Module:
    """Build the encoder that the shapes tell of, and load every tensor."""
    init_default_scope('videomac')
    config = encoder_config(state, num_heads=layouts.HEADS)
    assert config is not None
    check_encoder(state, config)
    network: nn.Module = MODELS.build(config).double()
    network.eval()  # mmpretrain's ConvNeXt returns nothing here
    network.load_state_dict(state, strict=True)
    return network


def taken(state: State, size: int = SIZE, name: str = 'auto') -> tuple[Conversion, str]:
    """Import; every tensor of the source has one row, and every new one too."""
    done, found = import_state(state, name, size)
    assert sorted(row.source for row in done.rows if row.source) == sorted(state)
    assert {row.target for row in done.rows if row.target} == set(done.state)
    assert all(row.reason for row in done.rows if not (row.source and row.target))
    return done, found.name


def no_last(state: State) -> State:
    return {k: v for k, v in state.items() if not k.startswith(('norm.', 'head.'))}


CONVNEXTS: dict[str, tuple[Callable[[], State], Callable[[State, Tensor], Tensor]]] = {
    f'{name} {version}': (
        lambda table=table, v2=v2: layouts.convnext(table, v2),
        lambda state, x, table=table: reference.convnext(state, table, x, last=True),
    )
    for name, table, v2, version in (
        ('convnext', layouts.FACEBOOK, False, 'V1'),
        ('convnext', layouts.FACEBOOK, True, 'V2'),
        ('timm-convnext', layouts.TIMM, False, 'V1'),
        ('timm-convnext', layouts.TIMM, True, 'V2'),
        ('torchvision-convnext', layouts.TORCHVISION, False, 'V1'),
    )
} | {
    'fcmae sparse': (layouts.fcmae, reference.fcmae),
    'convnext FCMAE, dense': (
        lambda: no_last(layouts.convnext(layouts.FACEBOOK, True)),
        lambda state, x: reference.convnext(state, layouts.FACEBOOK, x, last=False),
    ),
    'spark ConvNeXt': (
        lambda: layouts.spark(layouts.convnext(layouts.FACEBOOK, False, head=False)),
        lambda state, x: reference.convnext(
            {k.removeprefix('sparse_encoder.sp_cnn.'): v for k, v in state.items()},
            layouts.FACEBOOK,
            x,
            last=True,
        ),
    ),
}
VITS: dict[str, tuple[Callable[[], State], Callable[[State, Tensor], Tensor]]] = {
    'vit MAE': (layouts.mae, reference.mae),
    'vit DINO': (lambda: layouts.mae(decoder=False), reference.mae),
    'dropmae': (layouts.dropmae, reference.dropmae),
    'mae-st': (layouts.mae_st, reference.mae_st),
    'videomae': (layouts.videomae, reference.videomae),
}


@pytest.mark.parametrize('case', [*CONVNEXTS, *VITS])
def test_features(case: str) -> None:
    make, forward = (CONVNEXTS | VITS)[case]
    state = make()
    done, name = taken(state)
    assert name == case.split()[0]
    size = 64 if case in CONVNEXTS else SIZE
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    (got,) = encoder(done.state)(images)
    expected = forward(state, images)
    assert expected.std() > 0.1
    # VideoMAE computes in double what it stores in single precision, and so on.
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def random_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)


def moco_v3(state: State, head: str) -> State:
    """Add what MoCo v3 trains beside the encoder, whose head becomes a perceptron."""
    inner = {k: v for k, v in state.items() if not k.startswith(f'{head}.')}
    inner |= {f'{head}.0.weight': torch.zeros(4, 4), f'{head}.1.bias': torch.zeros(4)}
    return (
        {f'base_encoder.{k}': v for k, v in inner.items()}
        | {f'momentum_encoder.{k}': v + 1 for k, v in inner.items()}
        | {'predictor.0.weight': torch.zeros(4, 4)}
        | {'predictor.4.running_mean': torch.zeros(4)}
    )


WRAPPED: dict[str, Callable[[State], State]] = {
    'torchvision': lambda s: s,
    'timm': lambda s: s,
    'moco': lambda s: (
        {f'module.encoder_q.{k}': v for k, v in s.items() if k[:3] != 'fc.'}
        | {f'module.encoder_k.{k}': v + 1 for k, v in s.items()}
        | {'module.encoder_q.fc.0.weight': torch.zeros(4, 4)}
        | {'module.queue': torch.zeros(4, 4), 'module.queue_ptr': torch.zeros(1)}
    ),
    'densecl': lambda s: (
        {f'backbone.{k}': v for k, v in s.items() if k[:3] != 'fc.'}
        | {f'encoder_q.0.{k}': v for k, v in s.items() if k[:3] != 'fc.'}
        | {'encoder_q.1.mlp.0.weight': torch.zeros(4, 4)}
        | {f'encoder_k.0.{k}': v + 1 for k, v in s.items()}
        | {'queue': torch.zeros(4, 4), 'queue2': torch.zeros(4, 4)}
        | {'queue_ptr': torch.zeros(1), 'queue2_ptr': torch.zeros(1)}
    ),
    'moco v3': lambda s: moco_v3(s, 'fc'),
    'mmpretrain': lambda s: (
        {f'backbone.{k}': v for k, v in s.items() if k[:3] != 'fc.'}
        | {'head.fc.weight': torch.zeros(4, 4)}
    ),
    'spark': lambda s: layouts.spark({k: v for k, v in s.items() if k[:3] != 'fc.'}),
}


@pytest.mark.parametrize('depth', [18, 50])
def test_resnet_equals_torchvision(depth: int) -> None:
    """Its wrappings give the same tensors; the network is torchvision's itself."""
    network = getattr(torchvision.models, f'resnet{depth}')().double().eval()
    random_statistics(network)
    original = network.state_dict()
    wrappings = WRAPPED if depth == 18 else {'torchvision': WRAPPED['torchvision']}
    states = {
        name: taken(wrap(original), name=name.split()[0])
        for name, wrap in wrappings.items()
    }
    found = {name: by for name, (_, by) in states.items()}
    expected = {name: 'spark' if name == 'spark' else 'resnet' for name in wrappings}
    assert found == expected
    plain = states['torchvision'][0].state
    for done, _ in states.values():
        assert done.state.keys() == plain.keys()
        assert all(torch.equal(done.state[k], plain[k]) for k in plain)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    stages = nn.Sequential(*list(network.children())[:-2])
    (got,) = encoder(plain)(images)
    torch.testing.assert_close(got, stages(images), rtol=1e-9, atol=1e-9)


def positions(side: int, width: int) -> tuple[Tensor, Tensor]:
    """The fixed position embeddings of MoCo v3 and of MAE, with a class token."""
    rates = 1 / 10000 ** (torch.arange(width // 4) / (width // 4))
    ways = []
    for indexing in ('ij', 'xy'):
        grids = torch.meshgrid(torch.arange(side), torch.arange(side), indexing=indexing)
        angles = [torch.outer(grid.flatten().float(), rates) for grid in grids]
        waves = torch.cat([wave for a in angles for wave in (a.sin(), a.cos())], dim=1)
        ways.append(torch.cat((torch.zeros(1, width), waves))[None])
    return ways[0], ways[1]


def test_vit_of_moco_v3_equals_timm() -> None:
    """ViT-S has 12 heads, and the same positions as MAE's, which has 6, but turned."""
    moco, mae = positions(side=3, width=384)
    for table, heads, wrap in ((moco, 12, True), (mae, 6, False)):
        network = VisionTransformer(48, 16, embed_dim=384, depth=2, num_heads=heads)
        network.pos_embed = nn.Parameter(table)
        state = network.double().eval().state_dict()
        wrapped = moco_v3(state, 'head') if wrap else state
        done, found = import_state({f'module.{k}': wrapped[k] for k in wrapped}, 'moco')
        assert found.name == 'vit'
        assert taken(wrapped)[0].state.keys() == done.state.keys()
        config = encoder_config(done.state)
        assert config is not None
        assert config['arch']['num_heads'] == heads
        init_default_scope('videomac')
        ours = MODELS.build(config).double()
        ours.eval()
        ours.load_state_dict(done.state, strict=True)
        images = torch.randn(1, 3, 48, 48, dtype=torch.float64)
        expected = network.forward_features(images)[:, 1:].transpose(1, 2)
        torch.testing.assert_close(ours(images)[0].flatten(2), expected)


def test_convnext_equals_torchvision() -> None:
    """The names above are those of the installed library."""
    blocks = [CNBlockConfig(4, 6, 1), CNBlockConfig(6, 8, 2), CNBlockConfig(8, 10, 1)]
    blocks.append(CNBlockConfig(10, None, 1))
    network = TorchvisionConvNeXt(blocks, layer_scale=0.5).double().eval()
    state, name = taken(network.state_dict())
    assert name == 'torchvision-convnext'
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = network.classifier[0](network.features(images))
    (got,) = encoder(state.state)(images)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


RELEASED: dict[str, tuple[Callable[[], State], Callable[..., Tensor], int]] = {
    'V2': (
        lambda: released_convnext(True).state,
        lambda s, x, m: released_reference.convnext(s, x, m, DEPTHS),
        32,
    ),
    'V1': (
        lambda: released_convnext(False).state,
        lambda s, x, m: released_reference.convnext(s, x, m, DEPTHS),
        32,
    ),
    'isotropic': (
        lambda: released_isotropic().state,
        lambda s, x, m: released_reference.isotropic(s, x, m, 3),
        16,
    ),
    'resnet18': (
        lambda: released_resnet(18).state,
        lambda s, x, m: released_reference.resnet(s, x, m, [2, 2, 2, 2]),
        32,
    ),
    'resnet50': (
        lambda: released_resnet(50).state,
        lambda s, x, m: released_reference.resnet(s, x, m, [3, 4, 6, 3]),
        32,
    ),
}


@pytest.mark.parametrize('case', RELEASED)
def test_released(case: str) -> None:
    """On one image with all patches visible, where GRN over the batch is GRN."""
    make, forward, patch = RELEASED[case]
    state = make()
    done, name = taken(state)
    assert name == 'released'
    images = torch.randn(1, 3, 2 * patch, 2 * patch, dtype=torch.float64)
    inner = {k.removeprefix('encoder.'): v for k, v in state.items()}
    mask = torch.ones(1, 2, 2, dtype=torch.float64)
    expected = forward(inner, images, mask).permute(0, 3, 1, 2)
    got = encoder(done.state)(images)[-1]
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_finetuned_videomae() -> None:
    """The same tensors without prefix; the norm is the classifier's, after pooling."""
    before, _ = taken(layouts.videomae())
    tuned = {
        key.removeprefix('encoder.'): value
        for key, value in layouts.videomae().items()
        if key.startswith('encoder.') and not key.startswith('encoder.norm.')
    }
    tuned |= {'fc_norm.weight': torch.ones(8), 'head.weight': torch.zeros(5, 8)}
    done, name = taken(tuned)
    assert name == 'videomae'
    assert before.state.keys() - done.state.keys() == {'ln1.weight', 'ln1.bias'}
    assert all(torch.equal(before.state[k], v) for k, v in done.state.items())
    encoder(done.state)


def test_parallel_training_and_aliases() -> None:
    """``module.`` before every key changes nothing; names of methods are understood."""
    plain = layouts.mae()
    wrapped = {f'module.{k}': v for k, v in plain.items()}
    first, _ = import_state(plain)
    for name in ('auto', 'mae', 'dino', 'siammae', 'rc-mae', 'croc', 'timm'):
        done, _ = import_state(wrapped, name)
        assert all(torch.equal(done.state[k], v) for k, v in first.state.items())


def test_teacher_of_dino_and_croc() -> None:
    """Backbone and heads side by side, with the prefix of parallel training."""
    plain = layouts.mae(decoder=False)
    state = {f'module.backbone.{key}': value for key, value in plain.items()}
    state['module.head.mlp.0.weight'] = torch.zeros(3, 8)
    state['module.head.last_layer_c.weight_g'] = torch.zeros(3, 1)
    done, _ = import_state(state, 'croc')
    first, _ = import_state(plain, 'dino')
    assert done.state.keys() == first.state.keys()
    assert all(torch.equal(done.state[k], v) for k, v in first.state.items())
    assert 'head.mlp.0.weight [3, 8] -> left out: head' in done.table()
