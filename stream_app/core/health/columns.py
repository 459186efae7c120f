"""What is summed of a battery's signals in each slot and day, all as whole numbers.

An integral has four columns (known time [ms], out, in, bound); a dwell has the time [ms] in each
of its bins, and the sum of value times time for the mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stream_app.core.battery import BatteryRules
from stream_app.core.energy import Floats, Ints
from stream_app.core.rows import NONE, Signal

SOC, SOH, VOLTAGE, CURRENT, DC, AC, SPREAD, WARMEST, TEMPERATURE, HIGHEST, LOWEST = range(11)
MEDIAN_HIGHEST, MEDIAN_LOWEST, PACK_SPREAD = range(11, 14)
SIGNALS = (
    Signal("soc_ratio", 1e6, -0.05, 1.1, floor=0.0),
    Signal("soh_ratio", 1e6, 0.0, 1.5),
    Signal("voltage_v", 1e6, -1e5, 1e5),
    Signal("current_a", 1e3, -1e6, 1e6),
    Signal("dc_power_w", 1e3, -1e9, 1e9),
    Signal("ac_power_w", 1e3, -1e9, 1e9),
    Signal("cell_spread_v", 1e6, 0.0, 10.0),
    Signal("cell_max_c", 1e3, -100.0, 1000.0),
    Signal("cell_mean_c", 1e3, -100.0, 1000.0),
    Signal("cell_max_v", 1e6, 0.0, 10.0),
    Signal("cell_min_v", 1e6, 0.0, 10.0),
    Signal("pack_median_max_v", 1e6, 0.0, 10.0),
    Signal("pack_median_min_v", 1e6, 0.0, 10.0),
    Signal("pack_spread_v", 1e6, 0.0, 10.0),
)
"""The signals that health is told from: ppm, uV, mA, mW, millidegrees Celsius."""
REST_SPREAD = len(SIGNALS)
"""Place of the spread of a battery at rest, after the signals themselves."""

CHARGE_COLUMNS, DC_COLUMNS, AC_COLUMNS = slice(0, 4), slice(4, 8), slice(8, 12)
"""Integrals of the current [mA ms] and of both powers [W ms]."""
ACTIVE_MS = 12
"""Time in which the current is beyond that of a rest."""


@dataclass(frozen=True)
class Dwell:
    """Bins of equal width, the outer ones open; ``first``: its first column.

    ``low`` is the lower edge of the second bin, ``step`` the width, in the unit of the signal.
    """

    signal: int
    first: int
    low: int
    step: int
    bins: int

    @property
    def columns(self) -> slice:
        """Bins, then the sum of value times time."""
        return slice(self.first, self.first + self.bins + 1)

    def edges(self, scale: float) -> list[float]:
        """Inner edges in the unit of the signal divided by ``scale``, one less than the bins."""
        return [(self.low + place * self.step) / scale for place in range(self.bins - 1)]


SOC_DWELL = Dwell(SOC, 13, 50_000, 50_000, 20)
WARMEST_DWELL = Dwell(WARMEST, 34, -20_000, 5_000, 18)
TEMPERATURE_DWELL = Dwell(TEMPERATURE, 53, -20_000, 5_000, 18)
SPREAD_DWELL = Dwell(REST_SPREAD, 72, 10_000, 10_000, 12)
DWELLS = (SOC_DWELL, WARMEST_DWELL, TEMPERATURE_DWELL, SPREAD_DWELL)
WIDTH = 85
"""Number of columns."""

INTEGRATED = {CURRENT: CHARGE_COLUMNS, DC: DC_COLUMNS, AC: AC_COLUMNS}
SUMMED = np.array(sorted([*INTEGRATED, *(dwell.signal for dwell in DWELLS)]), dtype=np.int64)
"""Places of the signals that are summed."""


def _by_signal(values: Mapping[int, float]) -> Floats:
    found = np.zeros(REST_SPREAD + 1)
    found[list(values)] = list(values.values())
    return found


UNIT = _by_signal({CURRENT: 1.0, DC: 1e-3, AC: 1e-3})
"""Of one whole number of a signal that is integrated, in mA or W; 0 for the others."""
_INTEGRAL = _by_signal({signal: part.start for signal, part in INTEGRATED.items()}).astype(int)
_LOW = _by_signal({dwell.signal: dwell.low for dwell in DWELLS}).astype(int)
_STEP = _by_signal({dwell.signal: dwell.step for dwell in DWELLS}).astype(int)
_BINS = _by_signal({dwell.signal: dwell.bins for dwell in DWELLS}).astype(int)
_FIRST = _by_signal({dwell.signal: dwell.first for dwell in DWELLS}).astype(int)

Entries = tuple[Ints, Ints, Ints]
"""Columns, times [ms UTC] and amounts of what is to be summed; each (n,)."""


def integral_entries(signals: Ints, starts: Ints, rows: Ints) -> Entries:
    """Integrals (4, m) of pieces of the signals (m,)."""
    places = _INTEGRAL[signals] + np.arange(4)[:, np.newaxis]
    return places.ravel(), np.broadcast_to(starts, rows.shape).ravel(), rows.ravel()


def dwell_entries(signals: Ints, starts: Ints, lengths: Ints, values: Ints) -> Entries:
    """Time [ms] of pieces (m,) that a signal has a value, in its bin, and value times time."""
    bins = _BINS[signals]
    place = np.clip((values - _LOW[signals]) // _STEP[signals] + 1, 0, bins - 1)
    columns = np.concatenate([place, bins]) + np.tile(_FIRST[signals], 2)
    return columns, np.tile(starts, 2), np.concatenate([lengths, lengths * values])


def summed(edges: Ints, entries: Sequence[Entries]) -> Ints:
    """Entries by column and by the slot between ``edges`` (n + 1,) that holds their time."""
    sums = np.zeros((WIDTH, edges.size - 1), dtype=np.int64)
    columns, times, amounts = (np.concatenate(each) for each in zip(*entries, strict=True))
    np.add.at(sums, (columns, np.searchsorted(edges, times, side="right") - 1), amounts)
    return sums


def gaps(rules: BatteryRules) -> Ints:
    """Longest known time [ms] between values of each signal, and of the spread at rest."""
    named = [rules.signal_gaps_ms.get(each.name, rules.max_gap_ms) for each in SIGNALS]
    return np.array([*named, named[SPREAD]], dtype=np.int64)


def first_of(values: Ints, wanted: int, instead: int) -> Ints:
    """(n,) the signal, or the other where it has no value, of rows (n, signals)."""
    found = values[:, wanted]
    return np.where(found != NONE, found, values[:, instead])


def filled(values: Ints) -> Ints:
    """Signals, with a place for the spread at rest; what did not come is told from what did.

    Current from DC power and voltage, DC power from current and voltage, the spread of the cells
    from the highest and the lowest.
    """
    every = np.full((values.shape[0], REST_SPREAD + 1), NONE, dtype=np.int64)
    every[:, :REST_SPREAD] = values
    _fill(every, CURRENT, (DC, VOLTAGE), lambda dc, v: dc / np.where(v, v, np.nan) * 1e6)
    _fill(every, DC, (CURRENT, VOLTAGE), lambda current, v: current * (v / 1e6))
    _fill(every, SPREAD, (HIGHEST, LOWEST), lambda high, low: np.abs(high - low) * 1.0)
    return every


def _fill(
    values: Ints, wanted: int, given: tuple[int, int], tell: Callable[[Ints, Ints], Floats]
) -> None:
    a, b = (values[:, each] for each in given)
    places = np.flatnonzero((values[:, wanted] == NONE) & (a != NONE) & (b != NONE))
    if places.size:
        told = tell(a[places], b[places])
        good = np.isfinite(told)
        values[places[good], wanted] = np.rint(told[good]).astype(np.int64)
