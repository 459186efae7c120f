"""Holes: settled intervals in which a sample may have been missed, so that it can still come.

A late sample that falls into a hole is folded exactly, because both its neighbours are known.
"""

from collections.abc import Sequence

import numpy as np

from stream_app.core.calendar import DAY_MS, RESOLUTIONS_MS
from stream_app.core.energy import Bools, Floats, Ints

MOST = 64
"""Holes remembered for one input."""
LONGEST_MS = 7 * DAY_MS
"""All holes of an input together; the windows that they touch are in the state."""
_INTERVALS = 1.5

Hole = tuple[int, float, int, float]
"""Neighbouring settled samples: time [ms UTC] and power [W] of the earlier, then of the later."""


def holes_between(times: Ints, power: Floats, interval_ms: int) -> list[Hole]:
    """The holes between consecutive samples, (n,): those longer than 1.5 nominal intervals."""
    found = np.flatnonzero(np.diff(times) > _INTERVALS * interval_ms)[-MOST:]
    if not found.size:
        return []
    before, after = zip(times[found].tolist(), power[found].tolist(), strict=True), found + 1
    later = zip(times[after].tolist(), power[after].tolist(), strict=True)
    return [(*a, *b) for a, b in zip(before, later, strict=True)]


def kept(
    holes: Sequence[Hole], horizon: int, resolutions: Sequence[str], most_closed: int
) -> list[Hole]:
    """The newest holes that reach beyond ``horizon`` [ms UTC], within the bounds of the state.

    Parameters
    ----------
    most_closed
        Windows of all resolutions that the holes may touch together.
    """
    steps = [RESOLUTIONS_MS[name] or DAY_MS for name in resolutions]
    first, length, windows = len(holes), 0, 0
    for begin, _, end, _ in reversed(holes):
        length += end - begin
        windows += sum((end - begin) // step + 2 for step in steps)
        full = length > LONGEST_MS or windows > most_closed or len(holes) - first == MOST
        if end <= horizon or full:
            break
        first -= 1
    return list(holes[first:])


def place_of(holes: Sequence[Hole], time: int) -> int | None:
    """Which hole a time falls into."""
    for place in range(len(holes) - 1, -1, -1):
        if holes[place][0] < time < holes[place][2]:
            return place
    return None


def split(hole: Hole, time: int, power: float, interval_ms: int) -> list[Hole]:
    """What is left of a hole once a sample lies in it."""
    times = np.array([hole[0], time, hole[2]], dtype=np.int64)
    return holes_between(times, np.array([hole[1], power, hole[3]]), interval_ms)


def touched(holes: Sequence[Hole], starts: Ints, ends: Ints) -> Bools:
    """Which windows a sample in one of the holes could change.

    The window of the later neighbour is among them, for it counts the gap that ends there.
    """
    if not holes:
        return np.zeros(starts.size, dtype=np.bool_)
    first = np.searchsorted(np.array([hole[2] for hole in holes]), starts)
    begins = np.array([hole[0] for hole in holes] + [np.iinfo(np.int64).max])
    found: Bools = begins[first] < ends
    return found
