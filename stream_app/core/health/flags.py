"""Flags of a battery system: while a signal that is a flag is not 0, its condition stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.energy import Ints
from stream_app.core.rows import NONE, REFUSED, Signal

FlagRule = Literal["FLAG"]


@dataclass(frozen=True)
class FlagChange:
    """A flag that was set or is 0 again; times in ms UTC. ``judged``: False where it is no flag."""

    signal: str
    raised: bool
    time: int
    since: int
    value: float
    limit: float = 0.0
    rule: FlagRule = "FLAG"
    judged: bool = True


def flags_of(battery: Battery) -> list[str]:
    """Names of the signals that are flags, in order."""
    return sorted(name for name, rule in battery.signals.items() if rule == "flag")


def fold_flags(
    active: dict[str, int], flags: Sequence[Signal], times: Ints, values: Ints
) -> list[FlagChange]:
    """Changes in order of time; ``values`` (n, flags), and no value says nothing.

    ``active`` says since when flags are set [ms UTC].
    """
    found: list[FlagChange] = []
    for flag, column in zip(flags, values.T, strict=True):
        known = np.flatnonzero((column != NONE) & (column != REFUSED))
        is_set = column[known] != 0
        before = np.append(flag.name in active, is_set)[:-1]
        for at in known[is_set != before].tolist():
            time, value = int(times[at]), float(flag.told(column[at : at + 1])[0])
            since = active.pop(flag.name, time)
            if value:
                active[flag.name] = time
            found.append(FlagChange(flag.name, bool(value), time, since, value))
    # Equal states have equal bytes, however rows came.
    standing = sorted(active.items())
    active.clear()
    active.update(standing)
    return sorted(found, key=lambda change: change.time)


def drop_flags(active: dict[str, int], flags: Sequence[str], time: int) -> list[FlagChange]:
    """End what stands of signals that are no flags any more."""
    gone = sorted(active.keys() - set(flags))
    return [FlagChange(name, False, time, active.pop(name), 0.0, judged=False) for name in gone]
