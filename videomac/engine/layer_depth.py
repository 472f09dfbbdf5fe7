"""How deep in a network each parameter is, for any network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import nn

__all__ = ['layer_depths']

#: Side in pixels of the trial image; ViTs are made for this one.
TRIAL_SIZE = 224
SEQUENCES = (nn.Sequential, nn.ModuleList)
MAPPINGS = (nn.Linear, nn.modules.conv._ConvNd)


def layer_depths(
    network: nn.Module, blocks_per_layer: int = 1, stem_apart: bool = False
) -> tuple[dict[str, int], int]:
    """Number the layers of a network and say in which each parameter is.

    Networks are chains of blocks. A block is an element of a sequence that has at least
    two convolutions or linear maps and holds no smaller block; elements of one sequence
    form a stage. The order is that in which a trial run without data meets the blocks.
    What comes between two of them (down-sampling, norms) belongs to the later one, what
    comes after the last belongs to the head.

    ``blocks_per_layer=1`` is the layering that FCMAE calls 'single' (Woo et al., ConvNeXt
    V2, 2023), ``blocks_per_layer=3, stem_apart=True`` that of BEiT as ConvNeXt and SparK
    use it.

    Args:
        network: Any that maps images [B, 3, H, W].
        blocks_per_layer: The most blocks that share a layer; a stage is cut into equal
            shares.
        stem_apart: Whether what comes before the first block is a layer of its own, 0,
            instead of part of layer 1.

    Returns:
        Layers by the names of the parameters, from 0 (the stem, if apart) or 1 to the
        number of layers N, and N + 1 for what belongs to the head; and N.

    Raises:
        ValueError: If the network has no blocks, or the trial fails.
    """
    if blocks_per_layer < 1:
        raise ValueError(f'blocks_per_layer must be positive, got {blocks_per_layer}')
    blocks = _blocks(network)
    met = _in_order(network)
    order = list(dict.fromkeys(b for b in (_owner(name, blocks) for name in met) if b))
    if not order:
        raise ValueError(
            f'{type(network).__name__} is no chain of blocks, so its layers cannot be '
            'numbered: give it a method get_layer_depth, or set layer_decay_rate=1.0'
        )
    layers = _share(order, blocks_per_layer)
    total = max(layers.values())
    # Leaves before the first block, then each block's number, then beyond the last.
    depth_of: dict[str, int] = {}
    waiting: list[str] = []
    for name in met:
        owner = _owner(name, blocks)
        if owner is None:
            waiting.append(name)
            continue
        first = owner == order[0] and stem_apart
        depth_of.update(dict.fromkeys(waiting, 0 if first else layers[owner]))
        waiting.clear()
    depth_of.update(dict.fromkeys(waiting, total + 1))
    return {
        name: _depth(name, blocks, layers, depth_of, 0 if stem_apart else 1, total + 1)
        for name, _ in network.named_parameters()
    }, total


def _depth(
    parameter: str,
    blocks: set[str],
    layers: dict[str, int],
    depth_of: dict[str, int],
    stem: int,
    head: int,
) -> int:
    """Look up the layer of a parameter."""
    owner = _owner(parameter, blocks)
    if owner is not None:
        return layers.get(owner, head)  # a block that never runs: anywhere
    module = parameter.rpartition('.')[0]
    # Parameters of the network itself are tokens and positions, which enter first.
    return stem if not module else depth_of.get(module, head)


def _blocks(network: nn.Module) -> set[str]:
    """Names of the blocks."""
    found: set[str] = set()
    modules = dict(network.named_modules())
    for name in reversed(modules):  # parts come after what they are part of
        module = modules[name]
        parent = modules.get(name.rpartition('.')[0])
        if not isinstance(parent, SEQUENCES) or isinstance(module, SEQUENCES):
            continue
        maps = sum(isinstance(part, MAPPINGS) for part in module.modules())
        if maps >= 2 and not any(known.startswith(f'{name}.') for known in found):
            found.add(name)
    return found


def _owner(name: str, blocks: set[str]) -> str | None:
    """The block that a module or parameter is part of."""
    while name:
        if name in blocks:
            return name
        name = name.rpartition('.')[0]
    return None


def _share(order: Sequence[str], most: int) -> dict[str, int]:
    """Number the blocks; those of a stage are dealt out in equal shares."""
    layers: dict[str, int] = {}
    before = 0
    for _, names in groupby(order, key=lambda name: name.rpartition('.')[0]):
        stage = list(names)
        count = -(-len(stage) // most)
        size, larger = divmod(len(stage), count)
        bounds = [share * size + min(share, larger) for share in range(count + 1)]
        for share in range(count):
            for name in stage[bounds[share] : bounds[share + 1]]:
                layers[name] = before + share + 1
        before += count
    return layers


def _in_order(network: nn.Module) -> list[str]:
    """Names of the modules with parameters of their own, in the order of a trial run."""
    trial = copy.deepcopy(network).to('meta')
    trial.eval()  # some networks return nothing here
    met: list[str] = []
    for name, module in trial.named_modules():
        if name and any(True for _ in module.parameters(recurse=False)):
            module.register_forward_pre_hook(lambda *_, name=name: met.append(name))
    image = torch.empty(1, 3, TRIAL_SIZE, TRIAL_SIZE, device='meta')
    try:
        with torch.no_grad():
            trial(image)
    except Exception as error:
        raise ValueError(
            f'the layers of {type(network).__name__} cannot be numbered: a trial run '
            f'without data failed with {type(error).__name__}: {error}'
        ) from error
    return list(dict.fromkeys(met))
