"""What the zoo says of a config: sizes and costs, the recipe, the paper's numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..models.videomac import latent_shape
from ..registry import MODELS
from ..sparse import PatchSparse
from ..utils import configs_root, package_file
from ..utils.model_index import ModelIndexError, metafile_models
from .flops import MultiplyAddCounter, multiply_adds
from .paper import paper_tables
from .report import costs, count_parameters
from .rival_cost import is_rival, rival_cost

__all__ = ['ZooCost', 'ZooEntry', 'config_cost', 'measurements', 'stored_costs', 'title']

#: Data of a config by the end of its name.
DATA = {
    'ytvos': 'YouTube-VOS 2018',
    'k400': 'Kinetics-400',
    'videos': 'video files',
    'in1k': 'ImageNet-1K',
    'davis2016': 'DAVIS-2016',
    'davis2017': 'DAVIS-2017',
    'vip': 'VIP',
    'vip-instances': 'VIP, instances',
    'jhmdb': 'JHMDB',
}
WORDS = {
    'convnextv2': 'ConvNeXt V2',
    'convnext': 'ConvNeXt V1',
    'resnet18': 'ResNet-18',
    'resnet50': 'ResNet-50',
    'vit': 'ViT',
    'tiny': 'T',
    'small': 'S',
    'base': 'B',
}
#: What is not fine-tuning.
KINDS = {'-linear-': 'linear probing', '_knn_': 'k-NN'}


@dataclass(frozen=True)
class ZooCost:
    """What a model costs, on one image of the config's size.

    Attributes:
        parameters: Of the encoder; of the whole classifier in fine-tuning.
        dense: Its multiply-adds on the whole image.
        visible: Those on the visible patches; None where nothing is masked.
        decoder_parameters: Of the decoder; None where there is none.
        decoder: Its multiply-adds.
    """

    parameters: int
    dense: int
    visible: int | None = None
    decoder_parameters: int | None = None
    decoder: int | None = None


#: Keys of a metafile's ``Metadata`` for the fields above. What is called FLOPs is
#: multiply-adds, as in most papers.
KEYS = {
    'parameters': 'Parameters',
    'dense': 'FLOPs',
    'visible': 'FLOPs (visible patches)',
    'decoder_parameters': 'Parameters (decoder)',
    'decoder': 'FLOPs (decoder)',
}


def config_cost(config: Config) -> ZooCost | None:
    """Build the model of a config and count.

    Returns:
        The cost; None where there is no model.

    Raises:
        ValueError: Model, patches and image of the config do not fit.
    """
    model = config.get('model')
    if model is None:
        return None
    init_default_scope('videomac')
    size = config.get('image_size', 224)
    if is_rival(model):
        return ZooCost(*rival_cost(model, size))
    if 'masking' not in model or 'decoder' not in model:
        network = MODELS.build(_without_weights(model))
        return ZooCost(
            sum(parameter.numel() for parameter in network.parameters()),
            costs(network, (size, size))[0].dense,
        )
    masking = model.masking
    encoder, channels, cell = _encoder_cost(
        _text(model.encoder), size, masking.patch_size, masking.ratio
    )
    decoder = _decoder_cost(_text(model.decoder), channels, cell, size // cell)
    return ZooCost(*encoder, *decoder)


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)


def _without_weights(model: Any) -> Any:
    """Leave out the checkpoint that training starts from."""
    model = model.to_dict() if hasattr(model, 'to_dict') else dict(model)
    model['backbone'].pop('init_cfg', None)
    return model


@cache
def _encoder_cost(
    config: str, size: int, patch_size: int, ratio: float
) -> tuple[tuple[int, int, int], int, int]:
    """Parameters and multiply-adds, channels of the last map, pixels of its cells."""
    encoder = MODELS.build(json.loads(config))
    counted = multiply_adds(encoder, (size, size), patch_size, ratio)
    channels, cell = latent_shape(encoder, PatchSparse(), patch_size)
    return (count_parameters(encoder), counted.dense, counted.visible), channels, cell


@cache
def _decoder_cost(config: str, channels: int, cell: int, cells: int) -> tuple[int, int]:
    """Parameters and multiply-adds."""
    decoder = MODELS.build(
        json.loads(config), default_args=dict(in_channels=channels, cell_size=cell)
    )
    hidden = torch.ones(1, cells, cells, dtype=torch.bool)
    with torch.no_grad(), MultiplyAddCounter() as counter:
        decoder(torch.zeros(1, channels, cells, cells), hidden)
    return count_parameters(decoder), counter.forward


@dataclass(frozen=True)
class ZooEntry:
    """A config of the zoo.

    Attributes:
        config: Path below ``configs/``.
        collection: Collection of its metafile.
        settings: The config itself.
        cost: What its model costs, if that is known.
    """

    config: str
    collection: str
    settings: Config
    cost: ZooCost | None

    @property
    def name(self) -> str:
        """Name of the config."""
        return Path(self.config).stem

    def paper(self) -> Iterator[tuple[str, dict[str, float]]]:
        """The tables of the paper that have it, and the scores there."""
        for table in paper_tables().values():
            for row in table.rows:
                if row.config == self.config:
                    pairs = zip(table.metrics, row.scores, strict=True)
                    yield table.number, {k: v for k, v in pairs if v is not None}

    def metadata(self) -> dict[str, Any]:
        """The ``Metadata`` of its metafile."""
        found: dict[str, Any] = {}
        data = DATA.get(self.name.split('_')[-1])
        if data is not None and self.settings.get('train_cfg'):
            found['Training Data'] = data
        elif data is not None:
            found['Evaluation Data'] = data
        epochs = (self.settings.get('train_cfg') or {}).get('max_epochs')
        if epochs is not None:
            found['Epochs'] = epochs
            found['Batch Size'] = 8 * self.settings.train_dataloader.batch_size
        if self.cost is not None:
            found['Image Size'] = self.settings.get('image_size', 224)
            values = asdict(self.cost)
            found |= {KEYS[k]: v for k, v in values.items() if v is not None}
        reported = [{'Table': number, **scores} for number, scores in self.paper()]
        if reported:
            found['Reported by the paper'] = reported
        return found

    def model(self) -> dict[str, Any]:
        """Its entry among the ``Models`` of a metafile."""
        entry: dict[str, Any] = {
            'Name': self.name,
            'In Collection': self.collection,
            'Config': f'configs/{self.config}',
            'Metadata': self.metadata(),
        }
        own = [found for found in measurements() if found['config'] == self.config]
        full = [found for found in own if not found.get('changes')]
        if full:
            entry['Results'] = [
                {key.capitalize(): found[key] for key in ('task', 'dataset', 'metrics')}
                for found in full
            ]
        weights = [found['weights'] for found in full if found.get('weights')]
        return entry | ({'Weights': weights[-1]} if weights else {})


def measurements() -> list[dict[str, Any]]:
    """Results of our own, from ``configs/measured.yml``."""
    text = package_file('configs/measured.yml').read_text(encoding='utf-8')
    return list(yaml.safe_load(text) or ())


def stored_costs() -> dict[str, ZooCost]:
    """Costs by config (path below ``configs/``), as the metafiles have them.

    Raises:
        ModelIndexError: A metafile cannot be used, or a cost is no number.
    """
    found = {}
    root = configs_root()
    for path in sorted(root.glob('*/metafile.yml')):
        for model in metafile_models(path):
            values: Any = {name: model.metadata.get(key) for name, key in KEYS.items()}
            if values['parameters'] is None or values['dense'] is None:
                continue
            for name, value in values.items():
                if value is not None and type(value) is not int:
                    raise ModelIndexError(
                        f"'{path}': {KEYS[name]} of the model '{model.name}' is "
                        f'{value!r}, must be a whole number; run '
                        'tools/misc/update_zoo.py'
                    )
            found[model.config.relative_to(root).as_posix()] = ZooCost(**values)
    return found


def title(config: str) -> str:
    """Name the encoder of a config for people, with what is special of it.

    Args:
        config: A config's name, such as ``videomac_convnextv2-tiny_8xb64-...``.
    """
    method, _, rest = Path(config).stem.partition('_')
    words = rest.split('_')[0].split('-')
    special = {
        'isotropic': 'isotropic',
        'released': 'released topology',
        'patch16': '16-pixel patches',
        'p16': '16-pixel patches',
        'patch64': '64-pixel patches',
    }
    tail = [special[word] for word in words if word in special]
    if method != 'videomac':
        tail.append(method.upper())
    tail += [name for key, name in KINDS.items() if key in config]
    parts = [WORDS[word] for word in words if word in WORDS]
    other = [word for word in words if word not in WORDS and word not in special]
    return ', '.join(['-'.join(parts), *tail, *([' '.join(other)] if other else [])])
