"""Sums by slot, a quarter of an hour or a day, which close when nothing can reach back into them.

What lies between two samples is known only if they are at most the longest gap apart: a slot is
complete once the clock stands that far after its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_app.core.calendar import SiteCalendar
from stream_app.core.energy import (
    ABOVE,
    BELOW,
    CHARGED,
    DISCHARGED,
    Floats,
    Ints,
    Pieces,
    ledger,
    pieces,
)
from stream_app.core.windows import Contribution, add_by_window

SLOT = "15min"
KNOWN, OUT, IN, BOUND = range(4)
"""Rows of an integral: known time [ms], what flowed out and in, and how far the net of both may
lie from the truth if the signal is monotone between samples [unit ms]."""


@dataclass
class Slots:
    """Slots that are not complete, in time order: start [ms UTC] -> column sums."""

    open: dict[int, list[int]] = field(default_factory=dict)


class ClosedSlots(NamedTuple):
    """Complete slots in time order: starts (n,) [ms UTC], column sums (columns, n)."""

    starts: Ints
    sums: Ints


def integral(times: Ints, values: Floats, edges: Ints, max_gap_ms: int) -> tuple[Ints, Ints]:
    """Integrate samples (n,) by trapezoid over the known time, cut at ``edges``.

    Returns
    -------
    Start of each piece (m,), and its KNOWN, OUT, IN, BOUND of shape (4, m).
    """
    cut = pieces(times, values, edges, "trapezoid", max_gap_ms, 0)
    return cut.start, integrated(cut)


def integrated(cut: Pieces) -> Ints:
    """KNOWN, OUT, IN, BOUND of each piece: (4, m)."""
    rows = ledger(cut, 1.0)
    found = rows[[DISCHARGED, DISCHARGED, CHARGED, ABOVE]]
    found[KNOWN] = cut.length
    np.maximum(rows[ABOVE], rows[BELOW], out=found[BOUND])
    return found


def held(times: Ints, values: Ints, edges: Ints, max_gap_ms: int) -> tuple[Ints, Ints, Ints]:
    """Each sample (n,) held until the next one, where that is known, cut at ``edges``.

    Returns
    -------
    Start [ms UTC], length [ms] and value of each piece (m,).
    """
    cut = pieces(times, values.astype(np.float64), edges, "left", max_gap_ms, 0)
    return cut.start, cut.length, cut.p0.astype(np.int64)


def summed(edges: Ints, contributions: Sequence[Contribution], width: int) -> Ints:
    """Contributions by the slot that holds their time: (width, n) for n + 1 edges."""
    sums = np.zeros((width, edges.size - 1), dtype=np.int64)
    for times, values, columns in contributions:
        add_by_window(sums[columns], edges, times, values)
    return sums


def add(slots: Slots, edges: Ints, sums: Ints) -> None:
    """Add column sums (columns, n) to the slots between ``edges`` (n + 1,)."""
    for place in np.flatnonzero(sums.any(axis=0)).tolist():
        start, added = int(edges[place]), sums[:, place].tolist()
        before = slots.open.get(start)
        if before is not None:
            added = [a + b for a, b in zip(before, added, strict=True)]
        slots.open[start] = added
    slots.open = dict(sorted(slots.open.items()))


def close(
    slots: Slots, calendar: SiteCalendar, resolution: str, until: int, width: int
) -> ClosedSlots:
    """Take out the slots that end at or before ``until``, in time order."""
    begun = [start for start in slots.open if start < until]
    due = [start for start in begun if calendar.edges(resolution, start, start)[-1] <= until]
    sums = [slots.open.pop(start) for start in due]
    return ClosedSlots(
        np.array(due, dtype=np.int64), np.array(sums, dtype=np.int64).reshape(-1, width).T
    )
