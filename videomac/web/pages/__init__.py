"""The web page, made of Gradio's parts; the only modules that import Gradio.

Raises:
    ImportError: If Gradio is not installed; says how to install it.
"""

import os

# Read when Gradio is imported, and again when a page is made.
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'

try:
    import gradio  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'the web page needs Gradio: pip install -r requirements/web.txt ({error})'
    ) from error

from .app import build_page, serve

__all__ = ['build_page', 'serve']
