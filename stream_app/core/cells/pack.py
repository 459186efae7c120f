"""Rows of one pack into windows: the state of a pack, and how rows change it."""

from dataclasses import dataclass, field, replace

import numpy as np

from stream_app.core.battery import BatteryRules
from stream_app.core.calendar import RESOLUTIONS_MS, SiteCalendar, spans
from stream_app.core.cells.alarms import AlarmState
from stream_app.core.cells.anomalies import AnomalyState
from stream_app.core.cells.charge import ChargeState
from stream_app.core.cells.critical import CriticalState
from stream_app.core.cells.evaluability import EvaluableState
from stream_app.core.cells.histogram import histogram_of
from stream_app.core.cells.influence import InfluenceState
from stream_app.core.cells.messages import CellWindows
from stream_app.core.cells.quantities import MISSING, Whole, steps_of
from stream_app.core.cells.rows import RowClock, Rows
from stream_app.core.cells.sums import Block, sums_of
from stream_app.core.cells.windows import OpenWindow, Windows, advance, standing
from stream_app.core.energy import Ints
from stream_app.core.resolutions import (
    DAY,
    SLOT,
    Shown,
    close_all,
    closed_revisions,
    standing_revision,
)
from stream_app.core.stale import Stale

TOGETHER = 16
"""Rows of a slot that are added up together where they come one by one: a sixteenth of the work."""
MOST_RISE = 1_000_000_000
"""m degC/s: a wild value in a step of 1 ms stays within int32."""


@dataclass
class HotPack:
    """What changes with every row of a pack.

    Attributes
    ----------
    clock
        Which rows are folded.
    end, rows
        End of the five-minute slot of the newest row [ms UTC], and the rows in it so far.
    alarms
        What is judged at every row.
    times, waiting
        The last rows of that slot, fewer than ``TOGETHER``, which are not yet in its sums.
    stale
        Whether rows are missing.
    """

    clock: RowClock = field(default_factory=RowClock)
    end: int = 0
    rows: int = 0
    alarms: AlarmState = field(default_factory=AlarmState)
    times: list[int] = field(default_factory=list)
    waiting: bytes = b""
    stale: Stale = field(default_factory=Stale)


@dataclass(frozen=True, eq=False)
class WarmPack:
    """What changes with every ``TOGETHER`` rows, and when the slot closes.

    It is replaced, never changed: the same object is the same state.

    Attributes
    ----------
    last_time, last_row
        The newest row in the sums; none before the first.
    slot
        The open five-minute window, as far as it has sums.
    """

    last_time: int | None = None
    last_row: bytes = b""
    slot: OpenWindow | None = None


@dataclass
class ColdPack:
    """What changes only when a five-minute window of the pack closes, or the data ends.

    Attributes
    ----------
    windows
        Open window of each longer resolution, without the open five-minute window.
    published
        What an end of data published of the open windows.
    anomalies
        What is judged at every closed five-minute window.
    critical
        The table of critical cells.
    evaluable
        What the windows could support.
    influence
        How temperatures went with those beside them.
    charge
        Charge and capacity by voltage and current.
    """

    windows: dict[str, OpenWindow] = field(default_factory=dict)
    published: Shown = field(default_factory=dict)
    anomalies: AnomalyState = field(default_factory=AnomalyState)
    critical: CriticalState = field(default_factory=CriticalState)
    evaluable: EvaluableState = field(default_factory=EvaluableState)
    influence: InfluenceState = field(default_factory=InfluenceState)
    charge: ChargeState = field(default_factory=ChargeState)


@dataclass
class PackState:
    """A pack: the number of its cells, and what is remembered of them."""

    cells: int
    hot: HotPack = field(default_factory=HotPack)
    warm: WarmPack = field(default_factory=WarmPack)
    cold: ColdPack = field(default_factory=ColdPack)


def width(cells: int) -> int:
    """Numbers of a row: voltages, temperatures, current, SOC."""
    return 2 * cells + 2


def fold_rows(
    state: PackState, zone: SiteCalendar, rules: BatteryRules, times: Ints, rows: Rows
) -> list[tuple[str, Windows]]:
    """Fold rows that follow the newest one; gives the windows that they closed, by resolution."""
    hot, now = state.hot, int(times[-1])
    if now < hot.end and hot.rows % TOGETHER + times.size < TOGETHER:
        _wait(hot, times, rows)
        hot.rows += times.size
        return []
    added = hot.rows - len(hot.times)
    times, rows = _with_waiting(hot, times, rows)
    _, starts, ends = spans(zone, SLOT, times)
    newest = times.size - int(np.searchsorted(starts, starts[-1]))
    hot.rows = newest + (added if ends[-1] == hot.end else 0)
    hot.end = int(ends[-1])
    due = times.size - min(hot.rows % TOGETHER, newest)
    _wait(hot, times[due:], rows[due:])
    return _fold(state, zone, rules, times[:due], rows[:due], now)


def flush(state: PackState, zone: SiteCalendar, rules: BatteryRules) -> None:
    """Add up the rows that wait; they lie in the open window, so none closes."""
    none = np.empty(0, dtype=np.int64), np.empty((0, width(state.cells)), dtype=np.int32)
    times, rows = _with_waiting(state.hot, *none)
    if times.size:
        _fold(state, zone, rules, times, rows, int(times[-1]))


def newest_row(state: PackState) -> Whole | None:
    """The newest row: voltages [uV], temperatures [m degC], current, SOC; MISSING: no value."""
    last = state.hot.waiting or state.warm.last_row
    size = width(state.cells)
    return np.frombuffer(last, dtype=np.int32)[-size:] if last else None


def _wait(hot: HotPack, times: Ints, rows: Rows) -> None:
    hot.times += times.tolist()
    hot.waiting += rows.tobytes()


def _with_waiting(hot: HotPack, times: Ints, rows: Rows) -> tuple[Ints, Rows]:
    if not hot.times:
        return times, rows
    waited = np.frombuffer(hot.waiting, dtype=np.int32).reshape(len(hot.times), -1)
    times = np.concatenate((np.array(hot.times, dtype=np.int64), times))
    hot.times, hot.waiting = [], b""
    return times, np.concatenate((waited, rows))


def _fold(
    state: PackState,
    zone: SiteCalendar,
    rules: BatteryRules,
    times: Ints,
    rows: Rows,
    now: int,
) -> list[tuple[str, Windows]]:
    warm, fresh = state.warm, None
    if times.size:
        days, starts, ends = spans(zone, SLOT, times)
        block = _block(warm, state.cells, rules, times, times - days, rows)
        fresh = _slots(block, days, starts, ends)
        warm = WarmPack(int(times[-1]), rows[-1].tobytes(), warm.slot)
    closed, slot = advance(warm.slot, fresh, now)
    state.warm = replace(warm, slot=slot)
    if closed is None:
        return []
    return close_all(state.cold.windows, closed, zone, now, advance)


def _slots(block: Block, days: Ints, starts: Ints, ends: Ints) -> Windows:
    first = np.flatnonzero(np.diff(starts, prepend=-1))
    sums, histogram = sums_of(block, first), histogram_of(block.voltage, first)
    return Windows(starts[first], ends[first], days[first], sums, histogram)


def _block(
    warm: WarmPack, cells: int, rules: BatteryRules, times: Ints, offsets: Ints, rows: Rows
) -> Block:
    steps = steps_of(times, warm.last_time)
    gaps = (steps > rules.max_gap_ms).astype(np.int64)
    steps[gaps > 0] = 0
    warmth = rows[:, cells : 2 * cells]
    last = np.frombuffer(warm.last_row, dtype=np.int32)[None, cells : 2 * cells]
    rise = _rises(np.concatenate((last if last.size else warmth[:1], warmth)), steps)
    current, soc = rows[:, 2 * cells], rows[:, 2 * cells + 1]
    return Block(times, offsets, steps, gaps, rows[:, :cells], warmth, rise, current, soc)


def publish(state: PackState, pack: str, resolution: str, windows: Windows) -> CellWindows:
    """Closed windows, and of days what their five-minute windows came to."""
    cold, starts = state.cold, windows.starts
    revisions = closed_revisions(cold.published, resolution, windows)
    found = _result(pack, resolution, windows, revisions, final=True)
    if resolution != DAY:
        return found
    told, influence = cold.evaluable.close(starts), cold.influence.close(starts)
    charge = cold.charge.close(starts)
    return replace(found, evaluable=told, influence=influence, charge=charge)


def preview(state: PackState, pack: str, zone: SiteCalendar) -> list[CellWindows]:
    """The open windows as they stand, as far as they have not been published so."""
    slot = state.warm.slot
    if slot is None:
        return []
    every = [_standing(state, pack, each, slot, zone) for each in RESOLUTIONS_MS]
    return [each for each in every if each is not None]


def _standing(
    state: PackState, pack: str, resolution: str, slot: OpenWindow, zone: SiteCalendar
) -> CellWindows | None:
    cold = state.cold
    window = None if resolution == SLOT else cold.windows.get(resolution)
    windows = standing(window, slot, resolution, zone)
    revision = standing_revision(cold.published, resolution, windows)
    if revision is None:
        return None
    found, start = _result(pack, resolution, windows, revision, final=False), int(windows.starts[0])
    if resolution != DAY:
        return found
    told, influence = cold.evaluable.standing(start), cold.influence.standing(start, state.cells)
    charge = cold.charge.standing(start)
    return replace(found, evaluable=told, influence=influence, charge=charge)


def _result(
    pack: str, resolution: str, windows: Windows, revisions: Ints, *, final: bool
) -> CellWindows:
    p1, p99 = windows.histogram.percentiles(windows.size, (1, 99))
    return CellWindows(
        pack,
        resolution,
        windows.starts,
        windows.ends,
        windows.days,
        revisions,
        final,
        windows.sums,
        p1,
        p99,
    )


def _rises(warmth: Whole, steps: Ints) -> Whole:
    """Rise rates [m degC/s] of n + 1 rows over n steps [ms]; a step of 0 is not known."""
    rate = np.subtract(warmth[1:], warmth[:-1], dtype=np.float64)
    rate *= 1000
    rate /= np.maximum(steps, 1)[:, None]
    np.rint(rate, out=rate)
    found = np.clip(rate, -MOST_RISE, MOST_RISE, out=rate).astype(np.int32)
    found[steps == 0] = MISSING
    if warmth.min() == MISSING:
        missing = warmth == MISSING
        found[missing[1:] | missing[:-1]] = MISSING
    return found
