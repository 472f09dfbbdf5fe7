"""Where a clip is chosen, for all tabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ..clips import MAX_BYTES, MAX_FRAMES, MAX_SIDE, Clip, bundled_clips, load_clip
from .common import Site, friendly

__all__ = ['ClipBar']

KEPT = 3600  # seconds that the frames of a session stay in memory
LIMITS = (
    f'Of uploads of up to {MAX_BYTES >> 20} MB the first {MAX_FRAMES} frames are taken, '
    f'at {MAX_SIDE} pixels at most; the file is deleted as soon as it is read.'
)


class ClipBar:
    """Upload or choose a clip.

    Attributes:
        clip: State with the :class:`Clip`, or None.
    """

    def __init__(self, site: Site) -> None:
        self._workplace = site.workplace
        self._bundled = {name: str(path) for name, path in bundled_clips().items()}
        names = list(self._bundled)
        self.clip = gr.State(None, time_to_live=KEPT)
        self._resets: list[Callable[[Clip], Any]] = []
        with gr.Row(equal_height=True):
            # A box for files would keep one that was refused, and take no other.
            self._file = gr.UploadButton(
                'Upload a video or a picture', scale=2, elem_id='upload'
            )
            with gr.Column(scale=3):
                self._choice = gr.Dropdown(
                    names,
                    value=names[0] if names else None,
                    label='Or take a clip that is here',
                    visible=bool(names),
                    elem_id='bundled',
                )
                self._about = gr.Markdown(
                    LIMITS, elem_id='about-clip', elem_classes='small'
                )

    def connect(
        self, page: Any, resets: Sequence[tuple[Callable[[Clip], Any], Sequence[Any]]]
    ) -> None:
        """Say what else changes with the clip.

        Args:
            page: The page, which loads the first clip when it is opened.
            resets: Functions that take the clip and return the values of components.
        """
        self._resets = [function for function, _ in resets]
        outputs = [self.clip, self._about, *(c for _, each in resets for c in each)]
        # One queue, in which nothing is skipped: the clip that was asked for last stays,
        # also if people do not wait until the page has its first one.
        queue: dict[str, Any] = dict(
            concurrency_id='clip', trigger_mode='multiple', api_visibility='private'
        )
        self._file.upload(self._upload, self._file, outputs, **queue)
        self._choice.input(self._choose, self._choice, outputs, **queue)
        if self._bundled:
            page.load(self._choose, self._choice, outputs, **queue)

    @friendly
    def _upload(self, path: str) -> tuple[Any, ...]:
        try:
            clip = load_clip(path)
        finally:
            self._workplace.discard(path)
        return self._values(clip)

    @friendly
    def _choose(self, name: str) -> tuple[Any, ...]:
        return self._values(load_clip(self._bundled[name]))

    def _values(self, clip: Clip) -> tuple[Any, ...]:
        others = (value for reset in self._resets for value in reset(clip))
        return clip, _about(clip), *others


def _about(clip: Clip) -> str:
    return f'Loaded {clip}\n\n{LIMITS}'
