"""What is remembered of the rows of a window: whole numbers that merge exactly, in any grouping.

An extreme and when it was first reached are one number: the value shifted left by ``TIME_BITS``,
plus the time since the start of the local day [ms], which is counted backwards for a maximum. So
the smallest (largest) number is the earliest lowest (highest) value, and merging is min or max.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stream_app.core.cells.quantities import MISSING, Whole
from stream_app.core.cells.statistics import RowStatistics, deviations, row_statistics
from stream_app.core.energy import Bools, Ints

TIME_BITS = 27
"""37 hours of milliseconds: more than a local day has."""
TIME_MASK = (1 << TIME_BITS) - 1
NO_LOW, NO_HIGH = np.iinfo(np.int64).max, np.iinfo(np.int64).min
"""Extremes where there is no value."""


class Cell(IntEnum):
    """Rows of ``Sums.cells``: voltages in uV, temperatures in m degC, rises in m degC/s.

    V_OFF and T_OFF are sums of the deviations from the pack's median at the same time.
    """

    V_COUNT = 0
    V_SUM = 1
    V_OFF = 2
    T_COUNT = 3
    T_SUM = 4
    T_OFF = 5
    V_LOW = 6
    T_LOW = 7
    V_HIGH = 8
    T_HIGH = 9
    T_RISE = 10


class Pack(IntEnum):
    """Rows of ``Sums.pack``: of the pack as a whole.

    V_MEDIAN and T_MEDIAN are sums of the row medians; GAPS counts the steps longer than the
    longest that is known; STEP is the longest of the others [ms]; CURRENT the largest size [mA],
    CURRENT_SUM has its signs; SOC in ppm; FIRST and LAST times of rows [ms UTC].
    """

    ROWS = 0
    GAPS = 1
    V_ROWS = 2
    V_MEDIAN = 3
    T_ROWS = 4
    T_MEDIAN = 5
    CURRENT_ROWS = 6
    SOC_ROWS = 7
    CURRENT_SUM = 8
    FIRST = 9
    V_MEDIAN_LOW = 10
    T_MEDIAN_LOW = 11
    SOC_LOW = 12
    LAST = 13
    STEP = 14
    V_MEDIAN_HIGH = 15
    T_MEDIAN_HIGH = 16
    SOC_HIGH = 17
    V_SPREAD = 18
    T_SPREAD = 19
    CURRENT = 20


CELL_ADDED, CELL_LOW, CELL_HIGH = slice(0, 6), slice(6, 8), slice(8, 11)
PACK_ADDED, PACK_LOW, PACK_HIGH = slice(0, 9), slice(9, 13), slice(13, 21)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums and extremes of n windows: ``cells`` (fields, n, cells) and ``pack`` (fields, n)."""

    cells: Ints
    pack: Ints

    def between(self, first: int, last: int) -> "Sums":
        """Windows ``first`` to before ``last``."""
        return Sums(self.cells[:, first:last], self.pack[:, first:last])

    @classmethod
    def joined(cls, first: "Sums", second: "Sums") -> "Sums":
        """The windows of both, one after the other."""
        return cls(
            np.concatenate((first.cells, second.cells), axis=1),
            np.concatenate((first.pack, second.pack), axis=1),
        )

    def merged(self, starts: Ints) -> "Sums":
        """Neighbouring windows as one; ``starts`` are the places where a group begins."""
        cells, pack = (
            np.concatenate(
                (
                    np.add.reduceat(every[added], starts, axis=1),
                    np.minimum.reduceat(every[low], starts, axis=1),
                    np.maximum.reduceat(every[high], starts, axis=1),
                )
            )
            for every, added, low, high in (
                (self.cells, CELL_ADDED, CELL_LOW, CELL_HIGH),
                (self.pack, PACK_ADDED, PACK_LOW, PACK_HIGH),
            )
        )
        return Sums(cells, pack)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of one pack in time order.

    Attributes
    ----------
    times, offsets
        (n,) ms UTC, and ms since the start of the local day.
    steps
        (n,) ms since the row before; 0 where there is none or the gap is too long to be known.
    gaps
        (n,) 1 where such a gap ends.
    voltage, temperature
        (n, cells) uV and m degC.
    rise
        (n, cells) m degC/s since the row before, MISSING where it is not known.
    current, soc
        (n,) mA and ppm.
    """

    times: Ints
    offsets: Ints
    steps: Ints
    gaps: Ints
    voltage: Whole
    temperature: Whole
    rise: Whole
    current: Whole
    soc: Whole


def value_of(keys: Ints) -> Ints:
    """Values of extremes; whatever where there is none."""
    return keys >> TIME_BITS


def low_time(keys: Ints) -> Ints:
    """Time since the start of the local day [ms] of the lowest values."""
    return keys & TIME_MASK


def high_time(keys: Ints) -> Ints:
    """Time since the start of the local day [ms] of the highest values."""
    return TIME_MASK - (keys & TIME_MASK)


def spread_without(sums: Sums, left_out: Bools) -> tuple[Ints, Ints]:
    """Spread of the cells' mean deviations [uV], and how many cells are in it; (n,) both.

    Those left out (n, cells) are not, nor those without a value.
    """
    counts = sums.cells[Cell.V_COUNT]
    off = sums.cells[Cell.V_OFF] // np.maximum(counts, 1)
    there = (counts > 0) & ~left_out
    most, least = (np.where(there, off, end) for end in (NO_HIGH, NO_LOW))
    return most.max(axis=1) - least.min(axis=1), there.sum(axis=1)


def sums_of(block: Block, starts: Ints) -> Sums:
    """Sums of the windows whose first rows are ``starts``; each has at least one row."""
    volts, warmth = row_statistics(block.voltage), row_statistics(block.temperature)
    voltage, temperature = _Column(block.voltage), _Column(block.temperature)
    shape = (starts.size, block.voltage.shape[1])
    cells = np.empty((len(Cell), *shape), dtype=np.int64)
    cells[Cell.V_COUNT], cells[Cell.V_SUM] = voltage.added(starts)
    cells[Cell.V_OFF] = _added(deviations(block.voltage, volts.median), starts)
    cells[Cell.T_COUNT], cells[Cell.T_SUM] = temperature.added(starts)
    cells[Cell.T_OFF] = _added(deviations(block.temperature, warmth.median), starts)
    cells[Cell.V_LOW], cells[Cell.V_HIGH] = voltage.extremes(block.offsets, starts)
    cells[Cell.T_LOW], cells[Cell.T_HIGH] = temperature.extremes(block.offsets, starts)
    cells[Cell.T_RISE] = _Column(block.rise).highest(block.offsets, starts)
    return Sums(cells, _pack_sums(block, volts, warmth, starts))


def _pack_sums(block: Block, volts: RowStatistics, warmth: RowStatistics, starts: Ints) -> Ints:
    pack = np.empty((len(Pack), starts.size), dtype=np.int64)
    pack[Pack.ROWS] = np.diff(np.append(starts, block.times.size))
    pack[Pack.GAPS] = np.add.reduceat(block.gaps, starts)
    pack[Pack.FIRST] = block.times[starts]
    pack[Pack.LAST] = block.times[np.append(starts[1:], block.times.size) - 1]
    pack[Pack.STEP] = np.maximum.reduceat(block.steps, starts)
    for rows, total, low, high, spread, found in (
        (Pack.V_ROWS, Pack.V_MEDIAN, Pack.V_MEDIAN_LOW, Pack.V_MEDIAN_HIGH, Pack.V_SPREAD, volts),
        (Pack.T_ROWS, Pack.T_MEDIAN, Pack.T_MEDIAN_LOW, Pack.T_MEDIAN_HIGH, Pack.T_SPREAD, warmth),
    ):
        medians = _Column(found.median)
        pack[rows], pack[total] = medians.added(starts)
        pack[low], pack[high] = medians.extremes(block.offsets, starts)
        wide = np.where(found.count > 1, found.spread, MISSING).astype(np.int32)
        pack[spread] = _Column(wide).highest(block.offsets, starts)
    sizes = np.where(block.current == MISSING, MISSING, np.abs(block.current)).astype(np.int32)
    pack[Pack.CURRENT_ROWS], pack[Pack.CURRENT_SUM] = _Column(block.current).added(starts)
    pack[Pack.CURRENT] = _Column(sizes).highest(block.offsets, starts)
    soc = _Column(block.soc)
    pack[Pack.SOC_ROWS], _ = soc.added(starts)
    pack[Pack.SOC_LOW], pack[Pack.SOC_HIGH] = soc.extremes(block.offsets, starts)
    return pack


class _Column:
    """Whole numbers (n,) or (n, cells) with what is missing in them, reduced by window."""

    def __init__(self, values: Whole) -> None:
        self.values = values
        # It sorts below every value, and to look for it so is faster than to mark it.
        self.missing = values == MISSING if values.min() == MISSING else None

    def added(self, starts: Ints) -> tuple[Ints, Ints]:
        """How many values there are in each window, and their sum."""
        if self.missing is None:
            counts = np.diff(np.append(starts, self.values.shape[0]))
            shaped = counts if self.values.ndim == 1 else counts[:, None]
            return shaped, _added(self.values, starts)
        known = ~self.missing
        return _added(known, starts), _added(np.where(known, self.values, 0), starts)

    def extremes(self, offsets: Ints, starts: Ints) -> tuple[Ints, Ints]:
        """Keys of the lowest and highest value of each window, ``offsets`` (n,) into the day."""
        keys = self._keys(offsets, NO_LOW)
        low: Ints = np.minimum.reduceat(keys, starts, axis=0)
        self._set_times(keys, TIME_MASK - 2 * offsets, NO_HIGH)
        high: Ints = np.maximum.reduceat(keys, starts, axis=0)
        return low, high

    def highest(self, offsets: Ints, starts: Ints) -> Ints:
        """Key of the highest value of each window."""
        keys = self._keys(TIME_MASK - offsets, NO_HIGH)
        found: Ints = np.maximum.reduceat(keys, starts, axis=0)
        return found

    def _keys(self, times: Ints, none: int) -> Ints:
        keys = self.values.astype(np.int64)
        keys <<= TIME_BITS
        self._set_times(keys, times, none)
        return keys

    def _set_times(self, keys: Ints, times: Ints, none: int) -> None:
        keys += times if keys.ndim == 1 else times[:, None]
        if self.missing is not None:
            keys[self.missing] = none


def _added(values: NDArray[np.int32] | Bools, starts: Ints) -> Ints:
    found: Ints = np.add.reduceat(values, starts, axis=0, dtype=np.int64)
    return found
