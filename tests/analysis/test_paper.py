"""The paper's numbers against the design notes and against sums within the tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.real_data import real_data
from videomac.analysis import paper
from videomac.analysis.paper import PaperTable, default_config, paper_tables
from videomac.utils import configs_root

TABLES = paper_tables()


def text_of_the_paper() -> str:
    """Text of the paper, which lies beside the real data where there is any."""
    folder = real_data().parent / 'paper'
    texts = [path.read_text(encoding='utf-8') for path in sorted(folder.glob('*.txt'))]
    for text in texts:
        if 'Table 3: VideoMAC encoder and decoder ablation' in text:
            return text
    pytest.skip(f'the text of the paper is not in {folder}')


def in_order(scores: tuple[float | None, ...]) -> str:
    """Pattern of numbers in a row, as the paper prints them."""
    return r'\s+'.join(
        '-' if score is None else re.escape(f'{score:.1f}') for score in scores
    )


@pytest.mark.parametrize('table', TABLES.values(), ids=lambda table: table.name)
def test_numbers_are_the_papers(table: PaperTable) -> None:
    text = text_of_the_paper()
    for row in table.rows:
        if table.name == 'isotropic':
            parameters, flops, score = row.scores
            pattern = rf'{parameters}M\s+{flops}G\s+{score}\b'
        else:
            pattern = rf'(?<![\d.]){in_order(row.scores)}(?![\d.])'
        assert re.search(pattern, text), f'{table.name}: {row.label}'


def test_every_part_is_there() -> None:
    numbers = [table.number for table in TABLES.values()]
    parts = [
        f'{n}{letter}'
        for n, last in ((3, 'd'), (4, 'f'))
        for letter in 'abcdef'
        if letter <= last
    ]
    assert numbers == ['1', '2', *parts, '5']
    assert [name for name, table in TABLES.items() if not table.is_ablation] == [
        'methods',
        'finetuning',
    ]


@pytest.mark.parametrize(
    'table',
    [table for table in TABLES.values() if table.metrics[:3] == ('J&F', 'J', 'F')],
    ids=lambda table: table.name,
)
def test_means_of_j_and_f(table: PaperTable) -> None:
    """J&F is the mean of J and F; where the paper's own row disagrees, it is known."""
    wrong = {
        row.label
        for row in table.rows
        for both, j, f in [row.scores[:3]]
        if both is not None
        and j is not None
        and f is not None
        and abs(both - (j + f) / 2) > 0.1 + 1e-9
    }
    # 49.2 is not the mean of 48.9 and 50.5, 63.4 not that of 63.4 and 68.7.
    known = {'RC-MAE, ViT-S/16, IN1K, 1600', 'L_o + L_c'}
    assert wrong == known & {row.label for row in table.rows}


def test_configs_exist_and_the_default_has_one_score() -> None:
    for table in TABLES.values():
        for row in table.rows:
            assert row.config is None or (configs_root() / row.config).is_file()
        if table.is_ablation:
            defaults = [row for row in table.rows if row.config == default_config()]
            assert len(defaults) == 1, table.name
            score = defaults[0].scores[table.metrics.index('J&F')]
            assert score == 68.4
    ablations = {path.name for path in (configs_root() / 'ablations').glob('*.py')}
    named = {
        Path(row.config).name
        for table in TABLES.values()
        for row in table.rows
        if row.config is not None and row.config.startswith('ablations/')
    }
    assert ablations == named


def test_rows_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    content: dict[str, Any] = dict(
        tables=[
            dict(
                name='gap',
                number='4c',
                title='Gap',
                about=['gap'],
                metrics=['J', 'F'],
                rows=[dict(about=[1], scores=[1.0])],
            )
        ]
    )
    monkeypatch.setattr(paper, '_content', lambda: content)
    with pytest.raises(ValueError, match=r'table gap, row \[1\]: needs .* 2 scores, got'):
        paper_tables()
