"""Absolute limits and the thermal rule, judged at every row as it comes."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.limits import CellLimits, Threshold
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, UV_PER_V, Whole
from stream_app.core.cells.watch import Change, Course, Delay, Flags, Watch, changes, sides
from stream_app.core.energy import Ints

FAST_STEP_MS = 1_500
"""The thermal rule needs data of 1 s; this leaves room for jitter."""
RISE_MDEG_PER_S = 1_000
RISE_MS = 3_000
MS_PER_S = 1_000
VOLTAGE_LEFT = 0.75
CALM_MS = 60_000
"""A thermal runaway is over when no cell has warmed so fast for so long."""


@dataclass
class Rising:
    """A cell that warms fast: since when [ms UTC], its voltage then [uV], the last such row."""

    since: int
    voltage: int
    last: int
    raised: bool = False


@dataclass
class AlarmState:
    """What is remembered between rows: the newest one, and what stands or is about to."""

    time: int | None = None
    voltage: bytes = b""
    temperature: bytes = b""
    watches: dict[str, Watch] = field(default_factory=dict)
    rising: dict[int, Rising] = field(default_factory=dict)


def alarms(
    state: AlarmState,
    pack: str,
    limits: CellLimits,
    max_gap_ms: int,
    times: Ints,
    voltage: Whole,
    temperature: Whole,
) -> list[tuple[int, CellFinding]]:
    """What rows (n, cells) began and ended, each with the place of its row."""
    before = times[:1] if state.time is None else np.array([state.time], dtype=np.int64)
    steps = np.diff(times, prepend=before)
    low, high = _range(voltage)
    course = Course(times, times, steps > max_gap_ms)
    found: list[tuple[int, CellFinding]] = []
    for threshold in limits.thresholds:
        watch = state.watches.get(threshold.rule)
        beyond = high >= threshold.limit if threshold.above else low <= threshold.limit
        if not beyond and watch is None:
            continue
        watch = watch or Watch()
        found += _judged(watch, pack, threshold, course, voltage)
        _keep(state.watches, threshold.rule, watch)
    found += _thermal(state, pack, limits, times, steps, voltage, temperature)
    state.time = int(times[-1])
    state.voltage, state.temperature = voltage[-1].tobytes(), temperature[-1].tobytes()
    return found


def _keep(watches: dict[str, Watch], rule: str, watch: Watch) -> None:
    """Remember a watch that has something to remember, in an order that does not tell when."""
    watches.pop(rule, None)
    if watch:
        watches[rule] = watch
        ordered = dict(sorted(watches.items()))
        watches.clear()
        watches.update(ordered)


def _range(voltage: Whole) -> tuple[int, int]:
    low, high = int(voltage.min()), int(voltage.max())
    if low == MISSING:
        low = int(voltage.min(where=voltage != MISSING, initial=high))
    return low, high


def _judged(
    watch: Watch, pack: str, threshold: Threshold, course: Course, voltage: Whole
) -> list[tuple[int, CellFinding]]:
    known = voltage != MISSING
    if threshold.above:
        side = sides(voltage >= threshold.limit, (voltage < threshold.back) & known)
    else:
        side = sides((voltage <= threshold.limit) & known, voltage > threshold.back)
    delay = Delay(threshold.delay_ms, threshold.delay_ms)

    def finding(change: Change) -> CellFinding:
        value = int(voltage[change.row, change.cell])
        limit = threshold.limit if change.raised else threshold.back
        return CellFinding(
            pack,
            change.cell + 1,
            threshold.rule,
            change.raised,
            int(course.times[change.row]),
            change.since,
            value / UV_PER_V,
            limit / UV_PER_V,
            "V",
        )

    return [(each.row, finding(each)) for each in changes(watch, side, course, delay)]


def _thermal(
    state: AlarmState,
    pack: str,
    limits: CellLimits,
    times: Ints,
    steps: Ints,
    voltage: Whole,
    temperature: Whole,
) -> list[tuple[int, CellFinding]]:
    """Thermal runaway after GB 38031-2020, appendix C.

    A cell warms by 1 degC/s or more for more than 3 s, and has lost more than a quarter of the
    voltage that it had when that began or is at the maker's maximum temperature.
    """
    evaluable = (steps > 0) & (steps <= FAST_STEP_MS)
    if not state.rising and not evaluable.any():
        return []
    warmth = _after(state.temperature, temperature)
    rise = (warmth[1:] - warmth[:-1]) * MS_PER_S
    fast = evaluable[:, None] & (rise >= RISE_MDEG_PER_S * steps[:, None])
    if not state.rising and not fast.any():
        return []
    known = (warmth[1:] != MISSING) & (warmth[:-1] != MISSING)
    seen = _Seen(times, steps, fast & known, np.where(known, rise, 0), warmth[1:])
    volts = _after(state.voltage, voltage)
    found: list[tuple[int, CellFinding]] = []
    for cell in sorted({*_lasting(seen.fast), *state.rising}):
        rising, turns = _run(state.rising.pop(cell, None), limits, seen, volts[:, cell], cell)
        if rising is not None:
            state.rising[cell] = rising
        found += [(row, _runaway(pack, cell, each, seen, row)) for row, each in turns]
    state.rising = dict(sorted(state.rising.items()))
    return found


class _Seen(NamedTuple):
    """Rows (n,) and their cells (n, cells): which warm fast, rise [m degC/s x ms], m degC."""

    times: Ints
    steps: Ints
    fast: Flags
    rise: Ints
    warmth: Ints


def _run(
    rising: Rising | None, limits: CellLimits, seen: _Seen, volts: Ints, cell: int
) -> tuple[Rising | None, list[tuple[int, Rising]]]:
    """Follow one cell; ``volts`` (n + 1,) begin with the row before. Gives where it turned."""
    turns: list[tuple[int, Rising]] = []
    rows = zip(seen.times.tolist(), seen.fast[:, cell].tolist(), strict=True)
    for row, (time, is_fast) in enumerate(rows):
        if is_fast:
            rising = rising or Rising(time - int(seen.steps[row]), int(volts[row]), time)
            rising.last = time
            warmth = int(seen.warmth[row, cell])
            if not rising.raised and _runs_away(rising, limits, time, int(volts[row + 1]), warmth):
                rising.raised = True
                turns.append((row, replace(rising)))
        elif rising is not None and not (rising.raised and time - rising.last < CALM_MS):
            turns += [(row, rising)] if rising.raised else []
            rising = None
    return rising, turns


def _lasting(fast: Flags) -> list[int]:
    """Cells that warm fast in the last row, or in three rows on end: fewer take at most 3 s."""
    three = fast[2:] & fast[1:-1] & fast[:-2]
    cells: list[int] = np.flatnonzero(fast[-1] | three.any(axis=0)).tolist()
    return cells


def _after(last: bytes, rows: Whole) -> Ints:
    """Rows (n, cells) after the one before them; the first again where there is none."""
    before = np.frombuffer(last, dtype=np.int32)[None] if last else rows[:1]
    return np.concatenate((before, rows)).astype(np.int64)


def _runs_away(rising: Rising, limits: CellLimits, time: int, voltage: int, warmth: int) -> bool:
    if time - rising.since <= RISE_MS:
        return False
    most = limits.temperature_max_mdeg
    too_warm = most is not None and warmth >= most
    known = MISSING not in (voltage, rising.voltage)
    return too_warm or (known and voltage < VOLTAGE_LEFT * rising.voltage)


def _runaway(pack: str, cell: int, rising: Rising, seen: _Seen, row: int) -> CellFinding:
    time, step = int(seen.times[row]), max(int(seen.steps[row]), 1)
    return CellFinding(
        pack,
        cell + 1,
        "THERMAL_RUNAWAY",
        rising.last == time,
        time,
        rising.since,
        float(seen.rise[row, cell]) / step / MDEG_PER_DEG,
        RISE_MDEG_PER_S / MDEG_PER_DEG,
        "degC/s",
    )
