"""Limits of cells, judged by the extremes that a system tells where it has no packs of cells.

Rules, limits and delays are those of cells; a system with packs is judged by its cells alone. No
signal tells of the coldest cell, so cells that are too cold are not seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.cells.alarms import PER_UNIT, threshold_changes
from stream_app.core.cells.evaluability import Indicator
from stream_app.core.cells.limits import CellLimits, Threshold, ThresholdRule, limits_of
from stream_app.core.cells.quantities import MISSING, Whole
from stream_app.core.energy import Ints
from stream_app.core.health.columns import HIGHEST, LOWEST, SIGNALS, WARMEST
from stream_app.core.rows import NONE, REFUSED, Rows
from stream_app.core.watch import Course, Watch, Worst

LimitIndicator = Literal["over_volt", "under_volt", "over_temp", "under_temp"]
SystemReason = Literal["evaluable", "missing_signal", "no_limits", "no_cells"]
EVALUABLE: SystemReason = "evaluable"
_PLACES: dict[tuple[str, bool], int] = {
    ("V", True): HIGHEST,
    ("V", False): LOWEST,
    ("degC", True): WARMEST,
}
"""Which signal is judged by a limit of a unit, upper or lower."""
OF_INDICATOR: dict[LimitIndicator, str | None] = {
    "over_volt": SIGNALS[HIGHEST].name,
    "under_volt": SIGNALS[LOWEST].name,
    "over_temp": SIGNALS[WARMEST].name,
    "under_temp": None,
}
"""The signal that limits are judged by; no signal tells of the coldest cell."""
_NOT_OF_CELLS: set[Indicator] = {"voltage_limits", "temperature_limits", "rest"}
"""Told by indicators of the system, or by its health."""


@dataclass(frozen=True)
class LimitChange:
    """A signal of extremes went beyond a limit of cells, or is back; times in ms UTC.

    ``judged``: False where it ended because it is judged no more; ``value`` is then the
    worst one. ``worst``: of what ended, the value furthest beyond its limit, and that limit.
    """

    signal: str
    rule: ThresholdRule
    raised: bool
    time: int
    since: int
    value: float
    limit: float
    unit: Literal["V", "degC"]
    judged: bool = True
    worst: Worst | None = None


def judged_extremes(battery: Battery | None) -> CellLimits | None:
    """Limits by which the extremes of a system are judged; None where they are not."""
    return None if battery is None or battery.packs else limits_of(battery)


def fold_extremes(
    watches: dict[ThresholdRule, Watch], battery: Battery, rows: Rows
) -> list[LimitChange]:
    """Changes in order of time; ``watches`` remembers what stands or is about to."""
    limits, found = judged_extremes(battery), list[LimitChange]()
    # Only limits of the coldest cell ask for it.
    charging = np.full(rows.times.size, MISSING, dtype=np.int64)
    for threshold in limits.thresholds if limits else ():
        place = _PLACES.get((threshold.unit, threshold.above))
        if place is None:
            continue
        watch, name = watches.pop(threshold.rule, None) or Watch(), SIGNALS[place].name
        gap_ms = battery.rules.signal_gaps_ms.get(name, battery.rules.max_gap_ms)
        column, per_unit = _whole(rows.values[:, place]), PER_UNIT[threshold.unit]
        course = Course(rows.times, rows.times, gap_ms)
        for each in threshold_changes(watch, threshold, course, column, charging):
            limit = threshold.limit if each.raised else threshold.back
            value, time = int(column[each.row, 0]) / per_unit, int(rows.times[each.row])
            told = each.raised, time, each.since, value, limit / per_unit
            found.append(LimitChange(name, threshold.rule, *told, threshold.unit, worst=each.worst))
        if watch:
            watches[threshold.rule] = watch
    # Equal states have equal bytes, however rows came.
    kept = sorted(watches.items())
    watches.clear()
    watches.update(kept)
    return sorted(found, key=lambda change: change.time)


def drop_extremes(
    watches: dict[ThresholdRule, Watch],
    before: CellLimits | None,
    now: CellLimits | None,
    time: int,
) -> list[LimitChange]:
    """End what stands if it is judged by other limits from now on, or by none."""
    if before is None or before == now:
        return []
    found = [
        _dropped(threshold, watches[threshold.rule], cell, time)
        for threshold in before.thresholds
        if threshold.rule in watches
        for cell in watches[threshold.rule].active
    ]
    watches.clear()
    return found


def evaluable_limits(battery: Battery, came: Iterable[str]) -> Mapping[str, SystemReason]:
    """Whether limits and what is told of cells can be, of a system without packs.

    Parameters
    ----------
    came
        Signals of the system that have values.
    """
    known, limits = set(came), limits_of(battery)
    found: dict[str, SystemReason] = {}
    for indicator, signal in OF_INDICATOR.items():
        there: SystemReason = EVALUABLE if signal in known else "missing_signal"
        found[indicator] = there if limits else "no_limits"
    others = (each for each in get_args(Indicator) if each not in _NOT_OF_CELLS)
    for each in others:
        found[each] = "no_cells"
    return found


def _dropped(threshold: Threshold, watch: Watch, cell: int, time: int) -> LimitChange:
    place, worst = _PLACES[threshold.unit, threshold.above], watch.worst[cell]
    told = False, time, watch.active[cell], *worst, threshold.unit, False, worst
    return LimitChange(SIGNALS[place].name, threshold.rule, *told)


def _whole(values: Ints) -> Whole:
    """Of one column (n,), (n, 1)."""
    known = (values != NONE) & (values != REFUSED)
    return np.where(known, values, MISSING).astype(np.int32)[:, np.newaxis]
