"""Whether the schedulers of a config fit the length of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    parts: Sequence[Mapping[str, Any]],
    epochs: int,
    iterations: int,
    epoch_length: int | None = None,
) -> list[dict[str, Any]]:
    """Let schedulers follow the run where mmengine would not.

    To mmengine, a run that counts iterations is one epoch long, and schedulers without
    an ``end`` that are converted to iterations would have done their work after one pass
    over the data. Those that begin when the run is over, as in a run for a try, would
    end with it, and be refused. They change nothing.

    Args:
        parts: Configs of schedulers.
        epochs: Of the run; one if it counts iterations.
        iterations: Of the run.
        epoch_length: Batches of a pass over the data; None if it is not known.

    Returns:
        Copies, of which some have an ``end`` now; a warm-up of no length is left out.

    Raises:
        ValueError: A scheduler begins when it should have ended by its own ``end``. The
            text has the names by which the command line changes it.
    """
    settled = []
    for number, part in enumerate(map(dict, parts)):
        begin, end = part.get('begin', 0), part.get('end')
        if end is None:
            _set_end(part, begin, epochs, iterations, epoch_length)
        elif begin == end == 0:
            continue
        elif begin >= end:
            unit = 'epoch' if part.get('by_epoch', True) else 'iteration'
            raise ValueError(
                f'param_scheduler.{number} ({part.get("type")}) begins after {unit} '
                f'{begin}, but ends after {unit} {end}: let it begin earlier '
                f'({_place(number, "begin")}=NUMBER), or end it later '
                f'({_place(number, "end")}=NUMBER)'
            )
        settled.append(part)
    return settled


def _set_end(
    part: dict[str, Any],
    begin: int,
    epochs: int,
    iterations: int,
    epoch_length: int | None,
) -> None:
    by_epoch = part.get('by_epoch', True)
    total: float = epochs if by_epoch else iterations
    if by_epoch and part.get('convert_to_iter_based') and epoch_length:
        total = iterations / epoch_length
        if total != epochs:
            # mmengine multiplies, and cuts what is left of an iteration.
            part['end'] = (iterations + 0.5) / epoch_length
    if begin >= total:
        part['end'] = begin + 1


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
        if not total:
            continue
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
    by_epoch = (cfg.get('train_cfg') or {}).get('max_epochs')
    return f'train_cfg.{"max_epochs" if by_epoch else "max_iters"}'


def _options(cfg: Mapping[str, Any], place: str) -> str:
    """How the command line may set a value: itself, or by a shortcut of the config."""
    shortcuts = cfg.get('shortcuts') or {}
    names = [name for name, places in shortcuts.items() if place in places]
    return ' or '.join(f'{name}=NUMBER' for name in (*names, place))
