"""Runs that are killed at random moments end as if nobody had."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tools.dev.fault_campaign import Row, differences, main, summary
from tools.dev.killable import STEPS

ROOT = Path(__file__).parents[2]


def campaign(*arguments: str, code: str = '') -> subprocess.CompletedProcess[str]:
    """Run the tool, perhaps with some of it replaced."""
    start = ['-m', 'tools.dev.fault_campaign']
    if code:
        start = ['-c', f'{code}\nfault_campaign.main()']
    return subprocess.run(
        [sys.executable, '-W', 'ignore', *start, *arguments],
        cwd=ROOT,
        env=os.environ | {'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_killed_runs_end_as_the_uninterrupted_one() -> None:
    done = campaign('--runs', '8', '--seed', '7')
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    found = re.match(r'8 runs, (\d+) kills .*: 8 of 8 ended equal', last)
    assert found is not None, last
    assert int(found[1]) >= 8
    assert done.stdout.count(' yes') == 8


@pytest.mark.slow
@pytest.mark.parametrize('step', STEPS)
def test_each_step_of_saving_is_survived(step: str) -> None:
    """One kill, while the second checkpoint or its pointer is written."""
    code = (
        'from tools.dev import fault_campaign\n'
        f'fault_campaign.STEPS = ({step!r},)\n'
        'class Draw(fault_campaign.random.Random):\n'
        '    def random(self): return 0.3\n'  # while saving, and do not cut
        '    def randint(self, low, high): return min(high, 5 if high > 3 else 1)\n'
        'fault_campaign.random.Random = Draw'
    )
    done = campaign('--runs', '1', code=code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'while saving, {step}' in done.stdout
    assert '1 of 1 ended equal' in done.stdout


@pytest.mark.slow
def test_a_run_that_differs_is_noticed() -> None:
    """Without exact resume the campaign fails."""
    code = (
        'from tools.dev import fault_campaign\n'
        'from videomac.engine import ExactResumeHook\n'
        'ExactResumeHook._seed_generators = lambda *_: None\n'
    )
    done = campaign('--runs', '2', '--kills', '1', code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'NO: ' in done.stdout
    assert re.search(r'[01] of 2 ended equal', done.stdout)


TREES = st.recursive(
    st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(TREES)
def test_equal_data_have_no_differences(tree: Any) -> None:
    assert differences(tree, copy.deepcopy(tree)) == []


def test_differences_are_bits() -> None:
    """Signs of zero and kinds of NaN count; so do types, lengths and names."""
    one: dict[str, Any] = {
        'a': [torch.tensor([0.0, float('nan')]), 1],
        'b': {'c': torch.arange(3)},
    }
    assert differences(one, copy.deepcopy(one)) == []
    other = copy.deepcopy(one)
    other['a'][0][0] = -0.0
    assert differences(one, other) == ['.a[0]']
    other = copy.deepcopy(one)
    other['b']['c'] = torch.arange(3, dtype=torch.int32)
    assert differences(one, other) == ['.b.c']
    assert differences(one, one | {'a': one['a'][:1]}) == ['.a']
    assert differences(one, {'a': one['a']}) == ['.b']


def test_the_summary_counts() -> None:
    rows = [
        Row(1, 'while saving, renamed + cut', 3, 'nothing (0)'),
        Row(1, 'after 1.00 s', 5, 'iter_3.pth (3)'),
        Row(1, '-', 24, 'iter_3.pth (3)', 'yes'),
        Row(2, 'after 2.00 s', 5, 'nothing (0)'),
        Row(2, '-', 24, 'iter_3.pth (3)', 'NO: 1, .optimizer'),
    ]
    assert summary(rows) == (
        '2 runs, 3 kills (1 while saving, 1 with the newest checkpoint cut in half): '
        '1 of 2 ended equal, bit for bit'
    )


@pytest.mark.parametrize('option', ['--runs', '--kills'])
def test_bad_arguments(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([option, '0'])
    assert 'at least 1' in capsys.readouterr().err
