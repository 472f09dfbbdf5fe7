"""Checkpoints of other projects in, ours out, tensor by tensor."""

from .architecture import check_encoder, choose_config, encoder_config
from .export import TARGETS, export_state
from .files import (
    UnusableCheckpointError,
    find_header,
    hash_tensors,
    pick_network,
    read_checkpoint,
    read_header,
    to_bytes,
    write_file,
)
from .formats import ALIASES, FORMATS, Format, detect, format_of, import_state
from .loaders import load_plain
from .mapping import Conversion, Row, Rule, translate
from .onnx_export import check_onnx, to_onnx
from .whole import NETWORKS, import_whole, whole_config

__all__ = [
    'ALIASES',
    'FORMATS',
    'NETWORKS',
    'TARGETS',
    'Conversion',
    'Format',
    'Row',
    'Rule',
    'UnusableCheckpointError',
    'check_encoder',
    'check_onnx',
    'choose_config',
    'detect',
    'encoder_config',
    'export_state',
    'find_header',
    'format_of',
    'hash_tensors',
    'import_state',
    'import_whole',
    'load_plain',
    'pick_network',
    'read_checkpoint',
    'read_header',
    'to_bytes',
    'to_onnx',
    'translate',
    'whole_config',
    'write_file',
]
