"""Find the configs and tools that belong to the installed package.

They lie beside the package in a checkout, and in its folder ``.mim`` in a wheel.
"""

import difflib
from pathlib import Path

from mmengine.config import Config

__all__ = [
    'CONFIG_SUFFIXES',
    'configs_root',
    'find_config',
    'kept_config',
    'package_file',
    'spare_config',
    'tools_root',
]

CONFIG_SUFFIXES = ('.py', '.yml', '.yaml', '.json')  # those that mmengine reads

_PACKAGE = Path(__file__).resolve().parents[1]


def _roots() -> list[Path]:
    """Folders that may hold ``configs/`` and ``tools/``, the best one first."""
    checkout = _PACKAGE.parent
    # In a wheel the parent is site-packages, where any package may have put `configs`.
    is_checkout = (checkout / 'model-index.yml').is_file()
    return ([checkout] if is_checkout else []) + [_PACKAGE / '.mim']


def package_file(relative: str | Path) -> Path:
    """Find a file or folder of the toolbox, however it was installed.

    Args:
        relative: Path as in the repository, such as ``'configs/_base_'``.

    Raises:
        ValueError: If the path is absolute or leaves the toolbox.
        FileNotFoundError: If no such file came with this installation.
    """
    path = Path(relative)
    if path.is_absolute() or '..' in path.parts:
        raise ValueError(
            f'package_file() takes a path inside the toolbox, such as '
            f"'configs/_base_', got '{relative}'"
        )
    for root in _roots():
        if (root / path).exists():
            return root / path
    looked = ' or '.join(f"'{root}'" for root in _roots())
    raise FileNotFoundError(
        f"videomac has no '{relative}' in {looked}. If the name is right, the "
        'installation lacks its data: install videomac again'
    )


def configs_root() -> Path:
    """Folder of the configs."""
    return package_file('configs')


def tools_root() -> Path:
    """Folder of the command-line tools."""
    return package_file('tools')


def find_config(config: str | Path) -> Path:
    """Find a config in the file system, or else among the toolbox's own.

    Args:
        config: A path, or a path below the toolbox's ``configs`` (with or without
            that first folder).

    Raises:
        FileNotFoundError: If there is no such config; names similar ones.
    """
    path = Path(config)
    if path.is_file():
        return path
    root = configs_root()
    inside = Path(*path.parts[1:]) if path.parts[:1] == ('configs',) else path
    if not path.is_absolute() and (root / inside).is_file():
        return root / inside
    known = {file.name: file for file in sorted(root.rglob('*.py'))}
    similar = difflib.get_close_matches(path.name, known, n=3, cutoff=0.6)
    hint = ', '.join(known[name].relative_to(root).as_posix() for name in similar)
    raise FileNotFoundError(
        f"there is no config '{config}' here or in '{root}'"
        + (f'. Did you mean: {hint}?' if hint else '')
    )


def kept_config(folder: str | Path, config: str | Path) -> Path:
    """Where a run keeps its config, with the options of the command line in it.

    Args:
        folder: Work dir of the run.
        config: File that the config was read from.

    Returns:
        A file of the same name, or ``<name>_resolved.py`` where that would be the file
        itself, whose comments and bases nobody could bring back.
    """
    source, kept = Path(config), Path(folder) / Path(config).name
    if kept.resolve() != source.resolve():
        return kept
    return kept.with_name(f'{source.stem}_resolved{source.suffix}')


def spare_config(cfg: Config) -> None:
    """Let mmengine's runner keep a config as :func:`kept_config` says.

    The runner writes it to the work dir under the name of its file, whatever is there.

    Args:
        cfg: The config, with its ``work_dir``; its file name is changed.
    """
    if cfg.filename is not None:
        kept = kept_config(cfg.work_dir, cfg.filename)
        object.__setattr__(cfg, '_filename', str(kept))
