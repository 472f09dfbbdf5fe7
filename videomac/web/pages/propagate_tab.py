"""Tab: objects of a first frame followed through the clip."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..clips import MAX_FRAMES, Clip
from ..propagation import Settings, check_objects, propagate
from .common import COMPUTE, Site, friendly, model_choice, reporter
from .objects import Objects

__all__ = ['PropagateTab', 'propagation_settings']

PART = 'propagate'  # has a Stop of its own
FRAMES = 40
MEANING = (
    'Input size: short side in pixels. Window: how many cells a match may be away, 0 for '
    'no limit. Top-k: matches that vote. References: frames before the present one that '
    'are looked at, beside the first.'
)


def propagation_settings() -> list[Any]:
    """Sliders, in the order in which :func:`chosen` takes their values."""
    usual = Settings()
    with gr.Row():
        frames = gr.Slider(
            2, MAX_FRAMES, value=FRAMES, step=1, label='Frames', elem_id='frames'
        )
        size = gr.Slider(96, 480, value=usual.size, step=16, label='Input size')
        radius = gr.Slider(0, 40, value=usual.radius, step=1, label='Window')
        topk = gr.Slider(1, 30, value=usual.topk, step=1, label='Top-k')
        previous = gr.Slider(0, 20, value=usual.previous, step=1, label='References')
    gr.Markdown(MEANING, elem_classes='small')
    return [frames, size, radius, topk, previous]


class PropagateTab:
    """Mark, run, look, download.

    Attributes:
        objects: Where objects are marked.
        settings: Sliders.
    """

    def __init__(self, site: Site, clip: Any) -> None:
        self._site = site
        with gr.Row():
            with gr.Column():
                self.objects = Objects(clip)
            with gr.Column():
                model = model_choice(site.models, 'Checkpoint or backbone', 'model')
                self._video = gr.Video(
                    label='Objects through the clip',
                    interactive=False,
                    autoplay=True,
                    loop=True,
                    buttons=['download'],
                    height=440,
                    elem_id='overlay',
                )
                self._text = gr.Markdown(elem_id='outcome')
                with gr.Row():
                    start = gr.Button('Propagate', variant='primary', elem_id='run')
                    stop = gr.Button('Stop', variant='stop', elem_id='stop')
                    self._masks = gr.DownloadButton(
                        'Download masks', interactive=False, elem_id='masks'
                    )
        self.settings = propagation_settings()
        private = dict(api_visibility='private')
        shown = [self._video, self._masks, self._text]
        start.click(self._begin, None, None, queue=False, **private).then(
            self._run,
            [clip, model, *self.objects.inputs, *self.settings],
            shown,
            concurrency_id=COMPUTE,
            concurrency_limit=1,
            show_progress_on=self._video,
            **private,
        )
        stop.click(self._stop, None, None, queue=False, **private)
        self.outputs = [*self.objects.outputs, *shown]

    def reset(self, clip: Clip) -> tuple[Any, ...]:
        """Forget what belongs to another clip."""
        empty = None, gr.DownloadButton(value=None, interactive=False), ''
        return *self.objects.reset(clip), *empty

    def _begin(self, request: gr.Request) -> None:
        self._site.workplace.begin(str(request.session_hash), PART)

    def _stop(self, request: gr.Request) -> None:
        self._site.workplace.stop(str(request.session_hash), PART)

    @friendly
    def _run(
        self,
        clip: Clip | None,
        source: str,
        how: str,
        editor: Any,
        clicked: Any,
        frames: float,
        size: float,
        radius: float,
        topk: float,
        previous: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        part = None if clip is None else clip.first(int(frames))
        ids = self.objects.ids(part, how, editor, clicked)
        check_objects(part, ids)
        assert part is not None
        assert ids is not None
        session = str(request.session_hash)
        progress(0, desc='Loading the network')
        with self._site.workplace.running(session, PART) as stop:
            outcome = propagate(
                part,
                ids,
                source,
                Settings(int(size), int(radius), int(topk), int(previous)),
                self._site.workplace.new_folder(session),
                reporter(progress, 'Propagating'),
                stop,
            )
        button = gr.DownloadButton(value=str(outcome.masks), interactive=True)
        return str(outcome.video), button, outcome.text
