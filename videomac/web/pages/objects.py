"""Where objects are marked on the first frame, by paint or by clicks."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from ...datasets.label_maps import object_palette
from ...visualization.overlay import overlay_masks
from ..clips import Clip, check_clip
from ..marks import (
    COLOURS,
    MAX_OBJECTS,
    add_disc,
    add_grabcut,
    editor_picture,
    painted_ids,
)
from .common import friendly

__all__ = ['Objects']

PAINT, CLICK = 'Paint', 'Click'
GRABCUT, DISC, ERASE = 'Object (GrabCut)', 'Disc', 'Erase'
BRUSH = 18  # pixels
NAMES = ('dark red', 'green', 'olive', 'blue', 'purple', 'teal')


class Objects:
    """Two ways to mark objects, of which the chosen one counts.

    Attributes:
        inputs: Components that :meth:`ids` is made from.
        outputs: Components that :meth:`reset` returns.
    """

    def __init__(self, clip: Any) -> None:
        self._how = gr.Radio(
            [PAINT, CLICK],
            value=PAINT,
            label='Mark objects on the first frame',
            elem_id='how',
        )
        with gr.Column(elem_id='painting') as painting:
            self._editor = gr.ImageEditor(
                type='numpy',
                format='png',
                sources=(),
                transforms=(),
                layers=False,
                brush=gr.Brush(BRUSH, list(COLOURS), COLOURS[0], 'fixed'),
                label='A colour for each object',
                height=440,
                elem_id='editor',
            )
        with gr.Column(visible=False, elem_id='clicking') as clicking:
            self._clicked = gr.State(None)
            self._picture = gr.Image(
                interactive=False,
                buttons=[],
                label='Click on objects',
                format='png',
                elem_id='click-frame',
            )
            choices = [(f'{i + 1} {NAMES[i]}', i + 1) for i in range(MAX_OBJECTS)]
            object_id = gr.Radio(choices, value=1, label='Object')
            with gr.Row():
                tool = gr.Radio(
                    [GRABCUT, DISC, ERASE], value=GRABCUT, label='A click marks'
                )
                radius = gr.Slider(
                    1, 50, value=12, step=1, label='Radius (% of the short side)'
                )
            clear = gr.Button('Clear', size='sm')
        private = dict(api_visibility='private', show_progress='hidden')
        self._how.change(
            lambda how: (
                gr.Column(visible=how == PAINT),
                gr.Column(visible=how == CLICK),
            ),
            self._how,
            [painting, clicking],
            **private,
        )
        marked = [self._clicked, self._picture]
        self._picture.select(
            _click, [clip, self._clicked, object_id, tool, radius], marked, **private
        )
        clear.click(_cleared, clip, marked, **private)
        self.inputs = [self._how, self._editor, self._clicked]
        self.outputs = [self._editor, *marked]

    @staticmethod
    def reset(clip: Clip) -> tuple[Any, ...]:
        """Show a new clip's first frame without marks."""
        picture = editor_picture(clip.frames[0])
        return dict(background=picture, layers=[], composite=None), *_cleared(clip)

    @staticmethod
    def ids(
        clip: Clip | None, how: str, editor: Any, clicked: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8] | None:
        """The objects that are marked, uint8 [H, W]; None without a clip."""
        if clip is None:
            return None
        if how == CLICK:
            return clicked
        return painted_ids((editor or {}).get('layers', ()), clip.size)


def _cleared(clip: Clip | None) -> tuple[Any, ...]:
    if clip is None:
        return None, None
    return np.zeros(clip.size, np.uint8), editor_picture(clip.frames[0])


@friendly
def _click(
    clip: Clip | None,
    clicked: NDArray[np.uint8],
    object_id: int,
    tool: str,
    radius: float,
    event: gr.SelectData,
) -> tuple[Any, ...]:
    clip = check_clip(clip)
    frame = clip.frames[0]
    scale = editor_picture(frame).shape[0] / len(frame)
    x, y = ((each + 0.5) / scale - 0.5 for each in event.index)
    pixels = radius / 100 * min(clip.size)
    if tool == GRABCUT:
        ids = add_grabcut(frame, clicked, (x, y), pixels, object_id)
    else:
        ids = add_disc(clicked, (x, y), pixels, 0 if tool == ERASE else object_id)
    return ids, editor_picture(overlay_masks(frame, ids, object_palette()))
