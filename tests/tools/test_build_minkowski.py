"""The script behind `make minkowski`, without compiling or fetching anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = 'tools/misc/build_minkowski.sh'
#: What the script calls but for compiler and Python.
TOOLS = (
    *('sh', 'cat', 'chmod', 'dirname', 'env', 'find', 'gzip', 'mkdir', 'mktemp', 'rm'),
    *('sed', 'tail', 'tar'),
)

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason='needs a POSIX shell'
)


def program(path: Path, *lines: str) -> None:
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text('\n'.join(('#!/bin/sh', *lines, '')))
    path.chmod(0o755)


class Machine:
    """A checkout with a fake environment and a PATH that holds what we put there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / 'my clone'
        self.bin = folder / 'bin'
        self.log = folder / 'log'
        self.python = self.root / 'an env' / 'bin' / 'python'
        (self.root / SCRIPT).parent.mkdir(parents=True)
        shutil.copy2(ROOT / SCRIPT, self.root / SCRIPT)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        program(self.bin / 'c++', 'cat >/dev/null')
        self.log.touch()
        self.python_does('-W) exit 1 ;;')

    def python_does(self, *cases: str) -> None:
        """Let the environment's Python log its calls and act by its first argument."""
        program(
            self.python,
            f'echo "$@" >>"{self.log}"',
            'case "$1" in',
            *cases,
            '-c) echo /include ;;',
            'esac',
        )

    def build(self) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        env = {'PATH': str(self.bin), 'VIDEOMAC_VENV': 'an env'}
        return subprocess.run(
            ['sh', str(self.root / SCRIPT)],
            env={**env, 'TMPDIR': os.environ.get('TMPDIR', '/tmp')},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def failure(self) -> str:
        """Run the script, which must fail, and return what it says."""
        done = self.build()
        assert done.returncode == 1
        assert done.stderr.startswith('make minkowski: ')
        assert '-m' not in self.log.read_text(), 'nothing may be installed before'
        return done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a machine on which everything is there but MinkowskiEngine."""
    return Machine(tmp_path)


def test_installed_already(machine: Machine) -> None:
    machine.python_does('-W) exit 0 ;;')
    (machine.bin / 'c++').unlink()
    done = machine.build()
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == "MinkowskiEngine is in 'an env' already.\n"
    assert machine.log.read_text() == '-W ignore -c import MinkowskiEngine\n'


def test_no_environment(machine: Machine) -> None:
    machine.python.unlink()
    assert "no environment 'an env'; make it first: make venv" in machine.failure()


def test_no_compiler(machine: Machine) -> None:
    (machine.bin / 'c++').unlink()
    said = machine.failure()
    assert "found no C++ compiler 'c++'" in said
    assert 'apt-get install g++' in said


@pytest.mark.parametrize(
    ('lacks', 'said'),
    [
        ('-fopenmp', 'apt-get install g++'),
        ('-lopenblas', 'apt-get install libopenblas-dev'),
        ('-I/include', "no Python.h in '/include'"),
    ],
)
def test_something_lacks(machine: Machine, lacks: str, said: str) -> None:
    fails = f'case " $* " in *" {lacks} "*) exit 1 ;; esac'
    program(machine.bin / 'c++', 'cat >/dev/null', fails)
    assert said in machine.failure()


@pytest.mark.skipif(shutil.which('c++') is None, reason='needs a C++ compiler')
def test_header_is_compiled(machine: Machine) -> None:
    # A real compiler that finds no OpenBLAS anywhere.
    real = f'PATH="{os.environ["PATH"]}" exec c++ -nostdinc -nostdlib "$@"'
    program(machine.bin / 'c++', real)
    assert 'libopenblas-dev' in machine.failure()


def source(folder: Path) -> Path:
    """Pack a source that asks for Sequence where Python 3.10 has it no more."""
    package = folder / 'MinkowskiEngine-0.5.4' / 'MinkowskiEngine'
    (package / 'utils').mkdir(parents=True)
    (package / 'a.py').write_text('import os\nfrom collections import Sequence\n')
    (package / 'b.py').write_text('from collections import Sequence, namedtuple\n')
    text = 'from collections import OrderedDict\n'
    (package / 'utils' / 'c.py').write_text(text)
    archive = folder / 'MinkowskiEngine-0.5.4.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.add(package.parent, package.parent.name)
    return archive


def test_builds_a_source_that_imports(machine: Machine, tmp_path: Path) -> None:
    archive, built = source(tmp_path), tmp_path / 'built'
    installed = tmp_path / 'installed'
    # The download's folder is its last argument; setup.py uninstalls with any pip.
    program(machine.bin / 'pip', f'echo pip ran >>"{machine.log}"')
    machine.python_does(
        f'-W) [ -e "{installed}" ]; exit ;;',
        '-m) for last; do :; done',
        f'    case "$3" in download) cp "{archive}" "$last" ;; esac',
        f'    case "$*" in *--no-index*) touch "{installed}" ;; esac ;;',
        f'setup.py) pip uninstall; cp -r MinkowskiEngine "{built}" ;;',
    )
    for tool in ('cp', 'touch'):
        (machine.bin / tool).symlink_to(str(shutil.which(tool)))
    done = machine.build()
    assert done.returncode == 0, done.stderr
    assert 'ten minutes' in done.stdout
    assert done.stdout.endswith("Ready: MinkowskiEngine 0.5.4 is in 'an env'.\n")
    calls = machine.log.read_text()
    assert 'pip ran' not in calls
    assert 'setup.py bdist_wheel --blas=openblas --cpu_only\n' in calls
    for line in calls.splitlines():
        assert 'pip install' not in line or '--target' in line or '--no-deps' in line
    assert (built / 'a.py').read_text() == (
        'import os\nfrom collections.abc import Sequence\n'
    )
    assert (built / 'b.py').read_text() == (
        'from collections import namedtuple\nfrom collections.abc import Sequence\n'
    )
    assert (
        built / 'utils' / 'c.py'
    ).read_text() == 'from collections import OrderedDict\n'


def test_a_failed_step_shows_its_output(machine: Machine) -> None:
    machine.python_does('-W) exit 1 ;;', '-m) echo no network; exit 3 ;;')
    done = machine.build()
    assert done.returncode == 1
    assert 'no network' in done.stderr
    assert 'make minkowski: the command above failed' in done.stderr
