"""Tab: a frame hidden in parts and filled in again."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from ..clips import Clip, check_clip
from ..reconstruction import (
    Pictures,
    Visible,
    patch_sizes,
    reconstruct_frame,
    toggle_patch,
)
from .common import COMPUTE, Site, friendly, model_choice

__all__ = ['ReconstructTab']

RATIO = 0.75
NAMES = ('Masked: click a patch to hide or show it', 'Pasted', 'Prediction', 'Original')


class ReconstructTab:
    """Settings and four pictures, drawn anew at every change.

    Attributes:
        outputs: Components that :meth:`reset` returns.
    """

    def __init__(self, site: Site, clip: Any) -> None:
        self._site = site
        visible = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1):
                model = model_choice(site.models, 'Checkpoint', 'reconstruct-model')
                frame = gr.Slider(0, 99, value=0, step=1, label='Frame', elem_id='frame')
                ratio = gr.Slider(
                    0.05,
                    0.95,
                    value=RATIO,
                    step=0.05,
                    label='Mask ratio',
                    elem_id='ratio',
                )
                seed = gr.Number(0, label='Seed', precision=0, minimum=0, maximum=2**31)
                patch = gr.Dropdown([], label='Patch size in pixels', elem_id='patch')
                text = gr.Markdown(elem_id='hidden')
            with gr.Column(scale=3):
                pictures = []
                for pair in (NAMES[:2], NAMES[2:]):
                    with gr.Row():
                        for name in pair:
                            pictures.append(_picture(name))
        chosen = [clip, model, frame, ratio, seed, patch]
        drawn = [*pictures, text, visible]
        common = dict(
            api_visibility='private', concurrency_id=COMPUTE, show_progress='minimal'
        )
        model.change(_sizes, model, patch, api_visibility='private').success(
            _draw, chosen, drawn, **common
        )
        for component in (frame, ratio, seed, patch):
            component.input(_draw, chosen, drawn, trigger_mode='always_last', **common)
        pictures[0].select(_toggle, [*chosen, visible, pictures[0]], drawn, **common)
        self._model = str(next(iter(site.models.values())))
        self.outputs = [model, frame, patch, *drawn]

    def reset(self, clip: Clip) -> tuple[Any, ...]:
        """Draw the first frame of another clip with the first model."""
        slider = gr.Slider(maximum=max(1, len(clip) - 1), value=0)
        try:
            sizes = _sizes(self._model)
            drawn = _shown(reconstruct_frame(clip, 0, self._model, RATIO))
        except (gr.Error, ValueError, OSError) as error:  # nobody asked for it yet
            return self._model, slider, gr.Dropdown(), *[None] * 4, f'{error}', None
        return self._model, slider, sizes, *drawn


def _picture(name: str) -> Any:
    return gr.Image(
        label=name,
        interactive=False,
        format='png',
        buttons=['download'],
        elem_id=name.split(':')[0].lower(),
    )


@friendly
def _sizes(source: str) -> Any:
    sizes, own = patch_sizes(source)
    return gr.Dropdown(sizes, value=own)


def _shown(pictures: Pictures) -> tuple[Any, ...]:
    text = pictures.text
    each = pictures.masked, pictures.pasted, pictures.prediction, pictures.original
    return *each, text, pictures.visible


@friendly
def _draw(
    clip: Clip | None,
    source: str,
    frame: float | None,
    ratio: float,
    seed: float | None,
    patch: int | None,
) -> tuple[Any, ...]:
    return _shown(
        reconstruct_frame(clip, int(frame or 0), source, ratio, int(seed or 0), patch)
    )


@friendly
def _toggle(
    clip: Clip | None,
    source: str,
    frame: float | None,
    ratio: float,
    seed: float | None,
    patch: int | None,
    visible: Visible | None,
    masked: np.ndarray[Any, Any] | None,
    event: gr.SelectData,
) -> tuple[Any, ...]:
    clip = check_clip(clip)
    if visible is None or masked is None:
        raise ValueError('nothing is drawn yet: choose the checkpoint of a pre-training')
    size = masked.shape[0], masked.shape[1]
    new = toggle_patch(visible, (event.index[0], event.index[1]), size)
    if new is visible:
        gr.Info('One patch at least must be shown.')
    return _shown(
        reconstruct_frame(clip, int(frame or 0), source, patch_size=patch, visible=new)
    )
