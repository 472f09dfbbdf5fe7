"""The benchmarks of the sparse engine run, and all contenders compute the same thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'benchmarks'
SMALL = ('--encoders', 'resnet18', '--image-size', '128', '--batch', '2', '--rounds', '1')


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script."""
    command = [sys.executable, str(FOLDER / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize('script', ['encoder_step.py', 'train_step.py'])
def test_table(script: str, tmp_path: Path) -> None:
    done = run(script, *SMALL, '--out', str(tmp_path / 'table.md'))
    assert done.returncode == 0, done.stderr
    rows = [line.split('|') for line in done.stdout.splitlines() if 'resnet18 ' in line]
    names = [row[2].strip() for row in rows]
    assert names[:2] == ['videomac', 'mmpretrain, masked dense']
    assert names[-1].startswith('floor')
    assert rows[0][4].strip() == '1.00'
    assert all(float(row[3]) >= 0 for row in rows)
    assert (tmp_path / 'table.md').read_text().strip() in done.stdout


def test_the_peer_computes_the_same() -> None:
    code = """
import argparse, sys, torch
from encoder_step import Contest
options = argparse.Namespace(
    device='cpu', dtype='float32', image_size=128, batch=2, mask_ratio=0.5)
for name in ('resnet18', 'convnext-tiny'):
    contest = Contest(name, options)
    forwards = contest.forwards
    ours = forwards['videomac']()
    peer = forwards['mmpretrain, masked dense']()
    if name == 'convnext-tiny':  # the peer has no last norm
        norm = contest.networks[0].norm3
        peer = norm(peer) * (peer != 0).any(1, keepdim=True)
    print(name, float((ours - peer).abs().max() / ours.abs().max()))
"""
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=FOLDER,
    )
    assert done.returncode == 0, done.stderr
    names = ('resnet18 ', 'convnext-tiny ')  # other lines say who takes no part
    found = [line for line in done.stdout.splitlines() if line.startswith(names)]
    assert len(found) == len(names)
    assert all(float(line.split()[1]) < 1e-4 for line in found), done.stdout


def test_unknown_encoder() -> None:
    done = run('encoder_step.py', '--encoders', 'resnet19')
    assert done.returncode == 2
    assert 'resnet18' in done.stderr
