"""Packaging of videomac; the settings of its tools are in pyproject.toml."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# OpenMMLab's layout: mmengine, mim and videomac.utils.paths look in `<package>/.mim`.
CARRIED = ('configs', 'tools', 'model-index.yml')


def read_version() -> str:
    """Read the version without importing the package, which needs torch."""
    text = (ROOT / 'videomac' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    if match is None:
        raise SystemExit("videomac/version.py has no line like: __version__ = '1.2.3'")
    return match.group(1)


def read_requirements(name: str) -> list[str]:
    """Read ``requirements/<name>.txt`` without its comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    stripped = (line.split('#')[0].strip() for line in lines.splitlines())
    return [line for line in stripped if line]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, without Python's caches."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
    else:
        shutil.copy2(source, target)


def link(source: Path, target: Path) -> None:
    """Link to the checkout so that edits show at once; copy where links fail."""
    try:
        # A relative link survives moving the checkout.
        target.symlink_to(os.path.relpath(source, target.parent), source.is_dir())
    except OSError:
        copy(source, target)


class BuildWithMim(build_py):
    """Put the configs and the tools into the package."""

    def run(self) -> None:
        """Build as ever, but from nothing, then fill ``.mim``."""
        editable = getattr(self, 'editable_mode', False)
        if not editable:  # setuptools would take along what an older build has left
            remove(Path(self.build_lib) / 'videomac')
        super().run()
        package = (ROOT if editable else Path(self.build_lib)) / 'videomac'
        mim = package / '.mim'
        mim.mkdir(parents=True, exist_ok=True)
        for name in CARRIED:
            remove(mim / name)
            (link if editable else copy)(ROOT / name, mim / name)


README = ROOT / 'README.md'

setup(
    name='videomac',
    version=read_version(),
    description='VideoMAC: video masked autoencoders with ConvNets, on mmengine',
    long_description=README.read_text(encoding='utf-8') if README.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['videomac', 'videomac.*']),
    package_data={
        'videomac': ['py.typed'],
        'videomac.datasets.preparation': ['lists/*.txt'],
        'videomac.report': ['page.html'],
    },
    python_requires='>=3.10,<3.13',
    install_requires=read_requirements('runtime'),
    extras_require={
        name: read_requirements(name)
        for name in ('lite', 'tests', 'docs', 'demo', 'web', 'optional')
    },
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
