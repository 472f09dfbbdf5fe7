"""Reading checkpoints without running code from them, and writing them whole."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = [
    'UnusableCheckpointError',
    'find_header',
    'hash_tensors',
    'header_text',
    'pick_network',
    'read_checkpoint',
    'read_header',
    'refusal',
    'to_bytes',
    'write_file',
]

#: Where files keep their network, in the order in which it is looked for.
ONLINE = (
    'online_without_ddp',
    'student',
    'state_dict',
    'model',
    'model_state',
    'module',
)
TARGET = ('target_without_ddp', 'teacher', 'model_ema')
#: Of the two networks of DINO and CrOC the teacher is the one that is evaluated.
DEFAULT = ('online_without_ddp', 'teacher', *ONLINE[2:])
#: Our own files have both networks in one place.
OWN_TARGET = 'target.'


class UnusableCheckpointError(ValueError):
    """A checkpoint holds code, is damaged, or does not fit the network."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a file of torch.save or of safetensors as plain data.

    Args:
        path: The file; with the ending ``.safetensors`` it is read as such.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableCheckpointError: If it holds code, is damaged, or is no mapping.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}'")
    if path.suffix == '.safetensors':
        return dict(_read_safetensors(path)[0])
    try:
        # Many published files keep their arguments; a Namespace only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnusableCheckpointError(refusal(path, error)) from error
    except Exception as error:  # torch raises whatever a damaged byte leads to
        raise UnusableCheckpointError(
            f"the checkpoint '{path}' is damaged: {error!r}. Restore or download it again"
        ) from error
    if not isinstance(content, Mapping):
        raise UnusableCheckpointError(
            f"'{path}' holds no mapping of tensors, but a {type(content)}"
        )
    return dict(content)


def _read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a file."""
    safetensors = _import_safetensors()
    try:
        with safetensors.safe_open(path, 'pt') as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return state, file.metadata() or {}
    except Exception as error:  # not SafetensorError alone, on damaged headers
        raise UnusableCheckpointError(
            f"'{path}' is no file of safetensors: {error}. Nothing of it was run. Use a "
            'whole file of this format, or give another its own ending (.pth)'
        ) from error


def _import_safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ValueError(
            'files ending in .safetensors need the package: pip install safetensors'
        ) from error
    return safetensors


def refusal(path: str | Path, error: Exception) -> str:
    """Say why torch refused a file; its own advice would be unsafe."""
    found = re.search(r'(?:GLOBAL|REDUCE)\s+(\S+)', str(error))
    if found is None and 'global' not in str(error).lower():
        return (
            f"the checkpoint '{path}' is damaged, or no file of torch.save that holds "
            'weights only. Nothing of it was run. Restore or download it again, or use '
            'another'
        )
    what = f"a '{found[1]}'" if found else 'more than tensors and plain data'
    return (
        f"the checkpoint '{path}' holds {what} and could run code of its author when "
        'loaded. Nothing of it was run. Use a file that holds weights only'
    )


def pick_network(
    content: Mapping[str, Any], network: str | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Find the state dict in the content of a checkpoint.

    Args:
        content: What :func:`read_checkpoint` returns.
        network: ``'online'`` (student) or ``'target'`` (teacher, average) where a file
            has both; None: the online network of VideoMAC, the teacher of DINO and CrOC.

    Returns:
        Its tensors, and a line for each other entry of the file that was left out.

    Raises:
        ValueError: If there are no tensors, or not the network that was asked for.
    """
    both = ONLINE[2:]
    places = {None: DEFAULT, 'online': ONLINE, 'target': (*TARGET, *both)}[network]
    place = next((n for n in places if isinstance(content.get(n), Mapping)), None)
    part = content if place is None else content[place]
    state = {key: value for key, value in part.items() if isinstance(value, Tensor)}
    if network == 'target' and place not in TARGET:
        state = _own_target(state)
        if not state:
            raise ValueError(
                f'the checkpoint has no target network, neither {", ".join(TARGET)} nor '
                f"keys that begin with '{OWN_TARGET}'; its keys: {list(content)[:10]}. "
                "Take the network 'online'"
            )
    if not state:
        raise ValueError(f'the checkpoint holds no weights; its keys: {list(content)}')
    plain = [
        f'{key} -> left out: a {type(value).__name__}, no tensor'
        for key, value in part.items()
        if not isinstance(value, Tensor)
    ]
    return state, plain + (_others(content, place) if place is not None else [])


def _own_target(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the target network out of a checkpoint of ours; empty if it has none."""
    # A model that was wrapped for several processes has 'module.' before all keys.
    plain = {key.removeprefix('module.'): value for key, value in state.items()}
    return {
        key.removeprefix(OWN_TARGET): value
        for key, value in plain.items()
        if key.startswith(OWN_TARGET)
    }


def _others(content: Mapping[str, Any], place: str) -> list[str]:
    return [
        f'{name} -> left out: not in the network that was taken, {place}'
        for name in content
        if name != place
    ]


def hash_tensors(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever file they are in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {list(value.shape)}\n'.encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def header_text(header: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Write a header as JSON, with the hash of the tensors as ``sha256``."""
    return json.dumps(dict(header) | dict(sha256=hash_tensors(state)), sort_keys=True)


def to_bytes(
    content: Mapping[str, Any], header: Mapping[str, Any] | None = None
) -> bytes:
    """Make the bytes of a file: of safetensors with a header, of torch.save without.

    Args:
        content: Tensors by name; for torch.save any plain data.
        header: Plain data, stored as JSON under ``videomac``; the hash of the tensors is
            added as ``sha256``.
    """
    if header is None:
        buffer = io.BytesIO()
        torch.save(dict(content), buffer)
        return buffer.getvalue()
    state = {name: value.contiguous() for name, value in content.items()}
    metadata = {'format': 'pt', 'videomac': header_text(header, state)}
    data: bytes = _import_safetensors().torch.save(state, metadata)
    return data


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the JSON header of a ``.safetensors`` of ours and check the hash.

    Raises:
        ValueError: If there is no such header, or the tensors are not those it was
            written for.
    """
    state, metadata = _read_safetensors(path)
    text = metadata.get('videomac')
    if text is None:
        raise ValueError(f"'{path}' has no header of videomac")
    return _parse_header(path, text, state)


def _parse_header(
    path: str | Path, text: str, state: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Parse a header, and compare its hash with the tensors of the file."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header of '{path}' is damaged: {error}") from error
    if not isinstance(header, dict):
        raise ValueError(f"the header of '{path}' is no JSON object")
    if header.get('sha256') != hash_tensors(state):
        raise ValueError(f"the tensors of '{path}' are not those of its header")
    return header


def find_header(path: str | Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Find what ``convert.py`` wrote about a file; empty for files of others.

    Args:
        path: The file.
        content: What :func:`read_checkpoint` returns of it.

    Raises:
        ValueError: If the header of a ``.safetensors`` does not belong to its tensors.
    """
    if Path(path).suffix == '.safetensors':
        with _import_safetensors().safe_open(path, 'pt') as file:
            text = (file.metadata() or {}).get('videomac')
        return {} if text is None else _parse_header(path, text, content)
    meta = content.get('meta')
    return dict(meta) if isinstance(meta, Mapping) and 'source_format' in meta else {}


def write_file(path: str | Path, data: bytes, force: bool = False) -> None:
    """Write a file in one step, so that there is never half of one.

    Raises:
        ValueError: If the file exists and ``force`` is not given.
    """
    path = Path(path)
    if path.exists() and not force:
        raise ValueError(f"'{path}' exists; give --force to write over it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
