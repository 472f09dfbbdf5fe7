"""What the parts of the page share: errors for people, names of models."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from mmengine.logging import print_log

from ...apis import Progress
from ..workplace import Workplace

__all__ = ['COMPUTE', 'Site', 'friendly', 'model_choice', 'reporter']

P = ParamSpec('P')
R = TypeVar('R')

#: Runs with this name wait for each other.
COMPUTE = 'compute'


@dataclass(frozen=True)
class Site:
    """What all parts of a page are given.

    Attributes:
        models: See :func:`~videomac.web.models.find_models`.
        workplace: Where files go.
    """

    models: Mapping[str, str]
    workplace: Workplace


def friendly(function: Callable[P, R]) -> Callable[P, R]:
    """Show errors in the page, as text of ours and never as a traceback."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except gr.Error:
            raise
        except (ValueError, OSError) as error:
            text = f'{error}'
        except Exception as error:
            print_log(f'{function.__name__}: {error!r}', 'current', logging.ERROR)
            logging.getLogger(__name__).exception('while serving the page')
            text = f'{type(error).__name__}; the log of the server says more'
        shown = html.escape(text[:1].upper() + text[1:])
        raise gr.Error(shown, title='This does not work', print_exception=False)

    return wrapper


def model_choice(models: Mapping[str, str], label: str, elem_id: str) -> Any:
    """A list of models; a handler gets what ``load_network`` takes."""
    choices: Sequence[tuple[str, str]] = list(models.items())
    return gr.Dropdown(choices, value=choices[0][1], label=label, elem_id=elem_id)


def reporter(progress: Any, what: str) -> Callable[[Progress], None]:
    """Turn the progress of a run into that of the page."""

    def report(state: Progress) -> None:
        left = f'{what}, about {state.eta:.0f} s left'
        progress((state.done, state.total), desc=left, unit='frames')

    return report
