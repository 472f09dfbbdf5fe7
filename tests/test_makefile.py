"""The Makefile and the script behind `make venv`, without installing anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which('make') is None, reason='needs make')


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what the targets read to a folder with spaces in its path."""
    folder = tmp_path / 'my clone of it'
    folder.mkdir()
    for name in ('Makefile', 'constraints.txt', 'setup.py', 'pyproject.toml'):
        shutil.copy2(ROOT / name, folder / name)
    for name in ('.ci', 'requirements'):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def call(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command without the settings of the make that may run this test."""
    ours = ('MAKE', 'MFLAGS', 'VIDEOMAC', 'PYTHON')
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, timeout=60
    )


def fake_venv(folder: Path) -> Path:
    """Make an environment whose interpreter is the system's and whose modules lie."""
    log = folder / 'log'
    python = folder / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    (folder / 'pyvenv.cfg').touch()
    # Runs scripts from standard input and -c; writes down every `-m`.
    python.write_text(
        f'#!/bin/sh\ncase "$1" in\n -m) echo "$@" >>"{log}" ;;\n'
        ' -W) exit 0 ;;\n *) exec python3 "$@" ;;\nesac\n'
    )
    python.chmod(0o755)
    return log


def test_help_lists_each_target(clone: Path) -> None:
    """`make` alone explains itself."""
    done = call('make', cwd=clone)
    assert done.returncode == 0, done.stderr
    checks = ('test', 'test-slow', 'faults', 'lint', 'typecheck', 'docs')
    for target in ('venv', 'demo', *checks, 'minkowski', 'clean'):
        assert f'make {target} ' in done.stdout


@pytest.mark.parametrize(
    'target',
    [
        'venv',
        'demo',
        'test',
        'test-slow',
        'faults',
        'lint',
        'typecheck',
        'docs',
        'minkowski',
    ],
)
def test_targets_survive_spaces(clone: Path, target: str) -> None:
    """GNU make splits names at spaces; no rule may depend on such a name."""
    done = call('make', '-n', target, cwd=clone)
    assert done.returncode == 0, done.stderr
    assert 'sh .ci/venv' in done.stdout


def supported() -> bool:
    """Return whether `python3` is one that the script accepts."""
    code = 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
    return subprocess.run(['python3', '-c', code]).returncode == 0


@pytest.mark.skipif(not supported(), reason='python3 is not Python 3.10-3.12')
def test_installs_once(clone: Path) -> None:
    """The second call does nothing; new pins and a half-made folder install again."""
    venv = clone / 'an environment'
    log = fake_venv(venv)
    env = {'VIDEOMAC_VENV': venv.name}
    first = call('make', 'venv', cwd=clone, **env)
    assert first.returncode == 0, first.stderr
    commands = log.read_text().splitlines()
    assert commands[0].endswith(' torch torchvision')
    assert all('-c constraints.txt' in line for line in commands)
    assert '--no-deps --no-build-isolation --editable .' in commands[-1]
    # What setup.py would have made:
    (clone / 'videomac' / '.mim' / 'tools').mkdir(parents=True)

    again = call('make', 'venv', cwd=clone, **env)
    assert (again.returncode, again.stdout) == (0, '')
    assert log.read_text().splitlines() == commands

    relinked = call('sh', '.ci/venv', '--relink', cwd=clone, **env)
    assert relinked.returncode == 0
    assert len(log.read_text().splitlines()) == len(commands) + 1

    with (clone / 'constraints.txt').open('a') as file:
        file.write('# another set\n')
    stale = call('make', 'venv', cwd=clone, **env)
    assert stale.returncode == 0
    assert len(log.read_text().splitlines()) == 2 * len(commands) + 1


def test_unsupported_python_is_named(clone: Path) -> None:
    """The message says which interpreter and which versions."""
    done = call('make', 'venv', 'PYTHON=/no/python', cwd=clone)
    assert done.returncode != 0
    assert "PYTHON='/no/python' does not run or is not Python 3.10-3.12" in done.stderr


@pytest.mark.skipif(not supported(), reason='python3 is not Python 3.10-3.12')
def test_foreign_folder_is_left_alone(clone: Path) -> None:
    """A folder that is no environment keeps its content."""
    (clone / 'thesis').mkdir()
    (clone / 'thesis' / 'chapter').touch()
    done = call('make', 'venv', cwd=clone, VIDEOMAC_VENV='thesis')
    assert done.returncode != 0
    assert "'thesis' holds something that is no virtual environment" in done.stderr
    assert (clone / 'thesis' / 'chapter').exists()


def test_clean_keeps_the_environment(clone: Path) -> None:
    """Caches go, the environment stays."""
    for name in ('build/x', '.venv/lib/__pycache__', 'videomac/__pycache__'):
        (clone / name).mkdir(parents=True)
    assert call('make', 'clean', cwd=clone).returncode == 0
    assert not (clone / 'build').exists()
    assert not (clone / 'videomac' / '__pycache__').exists()
    assert (clone / '.venv' / 'lib' / '__pycache__').exists()
