"""What flows in and out of the fold of a battery's cells, as plain values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stream_app.core.battery import Battery, CellSamples, SystemSamples
from stream_app.core.cells.charge import PackHealth
from stream_app.core.cells.critical import CriticalCells
from stream_app.core.cells.evaluability import Evaluable
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, UV_PER_V
from stream_app.core.cells.statistics import robust_z
from stream_app.core.cells.sums import (
    NO_HIGH,
    NO_LOW,
    Cell,
    Pack,
    Sums,
    high_time,
    low_time,
    value_of,
)
from stream_app.core.energy import Floats, Ints
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import RowReason

CellsMessage = Battery | AnomalyModel | CellSamples | SystemSamples | Heartbeat | EndOfData
Temper = Literal["hot", "warm", "cold"]
"""Part of what is remembered of a pack: by how often it changes."""


@dataclass(frozen=True, eq=False)
class CellWindows:
    """n windows of one pack and resolution, in time order; only windows that have rows.

    Attributes
    ----------
    starts, ends, days
        (n,) ms UTC; ``days`` are the first instants of their local days.
    revisions
        (n,) 1 for the first publication of a window; the highest holds.
    final
        False where the end of the data published a window that was not over.
    sums
        Whole numbers that all the rest comes from.
    p1_mv, p99_mv
        (n,) nearest-rank percentiles of all cell voltages to the nearest mV; MISSING: no value.
    regimes
        (n,) places in ``limits.REGIMES`` of closed five-minute windows whose battery has limits.
    evaluable
        n counts of the closed five-minute windows in each, by indicator and reason; told of
        closed five-minute windows and of days.
    influence
        (n, cells) how each cell's temperature went with those beside it, of days.
    charge
        n, charge, capacity and imbalance of the pack, of days; None where nothing was judged.
    """

    pack: str
    resolution: str
    starts: Ints
    ends: Ints
    days: Ints
    revisions: Ints
    final: bool
    sums: Sums
    p1_mv: Ints
    p99_mv: Ints
    regimes: Ints | None = None
    evaluable: Evaluable | None = None
    influence: Floats | None = None
    charge: Sequence[PackHealth | None] | None = None

    @property
    def size(self) -> int:
        return self.starts.size

    def __iter__(self) -> Iterator["CellWindows"]:
        """One by one, each with n = 1."""
        for at in range(self.size):
            yield self.between(at, at + 1)

    def between(self, first: int, last: int) -> "CellWindows":
        """Windows ``first`` to before ``last``."""
        part = slice(first, last)
        return CellWindows(
            self.pack,
            self.resolution,
            self.starts[part],
            self.ends[part],
            self.days[part],
            self.revisions[part],
            self.final,
            self.sums.between(first, last),
            self.p1_mv[part],
            self.p99_mv[part],
            None if self.regimes is None else self.regimes[part],
            None if self.evaluable is None else self.evaluable[part],
            None if self.influence is None else self.influence[part],
            None if self.charge is None else self.charge[part],
        )

    @property
    def samples(self) -> Ints:
        """Voltages of each cell (n, cells)."""
        counts: Ints = self.sums.cells[Cell.V_COUNT]
        return counts

    @property
    def voltage_mean_v(self) -> Floats:
        """(n, cells) V; NaN where a cell has no value, here and below."""
        return self._mean(Cell.V_SUM, Cell.V_COUNT, UV_PER_V)

    @property
    def voltage_min_v(self) -> Floats:
        """(n, cells) V."""
        return _values(self.sums.cells[Cell.V_LOW], UV_PER_V)

    @property
    def voltage_max_v(self) -> Floats:
        """(n, cells) V."""
        return _values(self.sums.cells[Cell.V_HIGH], UV_PER_V)

    @property
    def voltage_min_at(self) -> Ints:
        """When each cell's lowest voltage came first (n, cells) [ms UTC]; MISSING: no value."""
        keys = self.sums.cells[Cell.V_LOW]
        return np.where(keys == NO_LOW, MISSING, self.days[:, None] + low_time(keys))

    @property
    def voltage_max_at(self) -> Ints:
        """When each cell's highest voltage came first (n, cells) [ms UTC]; MISSING: no value."""
        return self._high_at(Cell.V_HIGH)

    @property
    def voltage_deviation_v(self) -> Floats:
        """Mean deviation of each cell from its pack's median at the same time (n, cells) [V]."""
        return self._mean(Cell.V_OFF, Cell.V_COUNT, UV_PER_V)

    @property
    def voltage_z(self) -> Floats:
        """Robust z of that deviation within the pack (n, cells)."""
        return robust_z(self.voltage_deviation_v)

    @property
    def worst_cell(self) -> Ints:
        """The cell with the largest deviation of voltage (n,), from 1; MISSING: no value."""
        off = np.abs(self.voltage_deviation_v)
        none = np.isnan(off).all(axis=1)
        return np.where(none, MISSING, np.where(np.isnan(off), -1.0, off).argmax(axis=1) + 1)

    @property
    def temperature_mean_c(self) -> Floats:
        """(n, cells) degC."""
        return self._mean(Cell.T_SUM, Cell.T_COUNT, MDEG_PER_DEG)

    @property
    def temperature_max_c(self) -> Floats:
        """(n, cells) degC."""
        return _values(self.sums.cells[Cell.T_HIGH], MDEG_PER_DEG)

    @property
    def temperature_max_at(self) -> Ints:
        """When each cell's highest temperature came first (n, cells) [ms UTC]; or MISSING."""
        return self._high_at(Cell.T_HIGH)

    @property
    def temperature_deviation_c(self) -> Floats:
        """Mean deviation from the pack's median at the same time (n, cells) [degC]."""
        return self._mean(Cell.T_OFF, Cell.T_COUNT, MDEG_PER_DEG)

    @property
    def temperature_rise_c_per_s(self) -> Floats:
        """Fastest rise between two rows (n, cells) [degC/s]; NaN where there are no two rows."""
        return _values(self.sums.cells[Cell.T_RISE], MDEG_PER_DEG)

    @property
    def voltage_spread_v(self) -> Floats:
        """Largest spread between two cells at one time (n,) [V]."""
        return _values(self.sums.pack[Pack.V_SPREAD], UV_PER_V)

    @property
    def temperature_spread_c(self) -> Floats:
        """Largest spread between two cells at one time (n,) [degC]."""
        return _values(self.sums.pack[Pack.T_SPREAD], MDEG_PER_DEG)

    def _mean(self, total: Cell, count: Cell, per_unit: int) -> Floats:
        found: Floats = np.full(self.sums.cells.shape[1:], np.nan)
        counts = self.sums.cells[count]
        np.divide(self.sums.cells[total] / per_unit, counts, out=found, where=counts > 0)
        return found

    def _high_at(self, which: Cell) -> Ints:
        keys = self.sums.cells[which]
        return np.where(keys == NO_HIGH, MISSING, self.days[:, None] + high_time(keys))


@dataclass(frozen=True, eq=False)
class LateCells:
    """Rows of a pack that were not folded: their times (n,) [ms UTC], and why."""

    pack: str
    times: Ints
    reason: RowReason


@dataclass
class CellOutputs:
    """All that a fold gave.

    Windows of each pack are in the order of event time, findings in that of the rows that brought
    them about. ``touched`` are the parts of packs that rows may have changed.
    """

    windows: list[CellWindows] = field(default_factory=list)
    findings: list[CellFinding] = field(default_factory=list)
    critical: list[CriticalCells] = field(default_factory=list)
    late: list[LateCells] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows: int = 0
    touched: set[tuple[str, Temper]] = field(default_factory=set)

    def extend(self, other: "CellOutputs") -> None:
        """Append another fold's outputs; places of refusals stay as they are."""
        self.windows += other.windows
        self.findings += other.findings
        self.critical += other.critical
        self.late += other.late
        self.refusals += other.refusals
        self.rows += other.rows
        self.touched |= other.touched


def _values(keys: Ints, per_unit: int) -> Floats:
    none = (keys == NO_LOW) | (keys == NO_HIGH)
    return np.where(none, np.nan, value_of(keys) / per_unit)
