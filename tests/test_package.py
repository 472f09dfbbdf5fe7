"""What an installation carries, and how configs and tools are found in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from videomac import __version__
from videomac.utils import configs_root, find_config, package_file, tools_root

ROOT = Path(__file__).resolve().parents[1]
NEEDS_BUILD = pytest.mark.skipif(
    find_spec('build') is None or find_spec('wheel') is None,
    reason='needs the packages build and wheel',
)

# What work leaves in a checkout, and what is of no use to those who install.
LITTER = (
    'tests/test_something.py',
    'data/ytvos/train/JPEGImages/video/00000.jpg',
    'work_dirs/demo/iter_260.pth',
    'docs/en/page.md',
    'build/lib/videomac/old.py',
    'videomac/models/__pycache__/videomac.cpython-311.pyc',
    'tools/__pycache__/train.cpython-311.pyc',
    'videomac/weights.pth',
    'videomac/frame.jpg',
)


def copy_tracked(target: Path) -> None:
    """Copy what a clone would hold, so that building leaves the checkout alone."""
    ignore = shutil.ignore_patterns('.git', '.venv*', '.mim', '__pycache__', '.*_cache')
    names = ('videomac', 'configs', 'tools', 'requirements')
    for name in names:
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    for name in ('setup.py', 'pyproject.toml', 'model-index.yml', 'MANIFEST.in'):
        shutil.copy2(ROOT / name, target / name)


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a folder with spaces in its path."""
    source = tmp_path_factory.mktemp('a source')
    copy_tracked(source)
    for name in LITTER:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text('litter')
    # The versions of build tools are those of this environment, whatever they are.
    command = [sys.executable, '-m', 'build', '--wheel', '-n', '--skip-dependency-check']
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (source / 'dist').glob('*.whl')
    return path


@NEEDS_BUILD
def test_wheel_carries_configs_and_tools(wheel: Path) -> None:
    """Each file of the folders is below `.mim`, with nothing beside the package."""
    assert wheel.name.startswith(f'videomac-{__version__}-')
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f'videomac/.mim/{path.relative_to(ROOT).as_posix()}'
        for folder in ('configs', 'tools')
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    expected |= {'videomac/.mim/model-index.yml', 'videomac/py.typed'}
    expected.add('videomac/report/page.html')
    assert expected <= names
    tops = {name.split('/')[0] for name in names}
    assert tops == {'videomac', f'videomac-{__version__}.dist-info'}


@NEEDS_BUILD
def test_wheel_carries_nothing_else(wheel: Path) -> None:
    """Neither tests, data, pages, outputs nor caches; each file is one of ours."""
    with zipfile.ZipFile(wheel) as archive:
        files = [
            info for info in archive.infolist() if '.dist-info/' not in info.filename
        ]
    names = {info.filename for info in files}
    assert not {
        name for name in names if Path(name).name in map(os.path.basename, LITTER)
    }
    ours = {name.replace('videomac/.mim/', '') for name in names}
    assert not {name for name in ours if not (ROOT / name).is_file()}
    kinds = {Path(name).suffix or Path(name).name for name in names}
    assert kinds <= {'.py', '.typed', '.txt', '.html', '.md', '.yml', '.sh'}
    assert sum(info.compress_size for info in files) < 2 * 2**20


@NEEDS_BUILD
@pytest.mark.skipif(not (ROOT / '.git').exists(), reason='git knows what belongs to us')
def test_sdist_is_the_checkout(tmp_path: Path) -> None:
    """Every tracked file, tests with all that they read, and nothing else."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.split('\0') if (ROOT / name).is_file()}
    for name in (*tracked, *LITTER):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for name in tracked:
        shutil.copy2(ROOT / name, tmp_path / name)
    litter = [name for name in LITTER if name.startswith(('data', 'work_dirs', 'build'))]
    for name in litter:
        (tmp_path / name).write_text('litter')
    command = [sys.executable, '-m', 'build', '--sdist', '-n', '--skip-dependency-check']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / 'dist').glob('*.tar.gz')
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
    names = {member.name.partition('/')[2] for member in members}
    made = {name for name in names if name.startswith('videomac.egg-info/')}
    assert names - made - {'PKG-INFO', 'setup.cfg'} == tracked


@NEEDS_BUILD
def test_metadata_says_what_it_needs(wheel: Path) -> None:
    """Every requirement of the files, and no other, is in the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith('.dist-info/METADATA')]
        text = archive.read(name).decode().split('\n\n')[0]
    assert re.search(
        r'^Requires-Python: >=3\.10,<3\.13$|^Requires-Python: <3\.13,>=3\.10$',
        text,
        re.MULTILINE,
    )
    required = re.findall(r'^Requires-Dist: ([\w-]+)[^;\n]*$', text, re.MULTILINE)
    lines = (ROOT / 'requirements' / 'runtime.txt').read_text().splitlines()
    expected = [match.group() for line in lines if (match := re.match(r'[\w-]+', line))]
    assert sorted(required) == sorted(expected)


@NEEDS_BUILD
def test_wheel_alone_finds_its_configs(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere: our lookup, and mmengine's `videomac::`."""
    site = tmp_path / 'site packages'
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # What another, careless package may leave beside ours.
    (site / 'configs').mkdir()
    (tmp_path / 'mine.py').write_text("_base_ = 'videomac::_base_/default_runtime.py'\n")
    code = (
        'import videomac.utils as u\n'
        'from mmengine.config import Config\n'
        'print(u.configs_root()); print(u.find_config("_base_/default_runtime.py"))\n'
        'print(Config.fromfile("mine.py").default_hooks.safe_checkpoint.type)'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    mim = site / 'videomac' / '.mim'
    assert done.stdout.splitlines() == [
        str(mim / 'configs'),
        str(mim / 'configs' / '_base_' / 'default_runtime.py'),
        'SafeCheckpointHook',
    ]


@NEEDS_BUILD
def test_models_are_found_in_a_wheel(wheel: Path, tmp_path: Path) -> None:
    """By our names, and by the metafiles as mmengine and mim read them."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'site')
    name = 'videomac_resnet18_8xb64-coslr-100e_ytvos'
    code = (
        'import json, videomac\n'
        'from videomac.apis import get_model, list_models\n'
        'from mmengine.hub import get_config\n'
        f'model = get_model("{name}")\n'
        f'config = get_config("videomac::videomac/{name}.py")\n'
        'print(json.dumps([videomac.__file__, list_models("convnextv2*"), '
        'type(model).__name__, config.model.encoder.depth]))'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    file, names, kind, depth = json.loads(done.stdout.splitlines()[-1])
    assert Path(file).is_relative_to(tmp_path)
    assert (kind, depth) == ('VideoMAC', 18)
    expected = {path.stem for path in (ROOT / 'configs').rglob('*_convnextv2*.py')}
    assert set(names) == expected
    assert 'videomac_convnextv2-small-gap5_8xb64-amp-coslr-100e_ytvos' in names


def test_checkout_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders do not depend on the working directory."""
    monkeypatch.chdir(tmp_path)
    assert (configs_root() / '_base_' / 'default_runtime.py').is_file()
    assert (tools_root() / 'train.py').is_file()
    assert package_file('model-index.yml').is_file()


@pytest.mark.parametrize('path', ['/etc/passwd', '../secret', 'configs/../../x'])
def test_paths_outside_are_refused(path: str) -> None:
    """Only files of the toolbox."""
    with pytest.raises(ValueError, match='inside the toolbox'):
        package_file(path)


def test_missing_file_says_where_it_looked() -> None:
    """The message names the path and the places."""
    with pytest.raises(FileNotFoundError, match=r"no 'configs/nothing\.py' in '.*'"):
        package_file('configs/nothing.py')


def test_find_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the working directory wins over one of the toolbox."""
    name = '_base_/default_runtime.py'
    monkeypatch.chdir(tmp_path)
    ours = configs_root() / name
    assert (
        find_config(name) == find_config(f'configs/{name}') == find_config(ours) == ours
    )
    (tmp_path / '_base_').mkdir()
    (tmp_path / name).touch()
    assert find_config(name).resolve() == tmp_path / name
    with pytest.raises(FileNotFoundError, match=r'Did you mean: _base_/default_runtime'):
        find_config('default_runtim.py')


def test_model_index_is_valid() -> None:
    """Each import exists; each model names its collection, config and paper."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    collections: set[str] = set()
    models: list[dict[str, str]] = []
    for name in index['Import']:
        meta = yaml.safe_load((ROOT / name).read_text())
        collections |= {entry['Name'] for entry in meta.get('Collections', [])}
        models += meta['Models'] or []
    assert 'VideoMAC' in collections
    for model in models:
        assert model['In Collection'] in collections
        assert (ROOT / model['Config']).is_file(), model['Name']


def test_each_requirement_is_pinned() -> None:
    """A requirement without a pin would install another version each month."""
    pins = (ROOT / 'constraints.txt').read_text()
    pinned = set(re.findall(r'^([a-z0-9-]+)==', pins, re.MULTILINE))
    for path in (ROOT / 'requirements').glob('*.txt'):
        for line in path.read_text().splitlines():
            match = re.match(r'[a-z0-9-]+', line)
            if match:
                assert match.group() in pinned, f'{path.name}: {match.group()}'
    assert not re.search(r'^(nvidia|cuda|triton)', pins, re.MULTILINE)
