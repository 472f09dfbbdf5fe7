"""Whether the schedulers of a config fit the length of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from mmengine.optim.scheduler import ConstantParamScheduler, LinearParamScheduler

__all__ = ['listed_schedulers', 'misfits', 'settle_schedulers']

WARMUPS = (ConstantParamScheduler, LinearParamScheduler)
EARLY = 0.95  # of the run; what ends before that was made for a shorter one


def listed_schedulers(parts: Any) -> list[Any]:
    """List what ``param_scheduler`` of a config holds.

    Args:
        parts: One scheduler, a list of them, or None.

    Returns:
        Their configs; none if each of several optimisers has its own.
    """
    if isinstance(parts, Mapping):
        return [parts] if 'type' in parts else []
    return list(parts or [])


def settle_schedulers(
    parts: Sequence[MutableMapping[str, Any]], epochs: int, iterations: int
) -> None:
    """Let schedulers be built that begin when the run is over, as in a run for a try.

    mmengine would let them end with the run, and then refuse them. They change nothing.

    Args:
        parts: Configs of schedulers; those that are too late get an ``end``.
        epochs: Of the run.
        iterations: Of the run.

    Raises:
        ValueError: A scheduler begins when it should have ended by its own ``end``. The
            text has the names by which the command line changes it.
    """
    for number, part in enumerate(parts):
        begin, end = part.get('begin', 0), part.get('end')
        by_epoch = part.get('by_epoch', True)
        if end is None and begin >= (epochs if by_epoch else iterations):
            part['end'] = begin + 1
        elif end is not None and begin >= end:
            unit = 'epoch' if by_epoch else 'iteration'
            raise ValueError(
                f'param_scheduler.{number} ({part.get("type")}) begins after {unit} '
                f'{begin}, but ends after {unit} {end}: let it begin earlier '
                f'({_place(number, "begin")}=NUMBER), or end it later '
                f'({_place(number, "end")}=NUMBER)'
            )


def misfits(
    cfg: Mapping[str, Any], schedulers: Sequence[Any], epochs: int, iterations: int
) -> Iterator[str]:
    """Say which schedulers do less than their config seems to say.

    Args:
        cfg: The whole config of the training.
        schedulers: As they were built for it, or resumed.
        epochs: Of the run.
        iterations: Of the run.

    Yields:
        A sentence for each scheduler that begins when the run is over, and for each
        value, such as the learning rate, whose last scheduler ends well before the run
        does. Warm-ups (linear and constant ones) may end when they like.
    """
    shares: dict[str, tuple[float, int]] = {}
    for number, scheduler in enumerate(schedulers):
        total = epochs if scheduler.by_epoch else iterations
        if scheduler.begin >= total:
            yield (
                f'{_about(number, scheduler)} begins after {_unit(scheduler)} '
                f'{scheduler.begin}, and the run ends after {total}: it changes nothing. '
                f'Let it begin earlier ({_options(cfg, _place(number, "begin"))}) or '
                f'train longer ({_options(cfg, _length(cfg))})'
            )
        if not isinstance(scheduler, WARMUPS):
            share, name = scheduler.end / total, scheduler.param_name
            shares[name] = max((share, number), shares.get(name, (share, number)))
    for name, (share, number) in shares.items():
        if share < EARLY:
            scheduler = schedulers[number]
            total = epochs if scheduler.by_epoch else iterations
            yield (
                f'{_about(number, scheduler)} ends after {_unit(scheduler)} '
                f'{scheduler.end}, and the run ends after {total}: for the rest of it '
                f'the {name} stays as it is. Schedulers without end and T_max follow the '
                'length of the run; those of a resumed run are those of its checkpoint'
            )


def _place(number: int, name: str) -> str:
    return f'param_scheduler.{number}.{name}'


def _about(number: int, scheduler: Any) -> str:
    return f'param_scheduler.{number} ({type(scheduler).__name__})'


def _unit(scheduler: Any) -> str:
    return 'epoch' if scheduler.by_epoch else 'iteration'


def _length(cfg: Mapping[str, Any]) -> str:
    """The place that says how long the run is."""
    by_epoch = cfg['train_cfg'].get('max_epochs')
    return f'train_cfg.{"max_epochs" if by_epoch else "max_iters"}'


def _options(cfg: Mapping[str, Any], place: str) -> str:
    """How the command line may set a value: itself, or by a shortcut of the config."""
    shortcuts = cfg.get('shortcuts') or {}
    names = [name for name, places in shortcuts.items() if place in places]
    return ' or '.join(f'{name}=NUMBER' for name in (*names, place))
