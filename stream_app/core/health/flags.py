"""Flags of a battery system: while a signal that is a flag is not 0, its condition stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.energy import Floats, Ints
from stream_app.core.rows import NONE, REFUSED, Signal
from stream_app.core.watch import Worst

FlagRule = Literal["FLAG"]


@dataclass(frozen=True)
class FlagChange:
    """A flag that was set or is 0 again; times in ms UTC. ``judged``: False where it is no flag.

    ``worst``: of one that ended, the largest value since it was set, and the limit.
    """

    signal: str
    raised: bool
    time: int
    since: int
    value: float
    limit: float = 0.0
    rule: FlagRule = "FLAG"
    judged: bool = True
    worst: Worst | None = None


@dataclass
class Flag:
    """A flag that is set: since when [ms UTC], and the largest value since, either sign."""

    since: int
    value: float


def flags_of(battery: Battery) -> list[str]:
    """Names of the signals that are flags, in order."""
    return sorted(name for name, rule in battery.signals.items() if rule == "flag")


def fold_flags(
    active: dict[str, Flag], flags: Sequence[Signal], times: Ints, values: Ints
) -> list[FlagChange]:
    """Changes in order of time; ``values`` (n, flags), and no value says nothing.

    ``active`` are the flags that are set.
    """
    found: list[FlagChange] = []
    for flag, column in zip(flags, values.T, strict=True):
        known = np.flatnonzero((column != NONE) & (column != REFUSED))
        is_set = column[known] != 0
        if flag.name not in active and not is_set.any():
            continue
        turns = np.flatnonzero(np.diff(is_set, prepend=flag.name in active))
        for part in np.split(known, turns):
            found += _followed(active, flag.name, times[part], flag.told(column[part]))
    # Equal states have equal bytes, however rows came.
    standing = sorted(active.items())
    active.clear()
    active.update(standing)
    return sorted(found, key=lambda change: change.time)


def _followed(
    active: dict[str, Flag], name: str, times: Ints, values: Floats
) -> Iterator[FlagChange]:
    """What began or ended with the first of values (n,), all of them 0 or none."""
    if not values.size:
        return
    time, first, standing = int(times[0]), float(values[0]), active.pop(name, None)
    if first:
        largest = float(values[np.abs(values).argmax()])
        if standing is None:
            yield FlagChange(name, True, time, time, first)
        elif abs(standing.value) >= abs(largest):
            largest = standing.value
        active[name] = Flag(time if standing is None else standing.since, largest)
    elif standing is not None:
        yield _ended(name, time, standing, first)


def _ended(name: str, time: int, flag: Flag, value: float, *, judged: bool = True) -> FlagChange:
    worst = Worst(flag.value, 0.0)
    return FlagChange(name, False, time, flag.since, value, judged=judged, worst=worst)


def drop_flags(active: dict[str, Flag], flags: Sequence[str], time: int) -> list[FlagChange]:
    """End what stands of signals that are no flags any more."""
    gone = sorted(active.keys() - set(flags))
    return [_ended(name, time, active.pop(name), 0.0, judged=False) for name in gone]
