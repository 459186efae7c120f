"""Values that stay exactly the same while the pack's median moves: those of a stuck sensor."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_app.core.cells.quantities import MISSING, UV_PER_V, whole
from stream_app.core.cells.statistics import row_statistics
from stream_app.core.cells.sums import NO_HIGH, NO_LOW
from stream_app.core.energy import Bools, Floats, Ints

STUCK_UV, STUCK_MDEG = 30_000, 2_500
"""How far the median must move while a value stays exactly the same."""
TOGETHER = 32
"""Rows that are looked at together: what that takes is small beside the rows themselves."""


def _none() -> Ints:
    return np.empty(0, dtype=np.int64)


@dataclass
class Hold:
    """What each cell (cells,) has kept, since when, and the range of the median meanwhile.

    ``value`` is NO_LOW where the newest was not kept; ``since`` in ms UTC.
    """

    value: Ints = field(default_factory=_none)
    since: Ints = field(default_factory=_none)
    low: Ints = field(default_factory=_none)
    high: Ints = field(default_factory=_none)


class Values(NamedTuple):
    """Values of cells at n times, rows or windows.

    Attributes
    ----------
    times
        (n,) ms UTC.
    values, constant, known
        (n, cells) the value, whether it was the same all the time, and whether there is one.
    low, high
        (n,) range of the median.
    """

    times: Ints
    values: Ints
    constant: Bools
    known: Bools
    low: Ints
    high: Ints


def moved_while_held(hold: Hold, found: Values) -> tuple[Ints, Ints]:
    """How far the median has moved while each cell kept its value, and since when it keeps it.

    (n, cells) both; -1 where it has not kept it. A time at which a cell has no value changes
    nothing.
    """
    cells = found.values.shape[1]
    if not hold.value.size:
        hold.value = np.full(cells, NO_LOW)
        hold.since, hold.low, hold.high = (np.zeros(cells, dtype=np.int64) for _ in range(3))
    known, columns = found.known, np.arange(cells)
    held = np.concatenate((hold.value[None], np.where(found.constant, found.values, NO_LOW)))
    newest = np.maximum.accumulate(np.where(known, np.arange(1, len(held))[:, None], 0), axis=0)
    before = np.concatenate((np.zeros((1, cells), dtype=np.int64), newest[:-1]))
    same = found.constant & (held[1:] == held[before, columns])
    # A cell without a value keeps its range: it stays, and no median is added.
    stays = same | ~known
    lows = _running(hold.low, stays, np.where(known, found.low[:, None], NO_LOW), np.minimum)
    highs = _running(hold.high, stays, np.where(known, found.high[:, None], NO_HIGH), np.maximum)
    begins = np.where(stays, 0, np.arange(1, len(held))[:, None])
    times = np.concatenate((hold.since[None], np.broadcast_to(found.times[:, None], same.shape)))
    since = times[np.maximum.accumulate(begins, axis=0), columns]
    hold.value, hold.since = held[newest[-1], columns], since[-1].copy()
    # Copies: a view would keep the values of all these times.
    hold.low, hold.high = lows[-1].copy(), highs[-1].copy()
    return np.where(same, highs - lows, -1), since


def without_stuck(hold: Hold, times: Ints, voltages: Floats) -> Floats:
    """Voltages (n, cells) [V] of consecutive rows, NaN too where a cell is stuck."""
    found = voltages.copy()
    for first in range(0, times.size, TOGETHER):
        part = slice(first, first + TOGETHER)
        rows = whole(voltages[part], UV_PER_V)
        median, known = row_statistics(rows).median.astype(np.int64), rows != MISSING
        values = Values(times[part], rows.astype(np.int64), known, known, median, median)
        found[part][moved_while_held(hold, values)[0] >= STUCK_UV] = np.nan
    return found


def _running(last: Ints, stays: Bools, values: Ints, extreme: np.ufunc) -> Ints:
    """Extreme of each column since it last did not stay, row by row; goes on from ``last``."""
    found = values.copy()
    for row, (kept, value) in enumerate(zip(stays, values, strict=True)):
        last = extreme(value, last, out=found[row], where=kept)
    return found
