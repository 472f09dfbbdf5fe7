"""Ids survive files; colours go through the palette; other pictures are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from videomac.datasets.label_maps import (
    LabelFiles,
    LabelMapError,
    object_palette,
    read_foreground,
    read_label_map,
    read_palette,
    write_label_map,
)

Ids = NDArray[np.uint8]


@pytest.fixture
def ids() -> Ids:
    """An id map with ids 0, 1, 2, 7 and void."""
    drawn = np.zeros((6, 9), np.uint8)
    drawn[1:3, 1:4], drawn[3:5, 5:8], drawn[0, 0], drawn[5, 8] = 1, 2, 7, 255
    return drawn


def test_palette_begins_as_that_of_pascal_voc() -> None:
    # The colours that the VOC development kit documents for its first classes.
    expected = [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        (0, 0, 128),
        (128, 0, 128),
        (0, 128, 128),
        (128, 128, 128),
        (64, 0, 0),
        (192, 0, 0),
    ]
    palette = object_palette()
    assert [tuple(colour) for colour in palette[:10].tolist()] == expected
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_written_maps_are_palette_pictures_of_the_ids(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / '00000.png'
    write_label_map(path, ids)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ('PNG', 'P', (9, 6))
        assert np.array_equal(np.asarray(image), ids)
        colours = np.asarray(image.convert('RGB'))
    assert np.array_equal(colours, object_palette()[ids])
    assert np.array_equal(read_label_map(path), ids)
    assert os.listdir(tmp_path) == ['00000.png']


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_any_ids_survive(
    tmp_path_factory: pytest.TempPathFactory, seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (height, width)).astype(np.uint8)
    path = tmp_path_factory.mktemp('maps') / 'map.png'
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    write_label_map(path, drawn, palette)
    assert np.array_equal(read_label_map(path), drawn)
    found = read_palette(path)
    assert found is not None
    assert np.array_equal(found, palette)


def test_a_kill_while_writing_leaves_what_was_there(
    tmp_path: Path, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'map.png'
    write_label_map(path, ids)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('videomac.datasets.label_maps.os.replace', fail)
    with pytest.raises(KeyboardInterrupt):
        write_label_map(path, ids + 1)
    assert np.array_equal(read_label_map(path), ids)
    assert os.listdir(tmp_path) == ['map.png']


def test_colours_are_looked_up_not_numbered(tmp_path: Path, ids: Ids) -> None:
    # Id 1 is absent: numbering the colours that occur would make 2 to 1.
    drawn = np.where(ids == 1, 0, ids).astype(np.uint8)
    path = tmp_path / 'colours.png'
    Image.fromarray(object_palette()[drawn]).save(path)
    assert np.array_equal(read_label_map(path), drawn)
    other = np.roll(object_palette(), 5, axis=0)
    Image.fromarray(other[drawn]).save(path)
    assert np.array_equal(read_label_map(path, other), drawn)


def test_strange_colours_are_refused_with_their_place(tmp_path: Path) -> None:
    picture = np.zeros((4, 5, 3), np.uint8)
    picture[2, 3] = (1, 2, 3)
    picture[3, 3] = (9, 9, 9)
    path = tmp_path / 'photo.png'
    Image.fromarray(picture).save(path)
    with pytest.raises(
        LabelMapError, match=r'2 of its .*\(1, 2, 3\) at x=3, y=2'
    ) as info:
        read_label_map(path)
    assert info.value.path == str(path)


@pytest.mark.parametrize('mode', ['L', '1', 'I', 'I;16'])
def test_grey_values_are_ids(tmp_path: Path, mode: str) -> None:
    drawn = np.array([[0, 1], [1, 0]])
    image = {
        'L': Image.fromarray(drawn.astype(np.uint8)),
        '1': Image.fromarray(drawn.astype(bool)),
        'I': Image.fromarray(drawn.astype(np.int32)),
        'I;16': Image.fromarray(drawn.astype(np.uint16)),
    }[mode]
    assert image.mode == mode
    path = tmp_path / 'grey.tiff'
    image.save(path)
    assert read_label_map(path).tolist() == drawn.tolist()
    assert read_label_map(path).dtype == np.uint8


def test_large_values_and_other_modes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'deep.png'
    Image.fromarray(np.full((3, 3), 300, np.uint16)).save(path)
    with pytest.raises(LabelMapError, match='reach 300'):
        read_label_map(path)
    path = tmp_path / 'ink.tiff'
    Image.new('CMYK', (3, 3)).save(path)
    with pytest.raises(LabelMapError, match='mode CMYK'):
        read_label_map(path)


def test_missing_and_broken_files_are_named(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / 'map.png'
    with pytest.raises(LabelMapError, match='there is no such file'):
        read_label_map(path)
    write_label_map(path, ids)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(LabelMapError, match='cannot be decoded'):
        read_label_map(path)


def test_foreground_of_every_kind_of_mask(tmp_path: Path, ids: Ids) -> None:
    palette = tmp_path / 'palette.png'
    write_label_map(palette, ids)
    expected = ((ids > 0) & (ids < 255)).astype(np.uint8)
    assert np.array_equal(read_foreground(palette), expected)
    grey = tmp_path / 'grey.png'
    Image.fromarray(expected * 255).save(grey)
    assert np.array_equal(read_foreground(grey), expected)
    Image.fromarray(expected).save(grey)
    assert np.array_equal(read_foreground(grey), expected)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'P', '1'])
def test_black_and_white_foreground_of_every_mode(tmp_path: Path, mode: str) -> None:
    mask = np.zeros((6, 9), np.uint8)
    mask[1:4, 2:7] = 1
    picture = Image.fromarray(mask * 255).convert(mode)
    if mode == 'P':
        picture = Image.fromarray(mask * 255)
        picture.putpalette(np.arange(256).repeat(3).astype(np.uint8).tobytes())
    picture.save(tmp_path / 'mask.png')
    with Image.open(tmp_path / 'mask.png') as image:
        assert image.mode == mode
    assert np.array_equal(read_foreground(tmp_path / 'mask.png'), mask)


def test_void_beside_objects_is_no_foreground_even_in_white(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255]], np.uint8)
    colours = object_palette()
    colours[255] = 255
    write_label_map(tmp_path / 'map.png', ids, colours)
    assert read_foreground(tmp_path / 'map.png').tolist() == [[0, 1, 0]]


def test_grey_ids_beside_void_are_no_blurred_white(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / 'grey.png'
    Image.fromarray(ids).save(path)
    with Image.open(path) as image:
        assert image.mode == 'L'
    expected = ((ids > 0) & (ids < 255)).astype(np.uint8)
    assert np.array_equal(read_foreground(path), expected)
    # White with greys on both sides of the middle, kept as a PNG after a JPEG.
    blurred = np.array([[0, 3, 110, 250, 255]], np.uint8)
    Image.fromarray(blurred).save(path)
    assert read_foreground(path).tolist() == [[0, 0, 0, 1, 1]]


def test_foreground_blurred_by_jpeg(tmp_path: Path) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[5:21, 13:30] = 1
    path = tmp_path / 'mask.jpg'
    Image.fromarray(mask * 255).save(path, quality=80)
    blurred = np.asarray(Image.open(path))
    assert len(np.unique(blurred)) > 2, 'the picture is not blurred'
    with pytest.raises(LabelMapError, match='a JPEG, which blurs ids'):
        read_label_map(path)
    assert np.array_equal(read_foreground(path), mask)


def test_bad_ids_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match='uint8, got int64'):
        write_label_map(tmp_path / 'map.png', np.zeros((2, 2), np.int64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'\[H, W\], got \[2, 2, 1\]'):
        write_label_map(tmp_path / 'map.png', np.zeros((2, 2, 1), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_sequence_of_files_reads_what_is_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / f'{t}.png' for t in range(4)]
    for t in (1, 2):
        write_label_map(paths[t], np.full((2, 3), 2 * t, np.uint8))
    files = LabelFiles(paths)
    assert len(files) == 4
    assert files[2].tolist() == [[4] * 3] * 2
    assert [int(ids[0, 0]) for ids in files[1:3]] == [2, 4]
    assert [int(ids[0, 0]) for ids in LabelFiles(paths, merge_objects=True)[1:3]] == [
        1,
        1,
    ]
    with pytest.raises(LabelMapError, match=r'3\.png: there is no such file'):
        files[3]
