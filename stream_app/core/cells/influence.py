"""How much the temperature of a cell goes with that of its neighbours, over a day of windows."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from stream_app.core.cells.quantities import MDEG_PER_DEG
from stream_app.core.cells.sums import Cell, Sums
from stream_app.core.energy import Bools, Floats, Ints

LARGEST = 1_000_000
"""m degC: a wild deviation leaves the sums of a day within int64."""
FEWEST_WINDOWS = 3
"""Fewer windows tell nothing."""


class _Sum(IntEnum):
    """Sums over windows: of one, x, y, xx, yy, xy; x of the cell, y twice that beside it."""

    COUNT = 0
    X = 1
    Y = 2
    XX = 3
    YY = 4
    XY = 5


@dataclass
class InfluenceState:
    """Sums (6 cells,) of the local days that are open, by their start [ms UTC]."""

    days: dict[int, Ints] = field(default_factory=dict)

    def take(self, sums: Sums, days: Ints) -> None:
        """Add n closed five-minute windows of local ``days`` (n,)."""
        counts = sums.cells[Cell.T_COUNT]
        products = _products(sums.cells[Cell.T_OFF] // np.maximum(counts, 1), counts > 0)
        for day in np.unique(days).tolist():
            added = products[:, days == day].sum(axis=1).ravel()
            self.days[day] = self.days[day] + added if day in self.days else added

    def close(self, starts: Ints) -> Floats:
        """Give the influence in local days that are over (n, cells), and forget them."""
        return np.stack([influence(self.days.pop(start)) for start in starts.tolist()])

    def standing(self, start: int, cells: int) -> Floats:
        """That of a local day so far (1, cells)."""
        none = np.zeros(len(_Sum) * cells, dtype=np.int64)
        return influence(self.days.get(start, none))[None]


def influence(sums: Ints) -> Floats:
    """Pearson's correlation of each cell's temperature deviation with that beside it.

    Parameters
    ----------
    sums
        (6 cells,) over windows.

    Returns
    -------
    (cells,) from -1 to 1: NaN where fewer than three windows or no variation are there to judge by.

    Notes
    -----
    Beside a cell are the one or two cells next to it in the line; of two the mean counts. 1: the
    cell warms and cools with its neighbours, so the cause is shared (cooling, position); about 0:
    it does so alone, so the cause lies in the cell.
    """
    count, x, y, xx, yy, xy = sums.reshape(len(_Sum), -1)
    scale = np.sqrt((count * xx - x * x).astype(np.float64) * (count * yy - y * y))
    found: Floats = np.full(count.size, np.nan)
    known = (count >= FEWEST_WINDOWS) & (scale > 0)
    np.divide(count * xy - x * y, scale, out=found, where=known)
    return found


def neighbour_influence(deviation: Floats) -> Floats:
    """The same of n windows: (n, cells) deviations from the pack's median [degC], NaN: no value."""
    known = np.isfinite(deviation)
    x = np.rint(np.where(known, deviation, 0.0) * MDEG_PER_DEG).astype(np.int64)
    return influence(_products(x, known).sum(axis=1).ravel())


def _products(x: Ints, known: Bools) -> Ints:
    """What n windows (n, cells) of mean deviations [m degC] add to the sums: (6, n, cells)."""
    x = np.clip(x, -LARGEST, LARGEST)
    y, beside = _beside(x, known)
    both = known & beside
    x, y = np.where(both, x, 0), np.where(both, y, 0)
    return np.stack((both.astype(np.int64), x, y, x * x, y * y, x * y))


def _beside(x: Ints, known: Bools) -> tuple[Ints, Bools]:
    """Twice the mean of the cells on both sides, of the one that is known; and where one is."""
    total, count = np.zeros_like(x), np.zeros_like(x)
    value, one = np.where(known, x, 0), known.astype(np.int64)
    for here, there in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :-1], np.s_[:, 1:])):
        total[here] += value[there]
        count[here] += one[there]
    return np.where(count == 1, 2 * total, total), count > 0
