"""A whole model of the released VideoMAC: encoder, decoder and target network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import Tensor

from ..utils import find_config
from .architecture import check_encoder, encoder_config
from .mapping import Conversion, Row
from .released_layout import convert_released

__all__ = ['NETWORKS', 'import_whole', 'whole_config']

#: Where the released code keeps its networks, and what their keys begin with in ours.
NETWORKS = {'online_without_ddp': '', 'target_without_ddp': 'target.'}


def import_whole(content: Mapping[str, Any]) -> Conversion:
    """Turn a checkpoint of the released code into a state dict of :class:`VideoMAC`.

    Every tensor of both networks is used, and every tensor of the model is there: the
    model is built from the shapes and compared.

    Args:
        content: What the file holds.

    Returns:
        The state dict, for a ``released-`` config, with a row for each tensor.

    Raises:
        ValueError: If a network is missing, or if tensors are missing, unknown or of
            another shape; the message lists them.
    """
    state: dict[str, Tensor] = {}
    rows = []
    for place, prefix in NETWORKS.items():
        network = content.get(place)
        if not isinstance(network, Mapping):
            raise ValueError(
                f"a whole model of the released VideoMAC has '{place}'; this file has "
                f'{list(content)[:5]}'
            )
        for name, value in network.items():
            ((new, changed),) = convert_released({name: value}).items()
            key = prefix + new
            if key in state:
                raise ValueError(f"'{name}' and another tensor both go to '{key}'")
            state[key] = changed
            source, target = tuple(value.shape), tuple(changed.shape)
            rows.append(Row(f'{place}.{name}', source, key, target))
    check_encoder(state, whole_config(state))
    return Conversion(state, rows)


def whole_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the config of a model of the released code from names and shapes.

    Args:
        state: State dict of :class:`VideoMAC`.

    Raises:
        ValueError: If it has no encoder of the released code, or no decoder.
    """
    encoder = encoder_config(
        {
            name.removeprefix('encoder.'): value
            for name, value in state.items()
            if name.startswith('encoder.')
        }
    )
    head, first = state.get('decoder.pred.weight'), state.get('decoder.proj.weight')
    if encoder is None or head is None or first is None:
        raise ValueError(
            'there is no encoder of the released VideoMAC, or no decoder (proj, pred)'
        )
    blocks = {m[1] for name in state if (m := re.match(r'decoder\.blocks\.(\d+)', name))}
    base = Config.fromfile(find_config('_base_/models/videomac.py')).model
    model: dict[str, Any] = base.to_dict()
    model['encoder'] = encoder
    # Its decoder predicts the three colours of all pixels of a patch.
    model['masking']['patch_size'] = math.isqrt(len(head) // 3)
    model['decoder'] |= dict(dim=len(first), depth=len(blocks))
    return model
