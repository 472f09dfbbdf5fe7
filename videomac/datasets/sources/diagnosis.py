"""Why a file cannot be read, in words that say what to do."""

from __future__ import annotations

import io
import os

from PIL import Image

__all__ = [
    'UnreadableVideoError',
    'check_no_list',
    'diagnose',
    'is_cut_jpeg',
    'printable',
]

_START = 64  # bytes that tell a web page and the like from a picture
_BLANKS = b'\xef\xbb\xbf \t\r\n'  # a byte-order mark among them
_PAGES = (b'<!doctype', b'<html', b'<?xml', b'<head')
_PLAYLISTS = (b'#extm3u', b'ffconcat', b'<mpd')
#: Text and XML of any kind that FFmpeg may take for a list of files. It looks for one
#: behind an ID3 tag, too, which music has and videos have not.
_LISTS = (*_PLAYLISTS, b'<?', b'<!', b'<compositionplaylist', b'id3')


class UnreadableVideoError(Exception):
    """A frame or a video file that cannot be read.

    Args:
        path: The frame or the video file.
        reason: What is wrong with it, for a person to read.
    """

    def __init__(self, path: str, reason: str) -> None:
        # Both go to Exception so that the error survives pickling between processes.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f'cannot read {printable(self.path)}: {self.reason}'


def printable(path: str) -> str:
    r"""Write a path so that it can be printed and logged.

    Names of files may be any bytes; what is not UTF-8 in them becomes ``\udcff``.
    """
    return path.encode('utf-8', 'backslashreplace').decode()


def diagnose(path: str, error: Exception | None = None) -> str:
    """Say why a picture or a video cannot be read.

    Args:
        path: The file.
        error: What the decoder raised, shown where the file itself tells nothing.

    Returns:
        The reason, without the path.
    """
    if not os.path.exists(path):
        if os.path.islink(path):
            target = printable(os.readlink(path))
            return f"is a link to '{target}', which does not exist"
        return 'the file does not exist'
    if os.path.isdir(path):
        return 'is a folder, not a file'
    try:
        with open(path, 'rb') as file:
            start = file.read(_START)
    except PermissionError:
        return 'this user may not read it; change its permissions'
    except OSError as failure:
        return f'cannot be opened ({failure.strerror})'
    if not start:
        return 'cannot be decoded: the file is empty; fetch it anew'
    text = start.lstrip(_BLANKS).lower()
    if text.startswith(_PLAYLISTS):
        return 'is a playlist, which only names videos; give the videos themselves'
    if text.startswith(_PAGES):
        return 'cannot be decoded: it is a web page in place of the file; fetch it anew'
    if text.startswith(b'version https://git-lfs'):
        return 'cannot be decoded: it is a pointer of Git LFS; run "git lfs pull"'
    return f'cannot be decoded ({error or "unknown or damaged format"})'


def check_no_list(path: str) -> None:
    """Refuse what FFmpeg would take for a list of files, before FFmpeg sees it.

    It opens all that a list names, and so shows files of this machine to whoever may
    send it a video.

    Args:
        path: A file that is there.

    Raises:
        UnreadableVideoError: The file is a playlist or XML, or cannot be opened.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(_START)
    except OSError as error:
        raise UnreadableVideoError(path, diagnose(path, error)) from error
    text = start.lstrip(_BLANKS).lower()
    # XML may begin with any number of blanks.
    if not text or text.startswith(_LISTS):
        raise UnreadableVideoError(path, diagnose(path))


def is_cut_jpeg(content: bytes) -> bool:
    """Whether the end of a JPEG is missing, which some decoders paint over in grey.

    Args:
        content: A whole file; one that is no JPEG is not a cut one.
    """
    if not content.startswith(b'\xff\xd8'):
        return False
    # Coded pixels hold no FF D9, the mark of the end; a thumbnail before them may.
    if content.rfind(b'\xff\xd9') > content.rfind(b'\xff\xda'):
        return False
    try:  # so may what follows the end, which does no harm: decode to be sure
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except Exception:  # Pillow raises whatever the damage leads to
        return True
    return False
