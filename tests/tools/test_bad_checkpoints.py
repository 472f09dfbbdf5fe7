"""Converters given what is no checkpoint: one line that names the file, and no output."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.datasets.broken import HTML, plain
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints import to_bytes
from videomac.utils import tools_root

TOOLS = tools_root() / 'model_converters'
TOOL = {name: load_tool(TOOLS / f'{name}.py') for name in ('convert', 'publish_model')}
STATE = {'blocks.0.attn.qkv.weight': torch.ones(6, 2)}


def written(content: bytes) -> Callable[[Path], None]:
    """Write a file of that content."""

    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def saved(content: object) -> Callable[[Path], None]:
    """Write a file of torch.save."""

    def write(path: Path) -> None:
        torch.save(content, path)

    return write


def broken_link(path: Path) -> None:
    """Make a link to nothing."""
    path.symlink_to(path.parent / 'gone')


WHOLE = to_bytes({'state_dict': STATE})
#: Name of the file, what makes it, and what the error says.
CASES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    'missing': ('a.pth', lambda path: None, 'there is no file'),
    'broken link': ('a.pth', broken_link, 'there is no file'),
    'folder': ('a.pth', Path.mkdir, 'there is no file'),
    'empty': ('a.pth', written(b''), 'is damaged'),
    'empty safetensors': ('a.safetensors', written(b''), 'is no file of safetensors'),
    'cut': ('a.pth', written(WHOLE[: len(WHOLE) // 2]), 'is damaged'),
    'cut at the end': ('a.pth', written(WHOLE[:-1]), 'is damaged'),
    'web page': ('a.pth', written(HTML), 'is damaged'),
    'picture': ('a.pth', written(plain('PNG')), 'is damaged'),
    'pth named safetensors': ('a.safetensors', written(WHOLE), 'no file of safetensors'),
    'a list': ('a.pth', saved([1, 2]), 'no mapping of tensors'),
}


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('tool', TOOL)
def test_what_is_no_checkpoint(tmp_path: Path, tool: str, case: str) -> None:
    name, make, reason = CASES[case]
    if name.endswith('safetensors'):
        pytest.importorskip('safetensors')
    path, made = tmp_path / name, tmp_path / 'made' / 'b.pth'
    make(path)
    arguments = ['auto'] if tool == 'convert' else []
    with pytest.raises(SystemExit) as caught:
        TOOL[tool].main([*arguments, str(path), str(made)])
    message = str(caught.value)
    assert message.startswith(f'{tool}.py: ')
    assert reason in message
    assert str(path) in message
    assert '\n' not in message
    assert not made.parent.exists()


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ({}, 'holds no weights'),
        ({'state_dict': {}}, 'holds no weights'),
        ({'state_dict': {'a': 1}}, 'holds no weights'),
        ({'a': torch.ones(1)}, 'of no known format: a'),
        ({'state_dict': STATE}, 'of no known format: blocks'),
    ],
)
def test_checkpoints_without_an_encoder(
    tmp_path: Path, content: object, reason: str
) -> None:
    path, made = tmp_path / 'a.pth', tmp_path / 'b.pth'
    torch.save(content, path)
    with pytest.raises(SystemExit, match=reason):
        TOOL['convert'].main(['auto', str(path), str(made)])
    assert not made.exists()
