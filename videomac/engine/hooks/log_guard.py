"""Keeps a full disk from ending a training over its log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.visualization import TensorboardVisBackend

from ...registry import HOOKS
from ..checkpoint_files import CheckpointError, check_folder

__all__ = ['LogGuardHook']

_CALLS = ('add_config', 'add_graph', 'add_image', 'add_scalar', 'add_scalars', 'close')
_ROOM = 2**20  # bytes that must be free before TensorBoard is started again


@HOOKS.register_module()
class LogGuardHook(Hook):
    """Go on training when the log cannot be written, and say so.

    Every writer of the visualiser and every handler of the logger is tried at each line
    anew; a warning tells when it began to fail, another when it works again. What was
    to be written in between is lost, and so may be the lines before and after. Only what
    the system refuses (``OSError``) is survived, no other error.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        """Get between the run and what writes its log."""
        backends = runner.visualizer._vis_backends
        for name, backend in backends.items():
            if not isinstance(backend, _GuardedBackend):
                backends[name] = _GuardedBackend(backend, _Outage(name, runner))
        for handler in runner.logger.handlers:
            if 'flush' in vars(handler):  # guarded by an earlier run of this Runner
                continue
            place = getattr(handler, 'baseFilename', None)
            name = f"the log file '{place}'" if place else 'the console'
            _guard_handler(handler, _Outage(name, runner))


class _Outage:
    """Whether a writer fails, told once when it begins and once when it ends."""

    def __init__(self, name: str, runner: Any) -> None:
        self.name, self.runner = name, runner
        self.lasts = False

    def begin(self, error: Exception) -> None:
        if not self.lasts:
            self.lasts = True  # first: the warning goes to a handler that may fail
            self._tell(
                f'cannot be written: {error}. Training goes on without it; every line '
                'tries again. Make room or repair the folder'
            )

    def end(self) -> None:
        if self.lasts:
            self.lasts = False
            self._tell('can be written again; lines of meanwhile may be missing there')

    def _tell(self, what: str) -> None:
        # The iteration also keeps mmengine from dropping it as said before.
        text = f'iteration {self.runner.iter + 1}: {self.name} {what}'
        self.runner.logger.warning(text)


class _GuardedBackend:
    """A writer of the visualiser whose failures are told, not raised."""

    def __init__(self, backend: Any, outage: _Outage) -> None:
        self._backend, self._outage = backend, outage

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        return self._guarded(name, value) if name in _CALLS else value

    def _guarded(self, name: str, call: Callable[..., None]) -> Callable[..., None]:
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                if self._outage.lasts:
                    self._check_room()
                call(*args, **kwargs)
            except (OSError, CheckpointError) as error:
                self._outage.begin(error)
                self._drop_dead_writer()
            else:
                # Nothing else is sure to have written something.
                if name.startswith('add_scalar'):
                    self._outage.end()

        return guarded

    def _check_room(self) -> None:
        """Start no writer of TensorBoard that would fail: its thread would stay."""
        if isinstance(self._backend, TensorboardVisBackend):
            check_folder(self._backend._save_dir, _ROOM)

    def _drop_dead_writer(self) -> None:
        """Have TensorBoard start a new file: its thread is dead, its file may be torn."""
        if isinstance(self._backend, TensorboardVisBackend):
            self._backend._env_initialized = False
            vars(self._backend).pop('_tensorboard', None)


def _guard_handler(handler: Any, outage: _Outage) -> None:
    """Replace the traceback that logging prints at every line by one warning."""
    flush, handle_error = handler.flush, handler.handleError

    def guarded_flush() -> None:
        flush()
        outage.end()

    def guarded_error(record: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            outage.begin(error)
        else:
            handle_error(record)

    handler.flush, handler.handleError = guarded_flush, guarded_error
