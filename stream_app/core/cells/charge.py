"""The charge and the capacity of one pack, by its own cells and the current of its string.

The rules are those of the ledger of a system (``core.charge.anchors``), window by window: a window
of five minutes moves its mean current times the time since the window before, and the first window
of a rest whose median voltage tells the charge is an anchor. All numbers are whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.calendar import SLOT_MS
from stream_app.core.cells.limits import REST, STEEP_REST
from stream_app.core.cells.quantities import UV_PER_V
from stream_app.core.cells.sums import Pack, spread_without, value_of
from stream_app.core.cells.windows import Windows
from stream_app.core.charge.anchors import CREDIBLE, capacity_between, ledger_error
from stream_app.core.charge.ledger import (
    COUNTERS,
    GAPS,
    KNOWN_MS,
    METHOD,
    NET,
    PPM,
    THROUGHPUT,
    Anchor,
    Capacity,
    rated_charge,
)
from stream_app.core.charge.ocv import charge_at_rest
from stream_app.core.charge.rules import HealthRules, rules_of
from stream_app.core.daily import Why
from stream_app.core.energy import Bools, Ints
from stream_app.core.rows import NONE

CHARGE_NAMES = (
    "soc_ledger_ratio",
    "soc_ledger_error_ratio",
    "soh_ledger_ratio",
    "soh_ledger_error_ratio",
    "imbalance_v",
    "imbalance_left_out",
)
_SOC, _SOH, _IMBALANCE = CHARGE_NAMES[:2], CHARGE_NAMES[2:4], CHARGE_NAMES[4:]


class PackHealth(NamedTuple):
    """What can be told of a pack on a local day, and why the rest cannot."""

    values: Mapping[str, float]
    missing: Mapping[str, Why]


@dataclass
class ChargeDay:
    """What is known of a local day that is open, up to its newest window.

    Attributes
    ----------
    known, anchored
        Whether the current came, and whether there was an anchor before.
    soc, soh
        The ratio and its error [ppm]; or why they cannot be told.
    steep
        Whether it rested where the curve is not flat.
    rests, spread
        Windows at rest on the flat part of the curve, and the sum of their spreads [uV].
    left_out
        Most cells of such a window that were stuck, and so are not in its spread.
    """

    known: bool = False
    soc: list[int] | Why = "missing_signal"
    soh: list[int] | Why = "missing_signal"
    steep: bool = False
    rests: int = 0
    spread: int = 0
    left_out: int = 0

    @property
    def told(self) -> PackHealth:
        """As ratios and volts."""
        values: dict[str, float] = {}
        missing: dict[str, Why] = {}
        for names, found in ((_SOC, self.soc), (_SOH, self.soh)):
            if isinstance(found, str):
                missing |= dict.fromkeys(names, found)
            else:
                values |= zip(names, (each / PPM for each in found), strict=True)
        if self.rests:
            mean = self.spread / self.rests / UV_PER_V
            values |= zip(_IMBALANCE, (mean, float(self.left_out)), strict=True)
        else:
            rest: Why = "no_flat_rest" if self.steep else "no_rest"
            missing |= dict.fromkeys(_IMBALANCE, rest if self.known else "missing_signal")
        return PackHealth(values, missing)


@dataclass
class ChargeState:
    """What is remembered of a pack's charge.

    Attributes
    ----------
    end, current
        Of the newest window: its end [ms UTC], and its mean current [mA], None where it had none.
    counters
        What flowed up to there, as in ``core.charge.ledger``.
    resting, anchored
        Whether it was at rest, and whether that rest has given an anchor.
    anchor, capacity
        Newest anchor, newest measured capacity.
    days
        Local days that are open, by start [ms UTC].
    """

    end: int | None = None
    current: int | None = None
    counters: list[int] = field(default_factory=lambda: [0] * COUNTERS)
    resting: bool = False
    anchored: bool = False
    anchor: Anchor | None = None
    capacity: Capacity | None = None
    days: dict[int, ChargeDay] = field(default_factory=dict)

    def take(self, windows: Windows, regimes: Ints, stuck: Bools, battery: Battery) -> None:
        """Take closed five-minute windows (n,) of these regimes; ``stuck`` (n, cells)."""
        rules, rated = rules_of(battery), rated_charge(battery)
        counters = self._flow(windows, battery.rules.of_cells.max_gap_ms)
        rests = (regimes == REST) | (regimes == STEEP_REST)
        soc, error = _by_voltage(windows, rules)
        anchors = self._first_told(rests, soc)
        newest = np.flatnonzero(np.diff(windows.days, append=-1)).tolist()
        self._spreads(windows, regimes, stuck)
        for at in sorted({*anchors, *newest}):
            if at in anchors:
                told = int(soc[at]), int(error[at])
                self._anchor(int(windows.ends[at]), told, counters[:, at], rules)
            if at in newest:
                self._note(self.days[int(windows.days[at])], counters[:, at], rules, rated)

    def close(self, starts: Ints) -> tuple[PackHealth | None, ...]:
        """What is told of local days that are over; they are forgotten."""
        found = [self.days.pop(start, None) for start in starts.tolist()]
        return tuple(None if day is None else day.told for day in found)

    def standing(self, start: int) -> tuple[PackHealth | None, ...]:
        """That of a local day so far."""
        return (self.days[start].told if start in self.days else None,)

    def _flow(self, windows: Windows, max_gap_ms: int) -> Ints:
        """Counters (COUNTERS, n) at the end of each window."""
        pack, ends = windows.sums.pack, windows.ends
        rows = pack[Pack.CURRENT_ROWS]
        mean = pack[Pack.CURRENT_SUM] // np.maximum(rows, 1)
        steps = np.diff(ends, prepend=ends[0] if self.end is None else self.end)
        before = np.append(self.current or 0, mean[:-1])
        unknown = np.append(self.current is None, rows[:-1] == 0) | (rows == 0)
        gaps = unknown | (pack[Pack.GAPS] > 0) | (steps > SLOT_MS + max_gap_ms)
        grown = np.zeros((COUNTERS, ends.size), dtype=np.int64)
        grown[NET], grown[THROUGHPUT], grown[KNOWN_MS] = mean * steps, np.abs(mean) * steps, steps
        grown[METHOD] = np.abs(mean - before) * steps // 2
        grown[:, gaps] = 0
        grown[GAPS] = gaps
        grown[:, 0] += self.counters
        found = np.cumsum(grown, axis=1)
        self.counters, self.end = found[:, -1].tolist(), int(ends[-1])
        self.current = int(mean[-1]) if rows[-1] else None
        for day in np.unique(windows.days).tolist():
            known = bool(rows[windows.days == day].any())
            self.days.setdefault(day, ChargeDay()).known |= known
        return found

    def _first_told(self, rests: Ints, soc: Ints) -> list[int]:
        """The first window of each rest whose voltage tells the charge."""
        begins = rests & ~np.append(self.resting, rests[:-1])
        number = np.cumsum(begins)
        told = np.flatnonzero(rests & (soc != NONE))
        of_rest, first = np.unique(number[told], return_index=True)
        if self.anchored:
            first = first[of_rest != 0]
        newest = int(number[-1])
        before = self.anchored and newest == 0
        self.resting = bool(rests[-1])
        self.anchored = self.resting and (before or newest in of_rest.tolist())
        found: list[int] = told[first].tolist()
        return found

    def _anchor(self, time: int, told: tuple[int, int], counters: Ints, rules: HealthRules) -> None:
        anchor = Anchor(time, "rest", *told, counters.tolist())
        if self.anchor is not None:
            self.capacity = capacity_between(self.anchor, anchor, rules) or self.capacity
        self.anchor = anchor

    def _note(self, day: ChargeDay, counters: Ints, rules: HealthRules, rated: int) -> None:
        why = _why_not(day, rules, rated)
        day.soc = why or self._soc(counters, rules, rated)
        day.soh = why or "no_anchor"
        if why is None and self.capacity is not None:
            parts = self.capacity.charge, self.capacity.error
            day.soh = [each * PPM // rated for each in parts]

    def _soc(self, counters: Ints, rules: HealthRules, rated: int) -> list[int] | Why:
        if self.anchor is None:
            return "no_anchor"
        since = counters - np.array(self.anchor.counters, dtype=np.int64)
        if since[GAPS]:
            return "gap"
        capacity, doubt = rated, rules.capacity_error
        measured = self.capacity
        if measured and CREDIBLE[0] <= measured.charge / rated <= CREDIBLE[1]:
            capacity, doubt = measured.charge, measured.error * PPM // measured.charge
        moved = int(since[NET]) * PPM // capacity
        error = round(float(ledger_error(since, rules)) * PPM / capacity)
        return [self.anchor.soc - moved, self.anchor.error + error + abs(moved) * doubt // PPM]

    def _spreads(self, windows: Windows, regimes: Ints, stuck: Bools) -> None:
        """Those of the cells' mean deviations; a cell that is stuck measures nothing."""
        spreads, cells = spread_without(windows.sums, stuck)
        for start in np.unique(windows.days[regimes == STEEP_REST]).tolist():
            self.days[start].steep = True
        flat = (regimes == REST) & (cells > 1)
        for start in np.unique(windows.days[flat]).tolist():
            of_day = flat & (windows.days == start)
            day = self.days[start]
            day.rests += int(of_day.sum())
            day.spread += int(spreads[of_day].sum())
            day.left_out = max(day.left_out, int(stuck[of_day].sum(axis=1).max()))


def _by_voltage(windows: Windows, rules: HealthRules) -> tuple[Ints, Ints]:
    """Charge at rest of the middle cell and its error [ppm] (n,), NONE where nothing is told."""
    pack = windows.sums.pack
    none = np.full(windows.size, NONE, dtype=np.int64)
    if rules.curve is None:
        return none, none
    low, high = (value_of(pack[each]) for each in (Pack.V_MEDIAN_LOW, Pack.V_MEDIAN_HIGH))
    soc, error = charge_at_rest(rules.curve, low, high)
    known = pack[Pack.V_ROWS] > 0
    return np.where(known, soc, NONE), np.where(known, error, NONE)


def _why_not(day: ChargeDay, rules: HealthRules, rated: int) -> Why | None:
    if rules.curve is None:
        return "other_chemistry"
    if not rated:
        return "missing_rating"
    return None if day.known else "missing_signal"
