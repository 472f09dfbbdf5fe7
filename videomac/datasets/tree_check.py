"""What is wrong with a data set on disk, gathered and reported as one error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image

__all__ = ['BrokenTreeError', 'TreeCheck', 'missing_numbers']


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
        """Check a frame or a label map by its header, and a PNG by its checksums.

        Args:
            path: The picture.
            size: Height and width that it must have; None if any will do.

        Returns:
            Height and width, None if it cannot be read.
        """
        try:
            with Image.open(path) as image:
                found = image.height, image.width
                image.verify()
        except FileNotFoundError:
            self.add(f'{path} is missing')
            return None
        except (OSError, SyntaxError, ValueError) as error:
            self.add(f'{path} cannot be read ({error})')
            return None
        if size is not None and found != size:
            self.add(
                f'{path} is {found[1]}x{found[0]} (width x height), the first frame of '
                f'its video is {size[1]}x{size[0]}'
            )
        return found

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
        listed = ''.join(f'\n  - {text}' for text in self.offences[: self.shown])
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
        The names that are missing between the first and the last, with as many digits;
        none where a name is no number.
    """
    if len(names) < 3 or not all(name.isdecimal() for name in names):
        return []
    numbers = sorted(int(name) for name in names)
    step = min(b - a for a, b in pairwise(numbers)) or 1
    absent = set(range(numbers[0], numbers[-1], step)) - set(numbers)
    return [str(number).zfill(len(names[0])) for number in sorted(absent)]
