"""Checkpoints with damaged bytes, odd contents and odd tensors: our errors alone."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.damage import FEW, MANY, attempt, damaged
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints import FORMATS, read_checkpoint, read_header, to_bytes
from videomac.utils import tools_root

convert = load_tool(tools_root() / 'model_converters' / 'convert.py')
OURS = (ValueError, OSError)
STATE = {'stages.0.0.dwconv.weight': torch.ones(2, 1, 3, 3), 'b': torch.zeros(3)}


def legacy() -> bytes:
    """A file as torch wrote it before 1.6."""
    buffer = io.BytesIO()
    torch.save(STATE, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


ZIPPED = to_bytes({'state_dict': STATE, 'meta': {'epoch': 3}})
PTH = damaged(ZIPPED, legacy()) | st.binary(max_size=40)
SAFE = damaged(to_bytes(STATE, {'mean': [1.0]})) | st.binary(max_size=40)


def check_file(content: bytes, suffix: str) -> None:
    """It is a mapping, or our error names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'file{suffix}')
        path.write_bytes(content)
        readers: list[Any] = [read_checkpoint]
        if suffix == '.safetensors':
            readers.append(read_header)
        for read in readers:
            result, message = attempt(partial(read, path), OURS)
            assert isinstance(result, dict) or str(path) in message


@FEW
@given(PTH)
def test_pth(content: bytes) -> None:
    check_file(content, '.pth')


@pytest.mark.slow
@MANY
@given(PTH)
def test_many_pths(content: bytes) -> None:
    check_file(content, '.pth')


@FEW
@given(SAFE)
def test_safetensors(content: bytes) -> None:
    pytest.importorskip('safetensors')
    check_file(content, '.safetensors')


@pytest.mark.slow
@MANY
@given(SAFE)
def test_many_safetensors(content: bytes) -> None:
    pytest.importorskip('safetensors')
    check_file(content, '.safetensors')


NAMES = (
    *('stages.0.0.dwconv.weight', 'stages.0.0.dwconv.kernel', 'stages.3.0.norm.weight'),
    *('downsample_layers.0.0.weight', 'stages.0.0.norm.weight', 'stages.9.9.gamma'),
    *('layer1.0.conv1.weight', 'layer1.0.bn1.running_mean', 'features.0.0.weight'),
    *('features.1.0.block.0.weight', 'blocks.0.attn.qkv.weight', 'pos_embed'),
    *('blocks.0.attn.q.weight', 'pos_embed_spatial', 'blocks.0.attn.q_bias'),
    *('patch_embed.proj.weight', 'temporal_pos_embed_x', 'cls_token', 'norm.weight'),
    *('decoder.mask_token', 'blocks.0.mlp.fc1.bias', 'stem.1.weight', 'norm0.ln.weight'),
    *('stages.0.blocks.0.conv_dw.weight', 'head.norm.weight', 'x', '', '..', '\n'),
)
PREFIXES = ('', 'module.', 'encoder.', 'backbone.', 'target.', 'sparse_encoder.sp_cnn.')
tensors = st.lists(st.integers(0, 4), max_size=5).map(torch.ones) | st.sampled_from(
    [torch.ones(2, dtype=torch.int8), torch.ones(3, dtype=torch.bool), torch.tensor(1j)]
)
states = st.tuples(
    st.sampled_from(PREFIXES),
    st.dictionaries(st.sampled_from(NAMES), tensors, min_size=1, max_size=8),
).map(lambda pair: {pair[0] + name: value for name, value in pair[1].items()})
contents = states | st.tuples(
    st.sampled_from(['state_dict', 'model', 'student', 'teacher', 'module']),
    states | st.integers() | st.lists(st.integers(), max_size=2),
).map(lambda pair: {pair[0]: pair[1], 'epoch': 1})
formats = st.sampled_from(['auto', *(each.name for each in FORMATS)])


def check_conversion(content: dict[str, Any], name: str, to: str) -> None:
    """A file is written, or the tool ends with one line."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, 'a.pth'), Path(folder, 'b.pth')
        torch.save(content, source)
        arguments = [name, str(source), str(made), '--to', to, '--allow-unknown']
        _, message = attempt(lambda: convert.main(arguments), SystemExit)
        assert message.startswith('convert.py: ') or not message
        assert made.exists() != bool(message)


layouts = st.sampled_from(['encoder', 'timm', 'torchvision', 'convnext'])


@example({'stages.0.0.dwconv.kernel': torch.tensor(1.0)}, 'auto', 'encoder')  # IndexError
@example({'layer1.0.conv1.weight': torch.ones(2)}, 'resnet', 'timm')
@FEW
@given(contents, formats, layouts)
def test_conversion(content: dict[str, Any], name: str, to: str) -> None:
    check_conversion(content, name, to)


@pytest.mark.slow
@MANY
@given(contents, formats, layouts)
def test_many_conversions(content: dict[str, Any], name: str, to: str) -> None:
    check_conversion(content, name, to)


@pytest.mark.parametrize('text', ['{', '3', 'null', '[' * 100_000])
def test_headers_that_are_none(tmp_path: Path, text: str) -> None:
    """The first and the last were errors of JSON, the others an AttributeError."""
    safetensors: Any = pytest.importorskip('safetensors.torch')
    path = tmp_path / 'a.safetensors'
    safetensors.save_file(STATE, path, {'videomac': text})
    with pytest.raises(ValueError, match=r'a\.safetensors. is (damaged|no JSON object)'):
        read_header(path)
