"""Which windows are made where data is silent for long: what a step gives must have an end."""

from itertools import pairwise

import numpy as np

from stream_app.core.calendar import DAY_MS, RESOLUTIONS_MS, SiteCalendar
from stream_app.core.energy import Ints
from stream_app.core.topology import Rules

LONG_SILENCE_MS = 2 * DAY_MS
"""Inside a longer silence only days are published, none of the windows inside them."""
LONGEST_SILENCE_MS = 400 * DAY_MS
"""After a longer silence the data begins anew: the days in between are not published either."""


def window_edges(
    calendar: SiteCalendar, rules: Rules, resolution: str, times: Ints, start: int, told: int
) -> tuple[Ints, Ints]:
    """Edges of the windows from ``start`` to the last of the samples' times.

    All that lies inside one long silence is one window: nothing falls into it, and it is not
    published. Only windows up to ``told`` are: they were published before, and may be revised.
    Samples may lie before ``start``.

    Returns
    -------
    The edges, and the starts of such windows.
    """
    (begin, end), *others = _stretches(rules, resolution, times, start)
    if not others:
        return calendar.edges(resolution, begin, max(begin, end)), np.zeros(0, dtype=np.int64)
    known = [(begin, max(end, told)), *others]
    parts = [calendar.edges(resolution, begin, end) for begin, end in known]
    silent = [a[-1] for a, b in pairwise(parts) if a[-1] < b[0]]
    return np.unique(np.concatenate(parts)), np.array(silent, dtype=np.int64)


def _stretches(rules: Rules, resolution: str, times: Ints, start: int) -> list[tuple[int, int]]:
    """First and last instants between the silences that are too long for the resolution."""
    limit = LONG_SILENCE_MS if RESOLUTIONS_MS[resolution] else LONGEST_SILENCE_MS
    last = int(times[-1])
    if last - int(times[0]) <= limit:
        return [(start, last)]
    held = max(0, rules.held_ms - 1)
    silent = np.flatnonzero(np.diff(times) > max(limit + held, rules.max_gap_ms))
    begins = [start, *times[silent + 1].tolist()]
    ends = [*(times[silent] + held).tolist(), last]
    return list(zip(begins, ends, strict=True))
