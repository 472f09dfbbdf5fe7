"""The page as a whole, and the server that shows it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..clips import MAX_BYTES
from ..models import hint
from ..workplace import MAX_AGE, Workplace
from .clip_bar import ClipBar
from .common import Site
from .compare_tab import CompareTab
from .logs import log_handlers_kept
from .propagate_tab import PropagateTab
from .reconstruct_tab import ReconstructTab

__all__ = ['Server', 'build_page', 'serve']

TITLE = 'VideoMAC'
ABOUT = """# VideoMAC
Choose a clip, then follow objects through it (*Propagate*), let a model fill in what is
hidden (*Reconstruct*), or set two checkpoints side by side (*Compare*)."""
#: Comes with Gradio; its semibold (600) lacks letters, so that headings take bold.
FONT = [gr.themes.LocalFont('IBM Plex Sans', weights=(400, 700)), 'sans-serif']
CSS = (
    '.small p {font-size: 0.85rem; line-height: 1.3; margin: 0.2rem 0} '
    '#upload {align-self: flex-start; height: 86px}'
)
SWEEP = 600  # seconds between two looks at Gradio's own files
WAITING = 20  # runs that may wait for their turn
SESSIONS = 20  # whose frames are kept in memory


def build_page(models: Mapping[str, str], workplace: Workplace) -> Any:
    """Make the page.

    Args:
        models: See :func:`~videomac.web.models.find_models`.
        workplace: Where uploads and results go. ``GRADIO_TEMP_DIR`` must name its root,
            so that Gradio serves results from there without a copy.

    Returns:
        Gradio's Blocks.
    """
    site = Site(models, workplace)
    page = gr.Blocks(
        analytics_enabled=False, title=TITLE, delete_cache=(SWEEP, int(MAX_AGE))
    )
    with page:
        gr.Markdown(ABOUT)
        note = hint(dict(models))
        if note:
            gr.Markdown(f'> **Random weights.** {note}', elem_id='hint')
        bar = ClipBar(site)
        with gr.Tabs():
            with gr.Tab('Propagate'):
                propagate = PropagateTab(site, bar.clip)
            with gr.Tab('Reconstruct'):
                reconstruct = ReconstructTab(site, bar.clip)
            with gr.Tab('Compare'):
                compare = CompareTab(site, bar.clip, propagate)
        tabs = (propagate, reconstruct, compare)
        bar.connect(page, [(tab.reset, tab.outputs) for tab in tabs])

        def leave(request: gr.Request) -> None:
            workplace.leave(str(request.session_hash))

        page.unload(leave)
    return page.queue(max_size=WAITING)


@dataclass(frozen=True)
class Server:
    """A page that is served.

    Attributes:
        page: Gradio's Blocks.
        url: Its address.
        folder: All its files.
    """

    page: Any
    url: str
    folder: tempfile.TemporaryDirectory[str]

    def close(self) -> None:
        """Stop, and remove all files."""
        self.page.close(verbose=False)
        self.folder.cleanup()


def serve(
    models: Mapping[str, str],
    host: str = '127.0.0.1',
    port: int | None = None,
    open_browser: bool = False,
    block: bool = True,
) -> Server:
    """Show the page until the process is interrupted; then remove all its files.

    Args:
        models: See :func:`~videomac.web.models.find_models`.
        host: Address to listen at; others than that of this machine open the page to the
            network, without a password.
        port: Port [a free one from 7860 on].
        open_browser: Whether to open the page in the browser.
        block: Whether to wait until the process is interrupted.

    Returns:
        The server, which goes on where ``block`` is false.

    Raises:
        OSError: If the port is taken.
    """
    folder = tempfile.TemporaryDirectory(prefix='videomac-web-')
    os.environ['GRADIO_TEMP_DIR'] = folder.name
    page = build_page(models, Workplace(folder.name))
    with log_handlers_kept():
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=MAX_BYTES,
            ssr_mode=False,
            run_history=False,
            footer_links=[],
            state_session_capacity=SESSIONS,
            theme=gr.themes.Base(font=FONT),
            css=CSS,
        )
    print(f'The page is at {url} (Ctrl-C ends it)', flush=True)
    server = Server(page, str(url), folder)
    if block:
        try:
            page.block_thread()
        finally:
            server.close()
    return server
