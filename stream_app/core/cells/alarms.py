"""Absolute limits of cells, judged at every row as it comes; the thermal rule beside them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stream_app.core.cells.critical import Peak
from stream_app.core.cells.findings import CellFinding, CellRule
from stream_app.core.cells.limits import CellLimits, Threshold
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, UV_PER_V, Whole
from stream_app.core.cells.sums import Cell, value_of
from stream_app.core.cells.thermal import ThermalState, runaways
from stream_app.core.cells.windows import Windows
from stream_app.core.energy import Bools, Ints
from stream_app.core.watch import Change, Course, Delay, Measure, Watch, changes, sides

PER_UNIT: dict[Literal["V", "degC"], int] = {"V": UV_PER_V, "degC": MDEG_PER_DEG}


_EXTREMES = {
    ("V", True): Cell.V_HIGH,
    ("V", False): Cell.V_LOW,
    ("degC", True): Cell.T_HIGH,
    ("degC", False): Cell.T_LOW,
}


@dataclass
class AlarmState:
    """What is remembered between rows: what stands or is about to."""

    watches: dict[CellRule, Watch] = field(default_factory=dict)
    thermal: ThermalState = field(default_factory=ThermalState)


def alarms(
    state: AlarmState,
    pack: str,
    limits: CellLimits,
    max_gap_ms: int,
    times: Ints,
    voltage: Whole,
    temperature: Whole,
    charging: Ints,
) -> list[tuple[int, CellFinding]]:
    """What rows (n, cells) began and ended, each with the place of its row.

    Parameters
    ----------
    charging
        (n,) 1 where the string charges, 0 where it does not, MISSING where it is not known.
    """
    course = Course(times, times, max_gap_ms)
    values = {"V": voltage, "degC": temperature}
    ranges = {unit: _range(matrix) for unit, matrix in values.items()}
    found: list[tuple[int, CellFinding]] = []
    for threshold in limits.thresholds:
        watch = state.watches.get(threshold.rule)
        low, high = ranges[threshold.unit]
        beyond = high >= threshold.limit if threshold.above else low <= threshold.limit
        if not beyond and watch is None:
            continue
        watch = watch or Watch()
        found += _judged(watch, pack, threshold, course, values[threshold.unit], charging)
        _keep(state.watches, threshold.rule, watch)
    return found + runaways(state.thermal, pack, limits, times, voltage, temperature)


def peaks(limits: CellLimits, windows: Windows) -> Iterator[tuple[int, Peak]]:
    """How far values went beyond limits, with the place of the window (n,)."""
    for threshold in limits.thresholds:
        per_unit, extreme = PER_UNIT[threshold.unit], _EXTREMES[threshold.unit, threshold.above]
        # Where there is no value the key of a highest is the lowest, and the other way round.
        values = value_of(windows.sums.cells[extreme])
        beyond = values >= threshold.limit if threshold.above else values <= threshold.limit
        for place, cell in np.argwhere(beyond).tolist() if beyond.any() else ():
            value, start = int(values[place, cell]), int(windows.starts[place])
            limit = threshold.limit / per_unit
            yield place, Peak(cell + 1, threshold.rule, value / per_unit, limit, start)


def _keep(watches: dict[CellRule, Watch], rule: CellRule, watch: Watch) -> None:
    """Remember a watch that has something to remember, in an order that does not tell when."""
    watches.pop(rule, None)
    if watch:
        watches[rule] = watch
        ordered = dict(sorted(watches.items()))
        watches.clear()
        watches.update(ordered)


def _range(values: Whole) -> tuple[int, int]:
    low, high = int(values.min()), int(values.max())
    if low == MISSING:
        low = int(values.min(where=values != MISSING, initial=np.iinfo(np.int32).max))
    return low, high


def _judged(
    watch: Watch,
    pack: str,
    threshold: Threshold,
    course: Course,
    values: Whole,
    charging: Ints,
) -> list[tuple[int, CellFinding]]:
    per_unit = PER_UNIT[threshold.unit]

    def finding(change: Change) -> CellFinding:
        limit = threshold.limit if change.raised else threshold.back
        return CellFinding(
            pack,
            change.cell + 1,
            threshold.rule,
            change.raised,
            int(course.times[change.row]),
            change.since,
            int(values[change.row, change.cell]) / per_unit,
            limit / per_unit,
            threshold.unit,
            worst=change.worst,
        )

    found = threshold_changes(watch, threshold, course, values, charging)
    return [(each.row, finding(each)) for each in found]


def threshold_changes(
    watch: Watch, threshold: Threshold, course: Course, values: Whole, charging: Ints
) -> list[Change]:
    """What rows (n, cells) began and ended of one limit; ``watch`` goes on from there."""
    delay = Delay(threshold.delay_ms, threshold.delay_ms)
    per_unit = PER_UNIT[threshold.unit]
    limits = np.broadcast_to(threshold.limit / per_unit, values.shape)
    measure = Measure(values / per_unit, limits)
    return changes(watch, sides(*_sides(threshold, values, charging)), course, delay, measure)


def _sides(threshold: Threshold, values: Whole, charging: Ints) -> tuple[Bools, Bools, Bools]:
    """Which values are beyond the limit, behind the one that ends it, and known; (n, cells)."""
    known = values != MISSING
    if threshold.above:
        beyond, back = values >= threshold.limit, values < threshold.back
    else:
        beyond, back = values <= threshold.limit, values > threshold.back
    if threshold.charging:
        beyond = beyond & (charging == 1)[:, None]
        back = back | (charging == 0)[:, None]
        known = known & (charging != MISSING)[:, None]
    return beyond, back, known
