"""The benchmark of label propagation runs, and compares what it times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / 'benchmarks' / 'propagation.py'
SMALL = ('--size', '80', '112', '--channels', '16', '--references', '3', '--radius', '2')


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with one thread."""
    command = [sys.executable, str(SCRIPT), *arguments, '--threads', '1']
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_small_case_agrees_with_the_dense_statement() -> None:
    done = run(*SMALL, '--repeats', '2')
    assert done.returncode == 0, done.stderr
    assert '100.000% within 1e-5' in done.stdout
    assert '10 x 14 cells, C = 16, 3 references, radius 2' in done.stdout
    assert done.stdout.count('GB above the features') == 2


def test_half_features() -> None:
    done = run(*SMALL, '--dtype', 'bfloat16', '--repeats', '1', '--skip-memory')
    assert done.returncode == 0, done.stderr
    assert 'bfloat16' in done.stdout


def test_bad_arguments_are_named() -> None:
    done = run('--repeats', '1', '--dense-repeats', '2')
    assert done.returncode == 2
    assert '--dense-repeats cannot exceed --repeats' in done.stderr
