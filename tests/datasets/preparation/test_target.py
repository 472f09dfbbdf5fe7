"""Writing into a folder and nowhere else."""

from pathlib import Path

import pytest

from tests.datasets.preparation.sources import read_tree
from videomac.datasets.preparation import target as target_module
from videomac.datasets.preparation.names import UnsafeNameError
from videomac.datasets.preparation.target import STATE, Target, TargetError, locked


def visible(root: Path) -> dict[str, bytes]:
    return {k: v for k, v in read_tree(root).items() if not k.startswith(STATE)}


def test_files_appear_whole_and_replace_what_is_there(tmp_path: Path) -> None:
    target = Target(tmp_path / 'set')
    target.write('a/b.txt', b'1')
    part = target.part()
    part.write_bytes(b'half of')
    assert visible(target.root) == {'a/b.txt': b'1'}  # not before it is placed
    target.place(part, 'a/b.txt')
    assert visible(target.root) == {'a/b.txt': b'half of'}


def test_folders_are_replaced_as_a_whole(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.write('v/00007.jpg', b'old')
    folder = target.part()
    folder.mkdir()
    (folder / '00000.jpg').write_bytes(b'new')
    target.place(folder, 'v')
    assert visible(tmp_path) == {'v/00000.jpg': b'new'}


def test_names_that_lead_out_are_refused(tmp_path: Path) -> None:
    target = Target(tmp_path / 'set')
    with pytest.raises(UnsafeNameError, match='leads up'):
        target.write('../x', b'')
    assert not (tmp_path / 'x').exists()


def test_links_in_the_target_that_lead_out_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / 'outside'
    outside.mkdir()
    root = tmp_path / 'set'
    target = Target(root)
    (root / 'a').symlink_to(outside)
    for name in ('a/x.jpg', 'a/deep/x.jpg'):
        with pytest.raises(TargetError, match='leads out of the target'):
            target.write(name, b'x')
    assert not list(outside.iterdir())
    (root / 'inside').mkdir()
    (root / 'b').symlink_to(root / 'inside')
    target.write('b/x.jpg', b'x')
    assert (root / 'inside' / 'x.jpg').read_bytes() == b'x'


def test_a_link_in_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / 'precious'
    outside.write_bytes(b'precious')
    target = Target(tmp_path / 'set')
    (target.root / 'x').symlink_to(outside)
    target.write('x', b'new')
    assert outside.read_bytes() == b'precious'
    assert not (target.root / 'x').is_symlink()


def test_files_and_folders_in_each_others_place(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.write('a', b'')
    with pytest.raises(TargetError, match='is a file where a folder'):
        target.write('a/b', b'')
    target.write('c/d', b'')
    with pytest.raises(TargetError, match='is a folder where a file'):
        target.write('c', b'')
    assert (tmp_path / 'c' / 'd').exists()


def test_one_conversion_at_a_time_and_leftovers_are_cleared(tmp_path: Path) -> None:
    part = Target(tmp_path).part()
    part.write_bytes(b'of a killed run')
    with locked(tmp_path):
        assert not part.exists()
        with (
            pytest.raises(TargetError, match='another conversion'),
            locked(tmp_path),
        ):
            pass
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_journal_is_kept_for_the_next_run(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / STATE / 'journal-1.jsonl').write_bytes(b'x')
        (tmp_path / STATE / 'parts').mkdir()
    assert list(read_tree(tmp_path)) == [f'{STATE}/journal-1.jsonl', f'{STATE}/lock']


@pytest.mark.parametrize('again', [False, True])
def test_a_lock_that_was_taken_away_keeps_nobody_out(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion ends between another's opening of the file and its locking."""
    pytest.importorskip('fcntl')
    lock, path = target_module._lock, tmp_path / STATE / 'lock'

    def late(descriptor: int, root: Path) -> None:
        monkeypatch.setattr(target_module, '_lock', lock)
        path.unlink()
        if again:  # and a third begins
            path.write_bytes(b'')
        lock(descriptor, root)

    monkeypatch.setattr(target_module, '_lock', late)
    with (
        locked(tmp_path),
        pytest.raises(TargetError, match='another conversion'),
        locked(tmp_path),
    ):
        pass


def test_a_target_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(b'')
    with pytest.raises(TargetError, match='is not a folder'), locked(tmp_path / 'x'):
        pass
