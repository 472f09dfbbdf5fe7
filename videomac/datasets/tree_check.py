"""What is wrong with a data set on disk, gathered and reported as one error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from pathlib import Path

from PIL import Image

from .label_maps import LabelMapError, read_label_map
from .sources.diagnosis import diagnose, is_cut_jpeg, printable

__all__ = ['BrokenTreeError', 'TreeCheck', 'missing_numbers']


_MOST_HOLES = 1000


class BrokenTreeError(ValueError):
    """A data set on disk that is incomplete or contradicts itself.

    Args:
        report: What is wrong and what to do, cut to a readable length.
        offences: All that is wrong.
    """

    def __init__(self, report: str, offences: Sequence[str] = ()) -> None:
        super().__init__(report, tuple(offences))  # both survive pickling
        self.offences = tuple(offences)

    def __str__(self) -> str:
        return str(self.args[0])


class TreeCheck:
    """Gathers the offences of a tree.

    Args:
        what: The tree, for the report: ``"DAVIS-2017 in 'data/davis'"``.
        shown: How many offences the report lists.
    """

    def __init__(self, what: str, shown: int = 10) -> None:
        self.what = what
        self.shown = shown
        self.offences: list[str] = []

    def add(self, offence: str) -> None:
        """Note one offence."""
        self.offences.append(offence)

    def frame(self, path: Path, size: tuple[int, int] | None) -> tuple[int, int] | None:
        """Check a frame by its header; a PNG by its checksums, a JPEG by its end.

        Args:
            path: The picture.
            size: Height and width that it must have; None if any will do.

        Returns:
            Height and width, None if it cannot be read.
        """
        if not path.exists() and not path.is_symlink():
            self.add(f'{path} is missing')
            return None
        try:
            with Image.open(path) as image:
                found = image.height, image.width
                image.verify()
            if is_cut_jpeg(path.read_bytes()):
                raise OSError('its end is missing')
        # What Pillow raises on broken files depends on the format and on the damage.
        except Exception as error:
            self.add(f'{path} cannot be read: {diagnose(str(path), error)}')
            return None
        if size is not None and found != size:
            self.add(
                f'{path} is {found[1]}x{found[0]} (width x height), the first frame of '
                f'its video is {size[1]}x{size[0]}'
            )
        return found

    def label_map(
        self,
        path: Path,
        size: tuple[int, int],
        read: Callable[[Path], object] = read_label_map,
    ) -> None:
        """Check a label map as a frame, and that its pixels can be ids.

        Args:
            path: The picture.
            size: Height and width of the frame that it belongs to.
            read: What reads it later, and raises a LabelMapError if it cannot.
        """
        before = len(self.offences)
        self.frame(path, size)
        if len(self.offences) > before:
            return
        with Image.open(path) as image:
            plain = image.format == 'PNG' and image.mode in ('P', 'L')
        if plain:  # all values are ids: no need to decode them
            return
        try:
            read(path)
        except LabelMapError as error:
            self.add(str(error))

    def numbering(self, folder: Path, names: Sequence[str]) -> None:
        """Note the frames that are absent from an even numbering."""
        for number in missing_numbers(names):
            self.add(f'{folder} has no frame {number}')

    def finish(self, advice: str) -> None:
        """Raise one error if there was any offence.

        Raises:
            BrokenTreeError: Lists the first offences and their number.
        """
        if not self.offences:
            return
        number = len(self.offences)
        shown = self.offences[: self.shown]
        listed = ''.join(f'\n  - {printable(text)}' for text in shown)
        more = f'\n  and {number - self.shown} more' if number > self.shown else ''
        plural = 's' if number > 1 else ''
        raise BrokenTreeError(
            f'{self.what}: {number} problem{plural}{listed}{more}\n{advice}',
            self.offences,
        )


def missing_numbers(names: Sequence[str]) -> list[str]:
    """Find the holes in evenly numbered file names.

    Args:
        names: Stems of files. The step of the numbering is the smallest that occurs.

    Returns:
        The names that are missing between the first and the last, with as many digits,
        at most 1000 of them; none where a name is no number.
    """
    if len(names) < 3 or not all(name.isdecimal() for name in names):
        return []
    numbers = sorted(int(name) for name in names)
    step = min(b - a for a, b in pairwise(numbers)) or 1
    absent = (n for a, b in pairwise(numbers) for n in range(a + step, b, step))
    # A stray file such as 99999999.jpg would make millions of them.
    return [str(number).zfill(len(names[0])) for number in islice(absent, _MOST_HOLES)]
