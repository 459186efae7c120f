"""Which values of a BMS's state of charge can be true: it moves no faster than a battery can.

A lost connection often shows as a SOC of 0. What lies further from the newest believed value than
any battery moves in the time is not believed, until the time since then would have been enough.
"""

from dataclasses import dataclass

import numpy as np

from stream_app.core.calendar import HOUR_MS
from stream_app.core.energy import Bools, Ints

Sample = tuple[int, int]


@dataclass
class Seen:
    """Newest believed value and newest value: (time [ms UTC], SOC [ppm])."""

    believed: Sample | None = None
    newest: Sample | None = None


@dataclass(frozen=True)
class Pace:
    """How a SOC may move: at once [ppm], and in time [ppm/h]; a longer time [ms] is a gap."""

    at_once: int
    an_hour: int
    max_gap_ms: int

    def steady(self, time: Ints, soc: Ints) -> bool:
        """Whether no value lies off the one before it; both (n,) differences."""
        reach = self.at_once + time * self.an_hour // HOUR_MS
        return bool(((np.abs(soc) <= reach) & (time <= self.max_gap_ms)).all())

    def follows(self, before: Sample, value: Sample) -> bool:
        """Whether a battery can move so far in the time between both."""
        reach = self.at_once + (value[0] - before[0]) * self.an_hour // HOUR_MS
        return abs(value[1] - before[1]) <= reach

    def believes(self, seen: Seen, value: Sample) -> bool:
        """Whether a value is believed; after a gap it takes a second one that agrees."""
        before, newest = seen.believed, seen.newest
        if before is None or newest is None:
            return True
        near = value[0] - before[0] <= self.max_gap_ms
        near = near or abs(value[1] - before[1]) <= self.at_once
        again = newest != before and self.follows(newest, value)
        return self.follows(before, value) and (near or again)


def believed(seen: Seen, times: Ints, soc: Ints, pace: Pace) -> Bools:
    """Whether each value (n,), strictly rising in time, is believed."""
    if not times.size:
        return np.ones(0, dtype=np.bool_)
    last = int(times[-1]), int(soc[-1])
    before = seen.newest or (int(times[0]), int(soc[0]))
    steps = np.diff(times, prepend=before[0]), np.diff(soc, prepend=before[1])
    if seen.believed == seen.newest and pace.steady(*steps):
        seen.believed = seen.newest = last
        return np.ones(times.size, dtype=np.bool_)
    found = np.ones(times.size, dtype=np.bool_)
    for place, value in enumerate(zip(times.tolist(), soc.tolist(), strict=True)):
        found[place] = pace.believes(seen, value)
        seen.believed = value if found[place] else seen.believed
        seen.newest = value
    return found
