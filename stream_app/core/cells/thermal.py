"""Thermal runaway after GB 38031-2020, appendix C, as far as rows about a second apart show it.

A cell warms by 1 degC/s or more for more than 3 s, and has lost more than a quarter of the voltage
that it had before, or is at the highest temperature that makers allow.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.limits import CellLimits
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, Whole
from stream_app.core.energy import Bools, Ints
from stream_app.core.watch import Worst

APART_MS = 500
"""Of the rows in each half second the first is looked at."""
LAG_MS, LONGEST_LAG_MS = 2_000, 4_000
"""A rise is that since 2 s ago, so that sensors that are read every other second, and single rows
that were lost, do not interrupt it. One step up shows for 2 s only, which is too short to count."""
FEWEST_ROWS = 3
"""In the last 4 s: four come at 1 s, three if one is lost, two at 2 s."""
FAST_STEP_MS = 1_500
"""The longest time between rows that come so often."""
RISE_MDEG_PER_S = 1_000
RISE_MS = 3_000
MS_PER_S = 1_000
VOLTAGE_LEFT = 0.75
CALM_MS = 60_000
"""A thermal runaway is over when no cell has warmed so fast for so long."""
BEFORE_MS = 300_000
"""The voltage before is the highest in these five minutes and the five before them."""


@dataclass
class Rising:
    """A cell that warms fast.

    Attributes
    ----------
    since, began, last
        The row before the first such row, that row, and the newest [ms UTC].
    voltage
        What it had before [uV].
    rise
        The fastest since [m degC/s].
    """

    since: int
    began: int
    last: int
    voltage: int
    raised: bool = False
    rise: int = 0

    @property
    def worst(self) -> Worst:
        """Fastest rise and limit [degC/s]."""
        return Worst(self.rise / MDEG_PER_DEG, RISE_MDEG_PER_S / MDEG_PER_DEG)


@dataclass
class ThermalState:
    """What is remembered between rows.

    Attributes
    ----------
    times, warmth
        Rows of the last 4 s: ms UTC, and temperatures [m degC], the one before where there is none.
    slot, highest, before
        The newest five minutes, and the highest voltages in them and in those before [uV].
    rising
        Cells that warm fast; counted from 0.
    """

    times: list[int] = field(default_factory=list)
    warmth: bytes = b""
    slot: int = 0
    highest: bytes = b""
    before: bytes = b""
    rising: dict[int, Rising] = field(default_factory=dict)


class _Seen(NamedTuple):
    """Rows (n,) with the one before, and their cells (n, cells): which warm fast, and how fast."""

    times: Ints
    earlier: Ints
    fast: Bools
    rise: Ints


def runaways(
    state: ThermalState,
    pack: str,
    limits: CellLimits,
    times: Ints,
    voltage: Whole,
    temperature: Whole,
) -> list[tuple[int, CellFinding]]:
    """What rows (n, cells) began and ended, each with the place of its row."""
    places = _looked_at(state, times)
    if places.size < times.size:
        times, voltage, temperature = times[places], voltage[places], temperature[places]
    if not places.size:
        return []
    every = np.concatenate((np.array(state.times, dtype=np.int64), times))
    warmth = _filled(state.warmth, temperature)
    found: list[tuple[int, CellFinding]] = []
    if state.rising or _may_rise(warmth):
        seen = _seen(every, warmth, times.size)
        turns = _followed(state, limits, seen, voltage, warmth[-times.size :])
        found = [
            (int(places[row]), _runaway(pack, cell, each, seen, row)) for row, cell, each in turns
        ]
    _remember(state, every, warmth, times, voltage)
    return found


def _followed(
    state: ThermalState, limits: CellLimits, seen: _Seen, voltage: Whole, warmth: Whole
) -> list[tuple[int, int, Rising]]:
    """Rows and cells where a thermal runaway began or ended."""
    found = []
    for cell in sorted({*_lasting(seen.fast), *state.rising}):
        rising, past = state.rising.pop(cell, None), _Voltages.of(state, cell)
        rows = zip(
            *(each.tolist() for each in (seen.times, seen.earlier, seen.fast[:, cell])),
            voltage[:, cell].tolist(),
            warmth[:, cell].tolist(),
            seen.rise[:, cell].tolist(),
            strict=True,
        )
        rising, turns = _run(rising, past, limits, rows)
        if rising is not None:
            state.rising[cell] = rising
        found += [(row, cell, each) for row, each in turns]
    state.rising = dict(sorted(state.rising.items()))
    return found


def _looked_at(state: ThermalState, times: Ints) -> Ints:
    slots, new = times // APART_MS, np.ones(times.size, dtype=np.bool_)
    np.not_equal(slots[1:], slots[:-1], out=new[1:])
    new[0] = not state.times or state.times[-1] // APART_MS != slots[0]
    found: Ints = new.nonzero()[0]
    return found


def _filled(before: bytes, rows: Whole) -> Whole:
    """The rows before and these (n, cells), with the last known value where there is none."""
    every = np.concatenate((np.frombuffer(before, dtype=np.int32).reshape(-1, rows.shape[1]), rows))
    if every.min() != MISSING:
        return every
    known = every != MISSING
    newest = np.where(known, np.arange(every.shape[0])[:, None], 0)
    found: Whole = np.take_along_axis(every, np.maximum.accumulate(newest, axis=0), axis=0)
    return found


def _may_rise(warmth: Whole) -> bool:
    """Whether any cell has changed by what warming fast for 2 s takes: most blocks have none."""
    change = warmth.max(axis=0).astype(np.int64) - warmth.min(axis=0)
    return bool(change.max() * MS_PER_S >= RISE_MDEG_PER_S * LAG_MS)


def _seen(every: Ints, warmth: Whole, size: int) -> _Seen:
    """The last ``size`` rows beside those about 2 s before them."""
    places = np.arange(every.size - size, every.size)
    times = every[places]
    lagging = np.searchsorted(every, times - LAG_MS, side="right") - 1
    recent = places - np.searchsorted(every, times - LONGEST_LAG_MS, side="right") + 1
    earlier = np.maximum(lagging, 0)
    lag = times - every[earlier]
    judged = (lagging >= 0) & (lag <= LONGEST_LAG_MS) & (recent >= FEWEST_ROWS)
    previous = every[np.maximum(places - 1, 0)]
    if not judged.any():
        nothing = np.zeros((size, warmth.shape[1]), dtype=np.int64)
        return _Seen(times, previous, nothing > 0, nothing)
    now, then = warmth[places].astype(np.int64), warmth[earlier]
    known = judged[:, None] & (now != MISSING) & (then != MISSING)
    change = np.where(known, now - then, 0) * MS_PER_S
    fast = known & (change >= RISE_MDEG_PER_S * lag[:, None])
    return _Seen(times, previous, fast, change // np.maximum(lag, 1)[:, None])


def _lasting(fast: Bools) -> list[int]:
    """Cells that warm fast in the last row, or in three rows on end: fewer take at most 3 s."""
    three = fast[2:] & fast[1:-1] & fast[:-2]
    cells: list[int] = np.flatnonzero(fast[-1] | three.any(axis=0)).tolist()
    return cells


@dataclass
class _Voltages:
    """The highest voltage of a cell in the newest five minutes, and in those before [uV]."""

    slot: int
    highest: int
    before: int

    @classmethod
    def of(cls, state: ThermalState, cell: int) -> "_Voltages":
        if not state.highest:
            return cls(0, MISSING, MISSING)
        both = (np.frombuffer(each, dtype=np.int32) for each in (state.highest, state.before))
        return cls(state.slot, *(int(each[cell]) for each in both))

    def take(self, time: int, voltage: int) -> None:
        slot = time // BEFORE_MS
        if slot != self.slot:
            self.before = self.highest if slot == self.slot + 1 else MISSING
            self.slot, self.highest = slot, MISSING
        self.highest = max(self.highest, voltage)


def _run(
    rising: Rising | None,
    past: _Voltages,
    limits: CellLimits,
    rows: Iterable[tuple[int, int, bool, int, int, int]],
) -> tuple[Rising | None, list[tuple[int, Rising]]]:
    """Follow one cell; gives what it does at the end, and the rows where it turned.

    Rows are times with those of the row before [ms UTC], whether it warms fast, uV, m degC, and
    the rise in m degC/s.
    """
    turns: list[tuple[int, Rising]] = []
    for row, (time, earlier, is_fast, voltage, warm, rise) in enumerate(rows):
        past.take(time, voltage)
        if is_fast:
            most = max(past.highest, past.before)
            rising = rising or Rising(earlier, time, time, most)
            rising.last, rising.rise = time, max(rising.rise, rise)
            if not rising.raised and _runs_away(rising, limits, time, voltage, warm):
                rising.raised = True
                turns.append((row, replace(rising)))
        elif rising is not None and not (rising.raised and time - rising.last < CALM_MS):
            turns += [(row, rising)] if rising.raised else []
            rising = None
    return rising, turns


def _runs_away(rising: Rising, limits: CellLimits, time: int, voltage: int, warmth: int) -> bool:
    if time - rising.began <= RISE_MS:
        return False
    most = limits.temperature_max_mdeg
    too_warm = most is not None and warmth >= most
    known = MISSING not in (voltage, rising.voltage)
    return too_warm or (known and voltage < VOLTAGE_LEFT * rising.voltage)


def _runaway(pack: str, cell: int, rising: Rising, seen: _Seen, row: int) -> CellFinding:
    time = int(seen.times[row])
    raised = rising.last == time
    return CellFinding(
        pack,
        cell + 1,
        "THERMAL_RUNAWAY",
        raised,
        time,
        rising.since,
        int(seen.rise[row, cell]) / MDEG_PER_DEG,
        RISE_MDEG_PER_S / MDEG_PER_DEG,
        "degC/s",
        worst=None if raised else rising.worst,
    )


def _remember(state: ThermalState, every: Ints, warmth: Whole, times: Ints, voltage: Whole) -> None:
    first = int(np.searchsorted(every, every[-1] - LONGEST_LAG_MS, side="right"))
    state.times, state.warmth = every[first:].tolist(), warmth[first:].tobytes()
    slots = times // BEFORE_MS
    slot = int(slots[-1])
    if slots[0] == slot == state.slot and state.highest:
        state.highest = _highest(state, slots, voltage, slot).tobytes()
        return
    highest, before = (_highest(state, slots, voltage, each) for each in (slot, slot - 1))
    state.slot, state.highest, state.before = slot, highest.tobytes(), before.tobytes()


def _highest(state: ThermalState, slots: Ints, voltage: Whole, slot: int) -> Whole:
    """Highest voltages (cells,) in five minutes, of these rows and of those before."""
    first, last = np.searchsorted(slots, slot), np.searchsorted(slots, slot, side="right")
    found: Whole = voltage[first:last].max(axis=0, initial=MISSING)
    known = {state.slot: state.highest, state.slot - 1: state.before}.get(slot)
    return np.maximum(found, np.frombuffer(known, dtype=np.int32)) if known else found
