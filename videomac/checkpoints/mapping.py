"""State dicts from one layout of keys into another, every tensor accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ['Conversion', 'Row', 'Rule', 'explaining', 'keep', 'translate']

State = dict[str, Tensor]
#: Leftover keys that an error message lists.
SHOWN = 8


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Turn what odd tensors lead to into an error that says so; also a decorator.

    Args:
        what: What is being done, for the message.

    Raises:
        ValueError: Something inside failed over a shape, a type or a missing tensor.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
        raise ValueError(
            f'{what}: the checkpoint has tensors of a shape or type that no such network '
            f'has, or lacks some ({error}). Is the file whole, and the format right?'
        ) from error


def keep(value: Tensor) -> Tensor:
    """Return the tensor as it is."""
    return value


@dataclass(frozen=True)
class Rule:
    r"""Where the tensors of some keys go.

    Args:
        pattern: Regular expression that a whole key must match.
        target: New key; ``\1`` and so on are the groups of the pattern.
        change: What happens to the tensor.
        part: Number of the tensor among those that are joined into one.
        join: Makes one tensor of all parts that go to the same target, given by their
            numbers. None: a single tensor goes there.
    """

    pattern: str
    target: str
    change: Callable[[Tensor], Tensor] = keep
    part: int = 0
    join: Callable[[Mapping[int, Tensor]], Tensor] | None = None


@dataclass(frozen=True)
class Row:
    """What became of one tensor.

    Attributes:
        source: Its key, empty if it was made here.
        source_shape: Its shape.
        target: Its new key, empty if it was left out.
        target_shape: Its new shape.
        reason: Why it was left out or made.
    """

    source: str
    source_shape: tuple[int, ...]
    target: str = ''
    target_shape: tuple[int, ...] = ()
    reason: str = ''

    def __str__(self) -> str:
        """Write the row of a table."""
        source = f'{self.source} {_shape(self.source_shape)}' if self.source else '(none)'
        if not self.target:
            return f'{source} -> left out: {self.reason}'
        made = '' if self.source else f' (made: {self.reason})'
        return f'{source} -> {self.target} {_shape(self.target_shape)}{made}'


@dataclass(frozen=True)
class Conversion:
    """A state dict in its new layout and what became of every tensor of the old one."""

    state: State
    rows: list[Row] = field(default_factory=list)

    def table(self) -> str:
        """Write all rows, one a line."""
        return '\n'.join(map(str, self.rows))


def translate(
    state: Mapping[str, Tensor],
    rules: Sequence[Rule],
    left_out: Sequence[tuple[str, str]] = (),
    prefix: str = '',
    strict: bool = True,
) -> Conversion:
    """Move the tensors of a state dict to their new keys.

    Args:
        state: Tensors by their keys.
        rules: For keys that begin with the prefix, without it; the first that matches
            counts.
        left_out: Patterns of whole keys, prefix included, and why their tensors have
            no place in the new layout.
        prefix: What the keys of the network begin with.
        strict: Whether a tensor that no rule and no pattern knows is an error.

    Returns:
        The new state dict and one row for each tensor of the old one.

    Raises:
        ValueError: If tensors are left over, or if two of them go to one key.
    """
    rows: list[Row] = []
    bins: dict[str, tuple[Rule, dict[int, Tensor]]] = {}
    origin: list[tuple[str, str]] = []
    leftover = []
    for name, value in state.items():
        target, rule = _find(name, rules, prefix)
        if rule is None:
            reason = next((why for key, why in left_out if re.fullmatch(key, name)), None)
            if reason is None:
                leftover.append(f'{name} {_shape(tuple(value.shape))}')
                reason = 'unknown to this format'
            rows.append(Row(name, tuple(value.shape), reason=reason))
            continue
        parts = bins.setdefault(target, (rule, {}))[1]
        if rule.part in parts:
            raise ValueError(f"'{name}' and another tensor both go to '{target}'")
        parts[rule.part] = rule.change(value)
        origin.append((name, target))
    if strict and leftover:
        more = ', ...' if len(leftover) > SHOWN else ''
        raise ValueError(
            f'{len(leftover)} tensors of the checkpoint are unknown to this format: '
            f'{", ".join(leftover[:SHOWN])}{more}'
        )
    made = {
        target: (rule.join(parts) if rule.join else parts[rule.part]).contiguous()
        for target, (rule, parts) in bins.items()
    }
    moved = [
        Row(name, tuple(state[name].shape), target, tuple(made[target].shape))
        for name, target in origin
    ]
    return Conversion(made, moved + rows)


def _find(name: str, rules: Sequence[Rule], prefix: str) -> tuple[str, Rule | None]:
    if name.startswith(prefix):
        inner = name.removeprefix(prefix)
        for rule in rules:
            match = re.fullmatch(rule.pattern, inner)
            if match:
                return match.expand(rule.target), rule
    return '', None


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape))
