"""What archives hold, and what forbids to unpack them."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.preparation.sources import (
    KINDS,
    make_folder,
    make_source,
    make_tar,
    make_zip,
)
from videomac.datasets.preparation.archives import Limits, scan
from videomac.datasets.preparation.members import (
    DamagedMemberError,
    Member,
    read_member,
)

FILES = {
    'train/a/00000.jpg': b'one',
    'train/a/00005.jpg': b'',
    'train/b c/(x)é.jpg': os.urandom(2**20 + 17),  # more than one block
    'meta.json': b'{}' * 700,
}


def contents(members: list[Member]) -> dict[str, bytes]:
    return {member.name: read_member(member) for member in members}


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_source_gives_the_same_files(tmp_path: Path, kind: str) -> None:
    found = scan(str(make_source(tmp_path, 'set', kind, FILES)))
    assert not found.offences
    assert {member.name: member.size for member in found.members} == {
        name: len(content) for name, content in FILES.items()
    }
    assert contents(found.members) == FILES


@pytest.mark.parametrize('outer', ['folder', '.tar'])
def test_tars_inside_are_opened_where_asked_for(tmp_path: Path, outer: str) -> None:
    inner = {
        name: make_tar(tmp_path / name, {f'{name[:2]}_1.JPEG': name.encode()})
        for name in ('n1.tar', 'n2.tar')
    }
    files = {name: path.read_bytes() for name, path in inner.items()}
    source = str(make_source(tmp_path / 'x', 'train', outer, files))
    assert set(contents(scan(source).members)) == {'n1.tar', 'n2.tar'}
    nested = scan(source, nested=True)
    assert not nested.offences
    assert contents(nested.members) == {
        'n1/n1_1.JPEG': b'n1.tar',
        'n2/n2_1.JPEG': b'n2.tar',
    }


def test_a_single_file_is_a_source_of_itself(tmp_path: Path) -> None:
    path = tmp_path / 'clip.mp4'
    path.write_bytes(b'movie')
    assert contents(scan(str(path)).members) == {'clip.mp4': b'movie'}


def link(name: str, target: str, hard: bool = False) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
    info.linkname = target
    return info


def special(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo('null')
    info.type = kind
    info.devmajor, info.devminor = 1, 3
    return info


@pytest.mark.parametrize('suffix', ['.tar', '.tar.gz'])
@pytest.mark.parametrize(
    ('files', 'others', 'reason'),
    [
        ({'../out.jpg': b'x'}, [], r'leads up the tree'),
        ({'a/../../out.jpg': b'x'}, [], r'leads up the tree'),
        ({'/etc/passwd': b'x'}, [], 'absolute'),
        ({'a\\..\\b': b'x'}, [], 'backslash'),
        ({'caf\udce9.jpg': b'x'}, [], 'UTF-8'),
        ({'a': b'x', './a': b'y'}, [], 'more than once'),
        ({'a': b'x', 'a/b': b'y'}, [], 'both a file and a folder'),
        ({}, [link('l', '../../etc')], 'link'),
        ({}, [link('l', 'inside')], 'link'),
        ({'a': b'x'}, [link('l', '/etc/passwd', hard=True)], 'link'),
        ({}, [special(tarfile.CHRTYPE)], 'device'),
        ({}, [special(tarfile.BLKTYPE)], 'device'),
        ({}, [special(tarfile.FIFOTYPE)], 'special'),
    ],
)
def test_hostile_tars_are_refused(
    tmp_path: Path,
    suffix: str,
    files: dict[str, bytes],
    others: list[tarfile.TarInfo],
    reason: str,
) -> None:
    path = make_tar(tmp_path / f'x{suffix}', {'good.jpg': b'g'} | files, *others)
    found = scan(str(path))
    assert len(found.offences) == 1
    assert reason in found.offences[0]
    assert str(path) in found.offences[0]


def zip_entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ('entries', 'reason'),
    [
        ([zip_entry('../out')], 'leads up'),
        ([zip_entry('/etc/passwd')], 'absolute'),
        ([zip_entry('C:/x')], 'drive'),
        ([zip_entry('l', stat.S_IFLNK | 0o777)], 'link'),
        ([zip_entry('d', stat.S_IFCHR | 0o666)], 'device'),
        ([zip_entry('a'), zip_entry('a')], 'more than once'),
        ([zip_entry('a'), zip_entry('a/b')], 'both a file and a folder'),
    ],
)
@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_hostile_zips_are_refused(
    tmp_path: Path, entries: list[zipfile.ZipInfo], reason: str
) -> None:
    path = tmp_path / 'x.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('good.jpg', b'g')
        for entry in entries:
            archive.writestr(entry, b'/etc/passwd')
    found = scan(str(path))
    assert len(found.offences) == 1
    assert reason in found.offences[0]


def renamed(path: Path, old: bytes, new: bytes) -> Path:
    """Write another name of the same length into an archive."""
    content = path.read_bytes()
    assert content.count(old) == 2  # at the file and in the directory
    path.write_bytes(content.replace(old, new))
    return path


def test_names_of_zips_are_utf8_flagged_or_not(tmp_path: Path) -> None:
    latin = renamed(make_zip(tmp_path / '1.zip', {'caf#.x': b''}), b'caf#', b'caf\xe9')
    assert 'is not UTF-8' in scan(str(latin)).offences[0]
    utf8 = renamed(make_zip(tmp_path / '2.zip', {'caf##.x': b''}), b'##', b'\xc3\xa9')
    assert [member.name for member in scan(str(utf8)).members] == ['café.x']


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / 'x.zip', {'a.jpg': b'x'})
    content = bytearray(path.read_bytes())
    content[content.index(b'PK\x01\x02') + 8] |= 1
    path.write_bytes(content)
    assert scan(str(path)).offences == [f"{path}: 'a.jpg' is encrypted"]


@pytest.mark.parametrize('kind', ['.zip', '.tar.gz', '.tar.xz'])
def test_bombs_are_refused_and_honest_archives_are_not(tmp_path: Path, kind: str) -> None:
    limits = Limits(ratio=50, floor=2**20)

    def write(name: str, content: bytes) -> str:
        path = tmp_path / f'{name}{kind}'
        if kind == '.zip':
            make_zip(path, {'a.png': content}, zipfile.ZIP_DEFLATED)
        else:
            make_tar(path, {'a.png': content})
        return str(path)

    bomb = scan(write('bomb', bytes(4 * 2**20)), limits=limits)
    assert bomb.offences
    assert all('would grow from' in offence for offence in bomb.offences)
    noise = np.random.default_rng(0).bytes(3 * 2**20)
    assert not scan(write('noise', noise), limits=limits).offences
    assert not scan(write('small', bytes(2**19)), limits=limits).offences


def cut(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize(
    'make',
    [
        lambda folder: cut(make_zip(folder / 'x.zip', FILES)),
        lambda folder: cut(make_tar(folder / 'x.tar', FILES)),
        lambda folder: cut(make_tar(folder / 'x.tar.gz', FILES)),
        lambda folder: (
            make_folder(folder, {'x.zip': b'<html>not found</html>'}) / 'x.zip'
        ),
        lambda folder: make_folder(folder, {'x.tar.gz': b''}) / 'x.tar.gz',
        lambda folder: make_folder(folder, {'x.rar': b'Rar!\x1a\x07'}) / 'x.rar',
        lambda folder: folder / 'absent.zip',
    ],
    ids=['zip', 'tar', 'tar.gz', 'web page', 'empty', 'rar', 'absent'],
)
def test_broken_sources_are_offences_not_tracebacks(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    found = scan(str(path))
    assert found.offences
    assert all(str(path) in offence for offence in found.offences)


def test_links_of_folders_may_not_lead_out(tmp_path: Path) -> None:
    outside = make_folder(tmp_path / 'outside', {'secret.jpg': b's'})
    folder = make_folder(tmp_path / 'set', {'a/1.jpg': b'1', 'real/2.jpg': b'2'})
    (folder / 'inner').symlink_to(folder / 'a' / '1.jpg')
    assert not scan(str(folder)).offences
    (folder / 'a' / 'out.jpg').symlink_to(outside / 'secret.jpg')
    (folder / 'out').symlink_to(outside)
    (folder / 'a' / 'nothing.jpg').symlink_to(folder / 'gone.jpg')
    os.mkfifo(folder / 'a' / 'pipe.jpg')
    found = scan(str(folder))
    assert len(found.offences) == 4
    text = '\n'.join(found.offences)
    for part in ('out.jpg', "/out' is a link", 'nothing.jpg', "pipe.jpg' is no regular"):
        assert part in text
    assert not any('secret' in member.name for member in found.members)


def test_damaged_content_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = make_zip(tmp_path / 'x.zip', {'a.jpg': b'content', 'b.jpg': b'intact'})
    path.write_bytes(path.read_bytes().replace(b'content', b'CONTENT', 1))
    first, second = scan(str(path)).members
    with pytest.raises(DamagedMemberError, match=r'a\.jpg is damaged'):
        read_member(first)
    assert read_member(second) == b'intact'


def test_more_content_than_announced_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / 'set', {'a.jpg': b'12345'})
    (member,) = scan(str(folder)).members
    for content, words in ((b'123456', 'more than 5'), (b'1234', '4 bytes')):
        (folder / 'a.jpg').write_bytes(content)
        with pytest.raises(DamagedMemberError, match=words):
            read_member(member)


def test_lists_are_not_read_beyond_a_limit(tmp_path: Path) -> None:
    (member,) = scan(str(make_folder(tmp_path / 's', {'a.csv': b'12345'}))).members
    with pytest.raises(DamagedMemberError, match='more than a list'):
        read_member(member, limit=4)
