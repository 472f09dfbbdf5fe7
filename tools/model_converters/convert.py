#!/usr/bin/env python
"""Convert a checkpoint of another project to ours, or ours to another library."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import mmengine
import mmpretrain
import torch
from torch import Tensor, nn

import videomac.models  # noqa: F401  (registers the released encoders)
from videomac import __version__
from videomac.apis.zoo import model_config
from videomac.checkpoints import (
    ALIASES,
    FORMATS,
    NETWORKS,
    TARGETS,
    Format,
    check_encoder,
    choose_config,
    encoder_config,
    export_state,
    find_header,
    format_of,
    import_state,
    import_whole,
    pick_network,
    read_checkpoint,
    to_bytes,
    to_onnx,
    whole_config,
    write_file,
)
from videomac.checkpoints.encoder_part import (
    class_of,
    encoder_part,
    number_of_heads,
    stored_encoder,
)
from videomac.models.propagation.stages import LastStage
from videomac.registry import MODELS
from videomac.utils.quiet import quiet_log

#: Under which key the libraries look for the state dict of a .pth.
ENTRY = {
    'encoder': 'state_dict',
    'backbone': 'state_dict',
    'model': 'state_dict',
    'convnext': 'model',
}

#: What is made of our own config of the encoder, whatever that is.
OURS = ('encoder', 'onnx')


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    names = sorted({each.name for each in FORMATS} | {*ALIASES})
    add('format', metavar='FORMAT', help=f'format of SRC: {", ".join(names)}')
    add('src', metavar='SRC', help='checkpoint to read: .pth or .safetensors')
    add('dst', metavar='DST', nargs='?', help='to write: .pth, .safetensors or .onnx')
    add(
        '--to',
        choices=(*TARGETS, 'onnx', 'model'),
        default='encoder',
        help="layout of DST: our encoder's, with the prefix backbone. for mmpretrain, "
        "mmdet and mmseg, timm's, torchvision's, that of ConvNeXt's authors, a graph of "
        'ONNX, or the whole model of a released VideoMAC, to go on training [encoder]',
    )
    add(
        '--network',
        choices=['online', 'target'],
        help='which of two networks of the file [online; the teacher of DINO and CrOC]',
    )
    add('--dry-run', action='store_true', help='print what goes where, write nothing')
    add('--config', help="config with this encoder [SRC's, or what its shapes tell]")
    add('--image-size', type=int, default=224, help='pixels, for VideoMAE, ONNX [224]')
    add('--num-heads', type=int, help="heads of a ViT [its config's, or published]")
    add(
        '--allow-unknown',
        action='store_true',
        help='leave out tensors that the format does not know, instead of refusing',
    )
    add('--force', action='store_true', help='write over DST if it exists')
    return parser


def make_header(
    config: Mapping[str, Any] | None,
    found: Format,
    args: argparse.Namespace,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe the encoder in plain data; ``before`` is the header of SRC."""
    mean, std = found.pixels
    return dict(
        architecture=None if config is None else config['type'],
        config=None if config is None else dict(config),
        mean=list(before.get('mean', mean)),
        std=list(before.get('std', std)),
        source_format=found.name,
        layout=args.to,
        versions=dict(
            videomac=__version__,
            torch=str(torch.__version__),
            mmengine=mmengine.__version__,
            mmpretrain=mmpretrain.__version__,
        ),
    )


def read_config(name: str) -> dict[str, Any]:
    """Read the config of the encoder out of that of a model, as load_encoder does."""
    try:
        return encoder_part(model_config(name).to_dict())
    except ValueError as error:
        raise ValueError(f"--config '{name}': {error}") from error


def features(
    state: Mapping[str, Tensor], config: Mapping[str, Any], images: Tensor
) -> Tensor:
    """Compute what an encoder makes of images."""
    network: nn.Module = MODELS.build(dict(config))
    network.load_state_dict(dict(state))
    with torch.no_grad():
        return LastStage(network).eval()(images)


def is_plain(
    state: Mapping[str, Tensor], config: Mapping[str, Any], image_size: int
) -> bool:
    """Whether another library builds this network: shapes tell it, or its class does."""
    told = encoder_config(state, number_of_heads(config))
    if told is None:
        return str(class_of(config).__module__).startswith('mmpretrain.')
    if told == config:
        return True
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, image_size, image_size, generator=generator)
    try:
        own, plain = (features(state, each, images) for each in (config, told))
    except Exception:  # whatever a network of somebody's own raises
        return False
    return own.shape == plain.shape and torch.allclose(own, plain)


def warn_of_loss(
    state: Mapping[str, Tensor], config: Mapping[str, Any], args: argparse.Namespace
) -> None:
    """Say if what reads the layout builds another network."""
    if args.to not in OURS and not is_plain(state, config, args.image_size):
        print(
            f'WARNING: the layout {args.to} has no place for this config: what reads it '
            'builds the plain network, which may compute something else'
        )


def check_names(args: argparse.Namespace) -> None:
    """See that the destination is there and of the right kind."""
    if args.dst is None and not args.dry_run:
        raise ValueError('give DST, the file to write, or --dry-run')
    if args.dst and (args.to == 'onnx') != args.dst.endswith('.onnx'):
        raise ValueError(f"'{args.dst}': a name ending in .onnx goes with --to onnx")


def convert(args: argparse.Namespace) -> None:
    """Read, convert, check, write.

    Raises:
        ValueError: If anything of the source is not understood, or the destination
            exists.
    """
    check_names(args)
    if args.to == 'model':
        convert_whole(args)
        return
    source = read_checkpoint(args.src)
    state, others = pick_network(source, args.network)
    before = find_header(args.src, source)
    imported, found = import_state(
        state,
        format_of(before, args.format),
        args.image_size,
        strict=not args.allow_unknown,
    )
    given = read_config(args.config) if args.config else stored_encoder(source, before)
    config = choose_config(imported.state, given, args.num_heads)
    if config is not None:
        check_encoder(imported.state, config)
    layout = 'encoder' if args.to == 'onnx' else args.to  # the graph is made of ours
    exported = export_state(imported.state, layout)
    used = sum(bool(row.source and row.target) for row in imported.rows)
    if args.dry_run:
        print('\n'.join([imported.table(), *others]))
        if layout != 'encoder':
            print(f'and then to {args.to}:\n{exported.table()}')
    print(
        f'format {found.name}: {used} of {len(state)} tensors used, the others left out'
    )
    print(f'encoder={config}' if config else 'a network that only its config can tell')
    if config:
        warn_of_loss(imported.state, config, args)
    if not args.dry_run:
        header = make_header(config, found, args, before)
        write_file(args.dst, content(exported.state, header, args), args.force)


def convert_whole(args: argparse.Namespace) -> None:
    """Convert encoder, decoder and target network of the released VideoMAC.

    Raises:
        ValueError: If SRC is no such model, or not whole.
    """
    if args.format not in ('auto', 'released') or args.network:
        raise ValueError('--to model takes both networks of the format released')
    source = read_checkpoint(args.src)
    done = import_whole(source)
    if args.dry_run:
        left = [name for name in source if name not in NETWORKS]
        lines = [f'{name} -> left out: not a network of the model' for name in left]
        print('\n'.join([done.table(), *lines]))
    print(f'a whole model: {len(done.rows)} of {len(done.rows)} tensors used')
    print(f'encoder={whole_config(done.state)["encoder"]}')
    if not args.dry_run:
        found = next(each for each in FORMATS if each.name == 'released')
        header = make_header(whole_config(done.state), found, args, {})
        write_file(args.dst, content(done.state, header, args), args.force)


def content(
    state: dict[str, Tensor], header: dict[str, Any], args: argparse.Namespace
) -> bytes:
    """Make the bytes of the file as its library reads it."""
    if args.to == 'onnx':
        if header['config'] is None:
            raise ValueError('no shape tells what network this is: give its --config')
        return to_onnx(state, header['config'], header, args.image_size, LastStage)
    if args.dst.endswith('.safetensors'):
        return to_bytes(state, header)
    if args.to not in ENTRY:
        return to_bytes(state)
    return to_bytes({ENTRY[args.to]: state, 'meta': header})


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and convert."""
    args = build_parser().parse_args(argv)
    try:
        convert(args)
    except (OSError, ValueError) as error:
        raise SystemExit(f'convert.py: {error}') from None


if __name__ == '__main__':
    main()
