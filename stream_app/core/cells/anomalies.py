"""Anomalies of closed five-minute windows: a cell beside its pack, and beside its own past."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stream_app.core.battery import BatteryRules
from stream_app.core.cells.consequences import suppress
from stream_app.core.cells.critical import Peak
from stream_app.core.cells.drift import Average, drifts
from stream_app.core.cells.findings import CellFinding, CellRule, Unit
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.held import (
    STUCK_MDEG,
    STUCK_UV,
    Hold,
    Values,
    moved_while_held,
)
from stream_app.core.cells.judged import Judged
from stream_app.core.cells.learned import by_model
from stream_app.core.cells.limits import (
    PLATEAU,
    REGIMES,
    REST,
    STEEP,
    STEEP_REST,
    CellLimits,
    Regime,
)
from stream_app.core.cells.quantities import MDEG_PER_DEG, UV_PER_V
from stream_app.core.cells.regime import RegimeState, regimes
from stream_app.core.cells.statistics import robust_z
from stream_app.core.cells.sums import NO_HIGH, NO_LOW, Cell, Pack, Sums, spread_without, value_of
from stream_app.core.cells.windows import Windows
from stream_app.core.energy import Bools, Floats, Ints
from stream_app.core.watch import (
    Change,
    Course,
    Delay,
    Measure,
    Watch,
    changes,
    sides,
)

FEWEST_CELLS = 5
"""With fewer there is no pack to compare a cell with at a glance."""
Z_LIMIT = 3.5
"""Iglewicz and Hoaglin's limit of the modified z-score."""
Z_LIMIT_STEEP = 8.0
"""At the steep ends the spread of capacities skews the voltages."""
SENSOR_STEP_UV, SENSOR_STEP_MDEG = 1_000, 100
"""Finer than this no sensor is taken to be."""
MOST_STEPS = 20
"""Nor coarser than so many times that: 20 mV, 2 degC."""
MAD_OF_ROUNDING = 0.25
"""Median absolute deviation that rounding to whole steps makes of one value, in steps."""
STEPS_OFF = 1.5
"""Of the sensor: a deviation of one step is none."""
DRIFT_UV, DRIFT_BACK = 8_000, 0.5
HOT_BACK = 2 / 3
DEVIATION_BACK = 0.7
A_DAY = 288
"""Windows: a cell of high resistance deviates under load alone, so each rest would end it."""


@dataclass
class Step:
    """The step of the sensors as far as values show it: what divides all their differences.

    ``origin`` is the first value, None before it; ``size`` 0: there was no other.
    """

    origin: int | None = None
    size: int = 0


@dataclass
class AnomalyState:
    """What is remembered between closed five-minute windows; ``seen`` counts those judged."""

    regime: RegimeState = field(default_factory=RegimeState)
    average: Average = field(default_factory=Average)
    voltage_step: Step = field(default_factory=Step)
    temperature_step: Step = field(default_factory=Step)
    voltage: Hold = field(default_factory=Hold)
    temperature: Hold = field(default_factory=Hold)
    watches: dict[CellRule, Watch] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)


class Anomalies(NamedTuple):
    """What windows (n,) came to: their regimes, findings and peaks with the place of a window.

    ``past`` (n,) are the windows so far that cells could be compared with for a drift; ``stuck``
    (n, cells) whose voltage is none.
    """

    regimes: Ints
    past: Ints
    stuck: Bools
    findings: list[tuple[int, CellFinding]]
    peaks: list[tuple[int, Peak]]

    def take(
        self,
        pack: str,
        first: int,
        windows: Windows,
        judged: Judged,
        changed: tuple[Watch, Sequence[Change]],
    ) -> None:
        """Take up what was judged of windows from place ``first`` on."""
        before, found = changed
        told, peaks = (
            _findings(pack, windows, judged, found),
            _peaks(windows, judged, before, found),
        )
        self.findings.extend((first + at, each) for at, each in told)
        self.peaks.extend((first + at, each) for at, each in peaks)


def anomalies(
    state: AnomalyState,
    pack: str,
    limits: CellLimits,
    rules: BatteryRules,
    windows: Windows,
    model: AnomalyModel | None = None,
) -> Anomalies:
    """Judge closed five-minute windows (n,); by a model too if it knows the pack."""
    regime = regimes(state.regime, limits, rules, windows)
    before = state.seen.get("CELL_VOLTAGE_DRIFT", 0)
    held = _stuck("CELL_VOLTAGE_STUCK", state.voltage, windows)
    watch, found = _changes(state, windows, held)
    stuck, newly = _held(watch, found, windows)
    result = Anomalies(regime, before + np.cumsum(_is_level(regime)), stuck, [], [])
    result.take(pack, 0, windows, held, (watch, found))
    # What a stuck cell takes down with it ends with the first such window.
    firsts = sorted({0, *np.flatnonzero(newly.any(axis=1)).tolist()})
    for first, last in pairwise([*firsts, windows.size]):
        part, without = windows.between(first, last), stuck[first:last]
        if without[0].any():
            time, of_pack = int(windows.ends[first]), bool(newly[first].any())
            ended = suppress(state.watches, pack, without[0], time, newly=of_pack)
            result.findings.extend((first, each) for each in ended)
            state.average.forget(without[0])
        every = [*_judged(state, limits, part, regime[first:last], without)]
        if model is not None and pack in model.usual and stuck.shape[1] >= FEWEST_CELLS:
            every.append(by_model(model, pack, part).but(without))
        for judged in every:
            result.take(pack, first, part, judged, _changes(state, part, judged))
    return result


def _held(before: Watch, found: Sequence[Change], windows: Windows) -> tuple[Bools, Bools]:
    """Where a cell's voltage is stuck, and where it is so for the first time; both (n, cells)."""
    stuck = np.zeros(windows.sums.cells.shape[1:], dtype=np.bool_)
    newly = stuck.copy()
    for cell in _touched(before, found):
        stuck[:, cell] = _stands(before, found, cell, windows.size)
    for change in found:
        newly[change.row, change.cell] = change.raised
    return stuck, newly


def _is_level(regime: Ints) -> Bools:
    found: Bools = (regime == REST) | (regime == PLATEAU)
    return found


def _judged(
    state: AnomalyState, limits: CellLimits, windows: Windows, regime: Ints, stuck: Bools
) -> Iterator[Judged]:
    """All but the voltages that are stuck, by which nothing else is judged."""
    sums = windows.sums
    volts = np.where(stuck, np.nan, _mean(sums, Cell.V_OFF, Cell.V_COUNT, UV_PER_V))
    warmth = _mean(sums, Cell.T_OFF, Cell.T_COUNT, MDEG_PER_DEG)
    volt_step = _steps(state.voltage_step, sums, (Cell.V_LOW, Cell.V_HIGH), SENSOR_STEP_UV)
    warm_step = _steps(state.temperature_step, sums, (Cell.T_LOW, Cell.T_HIGH), SENSOR_STEP_MDEG)
    many = np.isfinite(volts).sum(axis=1) >= FEWEST_CELLS
    flat = np.flatnonzero(many & (_is_level(regime) | (regime == STEEP_REST)))
    steep = np.flatnonzero(many & (regime == STEEP))
    yield _deviation("CELL_VOLTAGE_DEVIATION", limits, regime, flat, volts, volt_step / UV_PER_V)
    yield _deviation("WEAK_CELL", limits, regime, steep, volts, volt_step / UV_PER_V)
    yield _drift(state.average, sums, np.flatnonzero(_is_level(regime)), volt_step, stuck)
    yield _hot(limits, warmth, warm_step / MDEG_PER_DEG)
    yield _stuck("CELL_TEMPERATURE_STUCK", state.temperature, windows)
    yield _imbalance(limits, sums, regime, stuck)


def _steps(state: Step, sums: Sums, extremes: tuple[Cell, Cell], finest: int) -> Ints:
    """Step of the sensors as it shows at each window (n,); at least the finest."""
    keys = np.concatenate([sums.cells[each] for each in extremes], axis=1)
    known = (keys != NO_LOW) & (keys != NO_HIGH)
    values = value_of(keys)
    if state.origin is None and known.any():
        state.origin = int(values[known][0])
    apart = np.where(known, values - (state.origin or 0), 0)
    sizes = np.gcd.accumulate(np.append(state.size, np.gcd.reduce(apart, axis=1)))
    state.size = int(sizes[-1])
    found: Ints = np.clip(sizes[1:], finest, MOST_STEPS * finest)
    return found


def _mean(sums: Sums, total: Cell, count: Cell, per_unit: int) -> Floats:
    """Mean of each cell, (n, cells); NaN where it has no value."""
    counts = sums.cells[count]
    found: Floats = np.full(counts.shape, np.nan)
    np.divide(sums.cells[total] / per_unit, counts, out=found, where=counts > 0)
    return found


def _by_regime(limits: Mapping[Regime, int], regime: Ints) -> Floats:
    """Limit of each window [V]; what has none is never beyond it."""
    table = np.array([limits.get(name, np.inf) for name in REGIMES]) / UV_PER_V
    found: Floats = table[regime]
    return found


def _deviation(
    rule: CellRule,
    limits: CellLimits,
    regime: Ints,
    where: Ints,
    deviation: Floats,
    step: Floats,
) -> Judged:
    off, step = deviation[where], step[where][:, None]
    by_regime = _by_regime(limits.deviation_uv, regime[where])[:, None]
    limit = np.maximum(by_regime, _beyond_a_step(step)) + 0 * off
    beyond = np.abs(off) >= limit
    candidates = np.flatnonzero(beyond.any(axis=1))
    steep = rule == "WEAK_CELL"
    if candidates.size:
        floor = np.maximum(step[candidates] * MAD_OF_ROUNDING, SENSOR_STEP_UV / UV_PER_V)
        scores = np.abs(robust_z(off[candidates], floor))
        beyond[candidates] &= scores >= (Z_LIMIT_STEEP if steep else Z_LIMIT)
    back = np.abs(off) < DEVIATION_BACK * limit
    delay = Delay(1, 144) if steep else Delay(2, A_DAY - 1)
    return Judged(rule, where, beyond, back, off, limit, "V", delay)


def _beyond_a_step(step: Floats) -> Floats:
    """What is more than a coarse sensor shows of cells that are alike; 0 for a fine one."""
    return np.where(step > SENSOR_STEP_UV / UV_PER_V, STEPS_OFF * step, 0.0)


def _drift(average: Average, sums: Sums, where: Ints, step: Ints, stuck: Bools) -> Judged:
    drift = drifts(average, sums, where, stuck) / UV_PER_V
    least = _beyond_a_step(step[where] / UV_PER_V)[:, None]
    limit = np.maximum(DRIFT_UV / UV_PER_V, least) + 0 * drift
    beyond, back = np.abs(drift) >= limit, np.abs(drift) < DRIFT_BACK * limit
    return Judged("CELL_VOLTAGE_DRIFT", where, beyond, back, drift, limit, "V", Delay(5, 11))


def _hot(limits: CellLimits, warmth: Floats, step: Floats) -> Judged:
    where = np.flatnonzero(np.isfinite(warmth).sum(axis=1) >= FEWEST_CELLS)
    deviation, step = warmth[where], step[where][:, None]
    limit = np.full(deviation.shape, limits.temperature_deviation_mdeg / MDEG_PER_DEG)
    beyond = deviation >= limit
    candidates = np.flatnonzero(beyond.any(axis=1))
    if candidates.size:
        finest = SENSOR_STEP_MDEG / MDEG_PER_DEG
        floor = np.maximum(step[candidates] * MAD_OF_ROUNDING, finest)
        beyond[candidates] &= robust_z(deviation[candidates], floor) >= Z_LIMIT
    back = deviation < HOT_BACK * limit
    return Judged("HOT_CELL", where, beyond, back, deviation, limit, "degC", Delay(2, 2))


def _stuck(rule: CellRule, hold: Hold, windows: Windows) -> Judged:
    """A value that stays exactly the same while the pack's median moves is no measurement."""
    sums = windows.sums
    if rule == "CELL_VOLTAGE_STUCK":
        low, high, per_unit, least = Cell.V_LOW, Cell.V_HIGH, UV_PER_V, STUCK_UV
        median_low, median_high = Pack.V_MEDIAN_LOW, Pack.V_MEDIAN_HIGH
    else:
        low, high, per_unit, least = Cell.T_LOW, Cell.T_HIGH, MDEG_PER_DEG, STUCK_MDEG
        median_low, median_high = Pack.T_MEDIAN_LOW, Pack.T_MEDIAN_HIGH
    lowest, highest = sums.cells[low], sums.cells[high]
    known = (lowest != NO_LOW) & (highest != NO_HIGH)
    values = value_of(lowest)
    constant = known & (values == value_of(highest))
    medians = (value_of(sums.pack[each]) for each in (median_low, median_high))
    moved, since = moved_while_held(hold, Values(windows.starts, values, constant, known, *medians))
    limit = np.full(moved.shape, least / per_unit)
    where = np.arange(moved.shape[0])
    unit: Unit = "V" if rule == "CELL_VOLTAGE_STUCK" else "degC"
    value, back = np.maximum(moved, 0) / per_unit, known & (moved < 0)
    delay = Delay(0, 0)
    return Judged(rule, where, moved >= least, back, value, limit, unit, delay, since=since)


def _imbalance(limits: CellLimits, sums: Sums, regime: Ints, stuck: Bools) -> Judged:
    """The largest spread of the rows; beside a stuck cell that of the others' mean deviations."""
    keys, some = sums.pack[Pack.V_SPREAD], stuck.any(axis=1)
    others, cells = spread_without(sums, stuck)
    known = np.where(some, cells > 1, keys != NO_HIGH)
    where = np.flatnonzero(known & (regime > 0))
    spread = np.where(some, others, value_of(keys))[where, None] / UV_PER_V
    limit = _by_regime(limits.spread_uv, regime[where])[:, None]
    beyond, back = spread >= limit, spread < DEVIATION_BACK * limit
    rule: CellRule = "VOLTAGE_IMBALANCE_WARNING"
    return Judged(rule, where, beyond, back, spread, limit, "V", Delay(2, A_DAY - 1))


def _changes(state: AnomalyState, windows: Windows, judged: Judged) -> tuple[Watch, list[Change]]:
    """What began and ended among the judged windows, and the watch as it was before them."""
    rule, where = judged.rule, judged.where
    watch, first = state.watches.get(rule, Watch()), state.seen.get(rule, 0)
    state.seen[rule] = first + where.size
    before = Watch(dict(watch.active))
    if not where.size or not (watch or judged.beyond.any()):
        return before, []
    clock = first + np.arange(where.size, dtype=np.int64)
    since = windows.starts[where] if judged.since is None else judged.since
    measure = Measure(judged.value, judged.limit)
    side = sides(judged.beyond, judged.back)
    found = changes(watch, side, Course(clock, since), judged.delay, measure)
    state.watches[rule] = watch
    state.watches = {name: each for name, each in sorted(state.watches.items()) if each}
    return before, found


def _findings(
    pack: str, windows: Windows, judged: Judged, found: Sequence[Change]
) -> Iterator[tuple[int, CellFinding]]:
    whole_pack = judged.rule == "VOLTAGE_IMBALANCE_WARNING"
    for row, cell, raised, since, worst in found:
        place = int(judged.where[row])
        yield (
            place,
            CellFinding(
                pack,
                None if whole_pack else cell + 1,
                judged.rule,
                raised,
                int(windows.ends[place]),
                since,
                float(judged.value[row, cell]),
                float(judged.limit[row, cell]),
                judged.unit,
                model=judged.model,
                worst=worst,
            ),
        )


def _peaks(
    windows: Windows, judged: Judged, before: Watch, found: Sequence[Change]
) -> Iterator[tuple[int, Peak]]:
    """How far conditions that stand went beyond their limits, for each cell and local day."""
    days = windows.days[judged.where]
    for cell in _touched(before, found):
        stands = _stands(before, found, cell, days.size)
        rows = np.flatnonzero(stands & judged.beyond[:, cell])
        for part in np.split(rows, np.flatnonzero(np.diff(days[rows])) + 1):
            if not part.size:
                continue
            beyond = np.abs(judged.value[part, cell]) - judged.limit[part, cell]
            row = int(part[np.argmax(beyond)])
            value, limit = float(judged.value[row, cell]), float(judged.limit[row, cell])
            place = int(judged.where[part[-1]])
            start = int(windows.starts[place])
            yield place, Peak(cell + 1, judged.rule, value, limit, start)


def _touched(before: Watch, found: Sequence[Change]) -> list[int]:
    return sorted({*before.active, *(each.cell for each in found)})


def _stands(before: Watch, found: Sequence[Change], cell: int, size: int) -> Bools:
    """At which of the judged windows (size,) the condition of a cell stands."""
    turns = [each.row for each in found if each.cell == cell]
    odd: Bools = (np.searchsorted(turns, np.arange(size), side="right") % 2).astype(np.bool_)
    return odd ^ (cell in before.active)
