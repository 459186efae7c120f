"""Voltages counted in steps of 1 mV, so that percentiles of merged windows are exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_app.core.cells.quantities import MISSING, Whole
from stream_app.core.energy import Ints

UV_PER_BIN = 1_000
BIN_BITS = 23
"""Of the bin in a key; the rest is the window."""
_MIDDLE = 1 << (BIN_BITS - 1)
MOST_DENSE = 1 << 22
"""Bins that are counted in one array; where a wild value makes it more, they are sorted."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bins with values: ``keys`` rising, window x 2^BIN_BITS + bin; ``counts`` how many."""

    keys: Ints
    counts: Ints

    def between(self, first: int, last: int) -> "Histogram":
        """Windows ``first`` to before ``last``, numbered from 0."""
        a, b = np.searchsorted(self.keys, (first << BIN_BITS, last << BIN_BITS))
        return Histogram(self.keys[a:b] - (first << BIN_BITS), self.counts[a:b])

    @classmethod
    def joined(cls, first: "Histogram", windows: int, second: "Histogram") -> "Histogram":
        """The bins of both; the first has so many windows."""
        return cls(
            np.concatenate((first.keys, second.keys + (windows << BIN_BITS))),
            np.concatenate((first.counts, second.counts)),
        )

    def merged(self, groups: Ints) -> "Histogram":
        """Neighbouring windows as one; ``groups`` gives the new number of each window."""
        if not self.keys.size:
            return self
        keys = (groups[self.keys >> BIN_BITS] << BIN_BITS) + (self.keys & ((1 << BIN_BITS) - 1))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        return Histogram(keys[first], np.add.reduceat(self.counts[order], first))

    def percentiles(self, windows: int, percents: Sequence[int]) -> list[Ints]:
        """Nearest-rank percentiles of each window [mV]: at least so many percent lie at or below.

        Windows without a value have MISSING.
        """
        edges = np.searchsorted(self.keys, np.arange(windows + 1, dtype=np.int64) << BIN_BITS)
        running = np.concatenate(([0], np.cumsum(self.counts)))
        before, total = running[edges[:-1]], np.diff(running[edges])
        keys = self.keys if self.keys.size else np.zeros(1, dtype=np.int64)

        def values(percent: int) -> Ints:
            rank = -(-total * percent // 100)
            place = np.searchsorted(running, before + np.maximum(rank, 1)) - 1
            bins = keys[np.minimum(place, keys.size - 1)] & ((1 << BIN_BITS) - 1)
            return np.where(total > 0, bins - _MIDDLE, MISSING)

        return [values(percent) for percent in percents]


def histogram_of(voltage: Whole, starts: Ints) -> Histogram:
    """Count voltages (n, cells) [uV], to the nearest mV, in windows whose first rows are given."""
    # Floor division of the value and a half step: a voltage between two bins goes to the upper.
    bins = (voltage.astype(np.int64) + UV_PER_BIN // 2) // UV_PER_BIN
    rows = np.repeat(np.arange(starts.size), np.diff(np.append(starts, voltage.shape[0])))
    if voltage.min(initial=0) == MISSING:
        known = voltage != MISSING
        bins, windows = bins[known], np.broadcast_to(rows[:, None], voltage.shape)[known]
    else:
        bins, windows = bins.ravel(), np.repeat(rows, voltage.shape[1])
    if not bins.size:
        return Histogram(bins, bins)
    low = int(bins.min())
    span = int(bins.max()) - low + 1
    if span * starts.size <= MOST_DENSE:
        dense = np.bincount(windows * span + (bins - low))
        places = np.flatnonzero(dense)
        window, place = np.divmod(places, span)
        return Histogram((window << BIN_BITS) + place + low + _MIDDLE, dense[places])
    return Histogram(*np.unique((windows << BIN_BITS) + bins + _MIDDLE, return_counts=True))
