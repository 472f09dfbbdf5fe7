"""Tab: two checkpoints at the same work, side by side."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..clips import Clip
from ..comparison import compare_propagation, compare_reconstruction
from ..propagation import Settings, check_objects
from .common import COMPUTE, Site, friendly, model_choice, reporter
from .propagate_tab import PropagateTab

__all__ = ['CompareTab']

PART = 'compare'  # has a Stop of its own
ABOUT = (
    'Both get the clip above, and the objects and settings of the tab *Propagate*; '
    'for *Reconstruct both* the mask ratio and the seed below.'
)
PICTURES = ('Left: masked', 'Left: pasted', 'Right: masked', 'Right: pasted')


class CompareTab:
    """Two choices, two things to do with them."""

    def __init__(self, site: Site, clip: Any, other: PropagateTab) -> None:
        self._site = site
        self._objects = other.objects
        self._names = {source: name for name, source in site.models.items()}
        gr.Markdown(ABOUT)
        with gr.Row():
            models = [
                model_choice(site.models, 'Left', 'left'),
                model_choice(site.models, 'Right', 'right'),
            ]
            # Two different ones to begin with, where there are two.
            models[1].value = list(site.models.values())[1 if len(site.models) > 1 else 0]
        with gr.Row():
            ratio = gr.Slider(0.05, 0.95, value=0.75, step=0.05, label='Mask ratio')
            seed = gr.Number(0, label='Seed', precision=0, minimum=0, maximum=2**31)
        with gr.Row():
            follow = gr.Button('Propagate with both', variant='primary', elem_id='both')
            fill = gr.Button('Reconstruct both', elem_id='fill-both')
            stop = gr.Button('Stop', variant='stop')
        text = gr.Markdown(elem_id='agreement')
        video = gr.Video(
            label='Left and right',
            interactive=False,
            autoplay=True,
            loop=True,
            buttons=['download'],
            height=420,
            visible=False,
            elem_id='compared',
        )
        with gr.Row(visible=False) as row:
            pictures = [
                gr.Image(
                    label=label, interactive=False, format='png', buttons=['download']
                )
                for label in PICTURES
            ]
        private = dict(api_visibility='private')
        compute = dict(concurrency_id=COMPUTE, **private)
        follow.click(self._begin, None, None, queue=False, **private).then(
            self._follow,
            [clip, *models, *other.objects.inputs, *other.settings],
            [video, text],
            show_progress_on=video,
            **compute,
        )
        fill.click(
            self._fill, [clip, *models, ratio, seed], [row, *pictures, text], **compute
        )
        stop.click(self._stop, None, None, queue=False, **private)
        self.outputs = [video, text, row]

    def reset(self, clip: Clip) -> tuple[Any, ...]:
        """Forget what belongs to another clip."""
        return gr.Video(value=None, visible=False), '', gr.Row(visible=False)

    def _begin(self, request: gr.Request) -> None:
        self._site.workplace.begin(str(request.session_hash), PART)

    def _stop(self, request: gr.Request) -> None:
        self._site.workplace.stop(str(request.session_hash), PART)

    @friendly
    def _follow(
        self,
        clip: Clip | None,
        left: str,
        right: str,
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
        ids = self._objects.ids(part, how, editor, clicked)
        check_objects(part, ids)
        assert part is not None
        assert ids is not None
        session = str(request.session_hash)
        progress(0, desc='Loading the networks')
        with self._site.workplace.running(session, PART) as stop:
            video, text = compare_propagation(
                part,
                ids,
                (left, right),
                (self._names[left], self._names[right]),
                Settings(int(size), int(radius), int(topk), int(previous)),
                self._site.workplace.new_folder(session),
                reporter(progress, 'Propagating with both'),
                stop,
            )
        return gr.Video(value=str(video), visible=True), text

    @friendly
    def _fill(
        self, clip: Clip | None, left: str, right: str, ratio: float, seed: float | None
    ) -> tuple[Any, ...]:
        pair = compare_reconstruction(clip, 0, (left, right), ratio, int(seed or 0))
        shown = [picture for each in pair for picture in (each.masked, each.pasted)]
        return (
            gr.Row(visible=True),
            *shown,
            f'Frame 0. Left: {pair[0].text} Right: {pair[1].text}',
        )
