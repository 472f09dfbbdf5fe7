"""The page says what the files of the runs say, by itself and to everyone."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from tests.engine.tiny import runner_config
from tests.tools.test_train_cli import load_tool
from videomac.report import read_evaluations, read_run_record, write_report
from videomac.report.embedding import LARGEST_CLIP, WIDEST, as_data, embed
from videomac.utils import tools_root
from videomac.visualization.clips import ClipWriter

tool = load_tool(tools_root() / 'report.py')

VOID = {'meta', 'img', 'path', 'polyline', 'circle'}
CONFIG = """
model = dict(
    encoder=dict(type='mmpretrain.ResNet', depth=18, out_indices=[2, 3]),
    masking=dict(patch_size=32, ratio={ratio}))
train_dataloader = dict(batch_size=4, dataset=dict(type='FramePairDataset', gap=2))
work_dir = '{name}'
"""


class Page(HTMLParser):
    """Elements with their attributes, the texts, and whether all tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make_run(folder: Path, level: float = 1.0, ratio: float = 0.75) -> Path:
    """A run of 20 logged iterations with pictures, as training leaves it."""
    start = folder / '20260101_000000'
    images = start / 'vis_data' / 'vis_image'
    images.mkdir(parents=True)
    records: list[dict[str, Any]] = [
        dict(
            loss=level * (3 - k / 20),
            loss_online=level,
            loss_consistency=0.01,
            lr=1e-3 * k,
            time=0.5 * k,
            data_share=0.25,
            samples_per_second=math.nan if k == 3 else 8.0,
            my_scalar=7.0,
            step=10 * k,
        )
        for k in range(1, 21)
    ]
    text = '\n'.join(map(json.dumps, records))
    (start / 'vis_data' / 'scalars.json').write_text(text)
    (start / 'vis_data' / 'config.py').write_text(
        CONFIG.format(ratio=ratio, name=folder.name)
    )
    for k in (0, *range(20, 201, 20)):
        colour = (k, 255 - k, 90)
        Image.new('RGB', (60, 40), colour).save(images / f'reconstruction_{k}.png')
    (start / 'x.log').write_text(
        'a - INFO - \n------\nSystem environment:\n    Python: 3.99 <b>\n'
        '    PyTorch compiling details: x\n  - GCC 13\n\nRuntime environment:\n'
        '    seed: 11\n------\nb - INFO - FramePairDataset: 14 samples of 2 frames\n'
    )
    return folder


def check_page(text: str) -> Page:
    """What must hold of every page."""
    page = Page(text)
    assert not page.open
    # Nothing comes from anywhere else, whatever an attribute is called.
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in ('src', 'href', 'srcset', 'data', 'action', 'xlink:href'):
                assert value is not None
                assert value.startswith(('data:', '#')), f'{tag} {name}={value[:60]}'
    assert not page.all('script')
    assert not page.all('link')
    assert 'url(' not in text
    assert '@import' not in text
    for image in page.all('img'):
        assert image['alt']
    ids = {attributes.get('id') for _, attributes in page.elements}
    links = [a['href'] for a in page.all('a')]
    assert links
    assert all(str(link)[1:] in ids for link in links)
    assert page.all('html')[0]['lang'] == 'en'
    assert any(meta.get('name') == 'viewport' for meta in page.all('meta'))
    assert 'prefers-color-scheme: dark' in text
    return page


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables by their heading."""
    found = {}
    for row in re.findall(r'<tr>(.*?)</tr>', text, re.DOTALL):
        head = re.search(r'<th scope="row">(.*?)</th>', row)
        if head is not None:
            cells = [re.sub('<.*?>', '', c) for c in re.findall(r'<td>(.*?)</td>', row)]
            found[re.sub('<.*?>', '', head[1])] = [html.unescape(c) for c in cells]
    return found


def test_one_run(tmp_path: Path) -> None:
    text = write_report([make_run(tmp_path / 'first')], tmp_path / 'r.html').read_text()
    page = check_page(text)
    table = rows(text)
    assert table['Last logged iteration'] == ['200']
    assert table['Total loss'] == [f'{3 - 19 / 20:.4g}']  # of iterations 180 to 200
    assert table['Seconds an iteration, median'] == ['5.25']
    assert table['Largest learning rate'] == ['0.02']
    assert table['Samples a second, median'] == ['8']
    assert table['Encoder'] == ['mmpretrain.ResNet (depth 18, out_indices [2, 3])']
    assert table['Share of hidden patches'] == ['0.75']
    assert table['Gap between the frames'] == ['2']
    assert table['Python'] == ['3.99 <b>']
    assert table['seed'] == ['11']
    assert 'PyTorch compiling details' not in table
    assert any('FramePairDataset: 14 samples' in each for each in page.texts)
    assert 'my scalar' in page.texts
    assert 'work_dir = &#39;first&#39;' in text


def test_pictures_come_back(tmp_path: Path) -> None:
    """Six of eleven, with the first and the last, under their iterations."""
    text = write_report([make_run(tmp_path / 'first')], tmp_path / 'r.html').read_text()
    images = check_page(text).all('img')
    steps = [int(str(image['alt']).split()[-1]) for image in images]
    assert len(steps) == 6
    assert (steps[0], steps[-1]) == (0, 200)
    for step, image in zip(steps, images, strict=True):
        _, _, code = str(image['src']).partition(';base64,')
        with Image.open(io.BytesIO(base64.b64decode(code))) as picture:
            assert picture.size == (60, 40)
            pixel = np.asarray(picture.convert('RGB'))[20, 30].astype(int)
        assert np.abs(pixel - (step, 255 - step, 90)).max() <= 4
    assert '5 more pictures are in the work dir' in text


def test_curves_are_where_the_values_are(tmp_path: Path) -> None:
    """A straight line of the log is one on the page, from corner to corner."""
    text = write_report([make_run(tmp_path / 'first')], tmp_path / 'r.html').read_text()
    figures = re.findall(r'<figure><b>(.*?)</b><svg(.*?)</svg>', text, re.DOTALL)
    drawings = dict(figures)
    (line,) = re.findall(r'class="c0" points="(.*?)"', drawings['Learning rate'])
    points = np.array([pair.split(',') for pair in line.split()], float)
    assert len(points) == 20
    slope, offset = np.polyfit(points[:, 0], points[:, 1], 1)
    assert np.abs(points[:, 1] - slope * points[:, 0] - offset).max() < 0.11
    assert slope < 0
    assert (np.diff(points[:, 0]) > 0).all()
    # A value that is no number is left out of its curve.
    (line,) = re.findall(r'class="c0" points="(.*?)"', drawings['Samples a second'])
    assert len(line.split()) == 19
    assert 'nan' not in text


def test_several_runs(tmp_path: Path) -> None:
    """Side by side, with what differs in the configs; work dirs do not count."""
    runs = [
        make_run(tmp_path / 'a' / 'run', 1.0, 0.75),
        make_run(tmp_path / 'b' / 'run', 2.0, 0.9),
    ]
    text = write_report(runs, tmp_path / 'r.html').read_text()
    page = check_page(text)
    table = rows(text)
    assert table['Total loss'] == [f'{k * (3 - 19 / 20):.4g}' for k in (1, 2)]
    assert table['model.masking.ratio'] == ['0.75', '0.9']
    assert 'work_dir' not in table
    assert {'run (1)', 'run (2)'} <= set(page.texts)
    named = write_report(runs, tmp_path / 'n.html', ['left', 'right']).read_text()
    assert {'left', 'right'} <= set(Page(named).texts)
    with pytest.raises(ValueError, match='2 runs need as many names'):
        write_report(runs, tmp_path / 'r.html', ['one'])


def test_evaluations(tmp_path: Path) -> None:
    """Scores, sheets and clips of test.py, in the work dir or elsewhere."""
    run = make_run(tmp_path / 'run')
    inside = run / 'davis'
    inside.mkdir()
    content = {'global': {'J&F-Mean': 0.61234, 'J-Mean': None}, 'per_object': {}}
    (inside / 'davis.json').write_text(json.dumps(content))
    outside = tmp_path / 'elsewhere'
    (outside / 'pictures').mkdir(parents=True)
    (outside / 'jhmdb.json').write_text(json.dumps({'summary': {'PCK@0.1': 43.25}}))
    (outside / 'broken.json').write_text('{')
    Image.new('RGB', (80, 60)).save(outside / 'pictures' / 'sheet.jpg')
    clip = ClipWriter(outside / 'pictures' / 'dog', 2, mp4=False)
    for level in (0, 200):
        clip.add(np.full((20, 20, 3), level, np.uint8))
    clip.close()
    found = read_evaluations(run)
    assert [(each.name, each.scores['J&F-Mean']) for each in found] == [
        ('davis', 0.61234)
    ]
    text = write_report([run], run / 'r.html', evaluations=[outside]).read_text()
    page = check_page(text)
    for word in ('J&F-Mean', '0.6123', 'PCK@0.1', '43.25', 'dog'):
        assert word in page.texts
    sources = [str(image['src'])[:14] for image in page.all('img')]
    assert sources.count('data:image/gif') == 1
    with pytest.raises(FileNotFoundError, match='no folder'):
        write_report([run], run / 'r.html', evaluations=[tmp_path / 'none'])


@pytest.mark.parametrize('place', ['', '20260102_000000/'])
def test_a_test_in_the_work_dir_hides_nothing(tmp_path: Path, place: str) -> None:
    """Config, environment and data are those of the training, also of older files."""
    run = make_run(tmp_path / 'first')
    expected, later = read_run_record(run), run / place
    (later / 'vis_data').mkdir(parents=True)
    (later / 'y.log').write_text('c - INFO - DAVIS-2017: 1 samples of a test\n')
    (later / 'vis_data' / 'config.py').write_text('test_cfg = dict()')
    assert read_run_record(run) == expected


def test_names_are_text(tmp_path: Path) -> None:
    """What a folder or a config says cannot become a part of the page."""
    run = make_run(tmp_path / 'a<script>alert(1)</script>'.replace('/', '_'))
    text = write_report([run], tmp_path / 'r.html').read_text()
    check_page(text)
    assert 'a<script>alert(1)<_script>' in Page(text).texts


def test_a_drawn_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a real run through the command line: its own numbers."""
    cfg = runner_config(tmp_path / 'run', 4) | dict(log_level='INFO')
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    cfg['visualizer'] = dict(
        type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    tool.main([str(tmp_path / 'run')])
    path = tmp_path / 'run' / 'report.html'
    assert f'Wrote {path}' in capsys.readouterr().out
    text = path.read_text()
    check_page(text)
    log = Path(runner.log_dir, 'vis_data', 'scalars.json').read_text().splitlines()
    records = [json.loads(line) for line in log]
    table = rows(text)
    assert table['Last logged iteration'] == ['4']
    last = sum(record['loss_online'] for record in records[-3:]) / 3
    assert table['Loss of the online network, frame 1'] == [f'{last:.4g}']
    assert 'PyTorch' in table
    assert table['Batch size of a process'] == ['2']


def test_configs_are_not_run(tmp_path: Path) -> None:
    """A config that would do something is shown and does nothing."""
    run = make_run(tmp_path / 'run')
    trap = tmp_path / 'trap'
    code = f"open({str(trap)!r}, 'w')\nseed = 5\n"
    (run / '20260101_000000' / 'vis_data' / 'config.py').write_text(code)
    record = read_run_record(run)
    assert record.config == {'seed': 5}
    assert not trap.exists()


def test_embedding(tmp_path: Path) -> None:
    """Wide pictures are made smaller, long clips left out, the rest is as it was."""
    Image.new('RGB', (2 * WIDEST, 100)).save(tmp_path / 'wide.png')
    _, _, code = as_data(tmp_path / 'wide.png').partition(';base64,')
    with Image.open(io.BytesIO(base64.b64decode(code))) as picture:
        assert picture.size == (WIDEST, 50)
    (tmp_path / 'a.mp4').write_bytes(b'abc')
    assert as_data(tmp_path / 'a.mp4') == 'data:video/mp4;base64,YWJj'
    (tmp_path / 'b.mp4').write_bytes(bytes(LARGEST_CLIP + 1))
    assert as_data(tmp_path / 'b.mp4') == ''


def test_transparent_pictures_lie_on_white(tmp_path: Path) -> None:
    """Half a red: as a browser paints it on a white page."""
    for mode, colour, seen in (
        ('RGBA', (200, 0, 0, 0), (255, 255, 255)),
        ('RGBA', (255, 0, 0, 128), (255, 127, 127)),
        ('LA', (0, 0), (255, 255, 255)),
        ('RGB', (9, 8, 7), (9, 8, 7)),
    ):
        Image.new(mode, (30, 20), colour).save(tmp_path / 'a.png')
        _, _, code = as_data(tmp_path / 'a.png').partition(';base64,')
        with Image.open(io.BytesIO(base64.b64decode(code))) as picture:
            assert picture.getpixel((3, 4)) == seen


def test_broken_pictures_do_not_cost_the_report(tmp_path: Path) -> None:
    """A killed run leaves half of one; the page names it where it would be."""
    run = make_run(tmp_path / 'run')
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    for path in (
        run / '20260101_000000' / 'vis_data' / 'vis_image' / 'reconstruction_0.png',
        run / 'mine.png',
        run / 'sheet.jpg',
    ):
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:900])
    (run / 'dog.gif').symlink_to(tmp_path / 'none.gif')
    text = write_report([run], tmp_path / 'r.html').read_text()
    page = check_page(text)
    for name in ('reconstruction_0.png', 'mine.png', 'sheet.jpg', 'dog.gif'):
        (note,) = [each for each in page.texts if f"{name}' is left out: " in each]
        assert re.search('cannot be decoded|does not exist', note)
    assert len(page.all('img')) == 5
    assert embed(run / 'sheet.jpg').data == ''


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no run to report on'):
        write_report([], tmp_path / 'r.html')
    with pytest.raises(SystemExit, match=r'report\.py: .*does not exist'):
        tool.main([str(tmp_path / 'none')])
    with pytest.raises(SystemExit, match=r'report\.py: .*has no log'):
        tool.main([str(tmp_path)])
