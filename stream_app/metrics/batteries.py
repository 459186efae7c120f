"""The newest values of each battery system and pack, for the live view."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
from prometheus_client.samples import Sample

from stream_app.codec.results_battery import PRIORITIES
from stream_app.core.battery import Battery
from stream_app.core.battery_system import BatteryState, expected
from stream_app.core.cells.pack import PackState, newest_row
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, PPM, UV_PER_V, Whole
from stream_app.core.cells.statistics import RowStatistics, deviations, row_statistics
from stream_app.core.energy import Floats, Ints
from stream_app.core.health import columns
from stream_app.core.health.extremes import evaluable_limits
from stream_app.core.health.result import HealthDay
from stream_app.core.health.state import Present
from stream_app.core.stale import Expected
from stream_app.core.standing import Rule, standing
from stream_app.metrics.metric import Metric
from stream_app.metrics.of_batteries import (
    ALARMS,
    BATTERY_LAST_SAMPLE,
    CAPACITY,
    CELL_C_MAX,
    CELL_C_MEAN,
    CELL_C_MIN,
    CELL_V_MAX,
    CELL_V_MEAN,
    CELL_V_MIN,
    CELL_V_SPREAD,
    CELLS_WITHOUT_C,
    CELLS_WITHOUT_V,
    CRITICAL,
    EVALUABLE,
    IMBALANCE,
    SOC,
    SOH,
    UNKNOWN_SIGNALS,
    WORST_CELL,
    WORST_CELL_V,
)

SOH_SOURCES = ("bms", "ledger", "estimate", "expected")
"""``soh_<source>_ratio`` of a day of health."""
HEALTH_INDICATORS = (
    "soc_ratio",
    "soc_drift_ratio",
    *(f"soh_{source}_ratio" for source in SOH_SOURCES),
    "soh_bms_ratio_per_month",
    "soh_ledger_ratio_per_month",
    "imbalance_v",
    "efc",
    "rte_dc_ratio",
    "rte_ac_ratio",
)
"""Those of health that are told to be evaluable or not; the rest hang on the same reasons."""
GOOD = "evaluable"


@dataclass(frozen=True)
class PackReading:
    """What is told of one pack.

    Attributes
    ----------
    volts, warmth
        Newest row (cells,) [uV] and [m degC]; MISSING where a cell has no value; empty before
        the first row.
    critical
        Cells of which a condition stands.
    evaluable
        Indicator -> ``evaluable`` or why not, of the newest closed five-minute window.
    """

    pack: str
    volts: Whole
    warmth: Whole
    critical: int
    evaluable: Mapping[str, str]


@dataclass(frozen=True)
class BatteryReading:
    """What is told of one battery system: a snapshot, never changed.

    Attributes
    ----------
    soc
        Newest state of charge, 0 to 1.
    rated_kwh
        Rated energy.
    last_sample_s
        Event time of the newest row of any pack or the system, Unix seconds.
    day
        The day of health that was told of last.
    expects
        Rows that are to come, see ``battery_system.expected``.
    unknown
        Names in its records that are no signals of it, up to 32.
    alarms
        How many of each rule stand.
    limits
        Indicator -> ``evaluable`` or why not, by the extremes of a system without packs.
    """

    site: str
    system: str
    soc: float | None
    rated_kwh: float | None
    last_sample_s: float | None
    packs: tuple[PackReading, ...]
    day: HealthDay | None
    expects: Expected | None = None
    unknown: int = 0
    alarms: Mapping[Rule, int] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


def battery_reading(state: BatteryState) -> BatteryReading | None:
    """Extract what Prometheus sees of a battery system; None while its record is unknown."""
    battery, present = state.cells.battery, state.health.present
    if battery is None:
        return None
    packs = [(name, state.cells.packs[name]) for name in battery.packs]
    clocks = [present.clock.clock, *(each.hot.clock.clock for _, each in packs)]
    newest = [clock.now for clock in clocks if clock.now is not None]
    soc = present.samples[columns.SOC]
    return BatteryReading(
        battery.site,
        battery.system,
        None if soc is None else soc[1] / PPM,
        None if battery.energy_wh is None else battery.energy_wh / 1000,
        max(newest) / 1000 if newest else None,
        tuple(_pack(name, each) for name, each in packs),
        state.health.past.newest,
        expected(state),
        len(present.unknown),
        standing(state),
        _limits(battery, present),
    )


def _limits(battery: Battery, present: Present) -> Mapping[str, str]:
    """Which limits the newest day can support; nothing before the first row."""
    if battery.packs or not present.days:
        return {}
    came = present.days[-1].came
    names = [each.name for at, each in enumerate(columns.SIGNALS) if came >> at & 1]
    return evaluable_limits(battery, names)


def _pack(name: str, state: PackState) -> PackReading:
    row = newest_row(state)
    none = np.empty(0, dtype=np.int32)
    concerns = state.cold.critical.concerns.values()
    return PackReading(
        name,
        none if row is None else row[: state.cells],
        none if row is None else row[state.cells : 2 * state.cells],
        len({each.cell for each in concerns if each.until is None}),
        {str(name): reason for name, reason in state.cold.evaluable.newest.items()},
    )


def battery_samples(readings: Sequence[BatteryReading]) -> Iterator[tuple[Metric, list[Sample]]]:
    """Samples of each metric of battery systems and packs; none where there is no value."""
    for metric, told in _OF_SYSTEM:
        yield (
            metric,
            [
                Sample(metric.name, _labels(each) | more, value)
                for each in readings
                for more, value in told(each)
                if value is not None
            ],
        )
    packs = [
        (_labels(each) | {"pack": pack.pack}, pack) for each in readings for pack in each.packs
    ]
    values = _of_rows([pack for _, pack in packs])
    values[CRITICAL] = np.array([pack.critical for _, pack in packs], dtype=np.float64)
    for metric, column in values.items():
        known = zip(packs, column.tolist(), strict=True)
        yield metric, [Sample(metric.name, where, v) for (where, _), v in known if not isnan(v)]


Told = Iterator[tuple[dict[str, str], float | None]]


def _soc(reading: BatteryReading) -> Told:
    yield {}, reading.soc


def _capacity(reading: BatteryReading) -> Told:
    values = reading.day.values if reading.day else {}
    rated = reading.rated_kwh
    yield {}, None if rated is None else rated * values.get("soh_ledger_ratio", 1.0)


def _last_sample(reading: BatteryReading) -> Told:
    yield {}, reading.last_sample_s


def _soh(reading: BatteryReading) -> Told:
    values = reading.day.values if reading.day else {}
    yield from (({"source": each}, values.get(f"soh_{each}_ratio")) for each in SOH_SOURCES)


def _imbalance(reading: BatteryReading) -> Told:
    yield {}, reading.day.values.get("imbalance_v") if reading.day else None


def _alarms(reading: BatteryReading) -> Told:
    for rule, count in reading.alarms.items():
        yield {"priority": PRIORITIES[rule], "rule": rule}, float(count)


def _unknown(reading: BatteryReading) -> Told:
    yield {}, float(reading.unknown)


def _evaluable(reading: BatteryReading) -> Told:
    """Of the cells an indicator is evaluable where it is in every pack."""
    reasons = dict(reading.limits)
    for pack in reading.packs:
        for name, reason in pack.evaluable.items():
            if reasons.get(name, GOOD) == GOOD:
                reasons[name] = reason
    if reading.day is not None:
        missing = reading.day.missing
        reasons |= {name: missing.get(name, GOOD) for name in HEALTH_INDICATORS}
    for name, reason in reasons.items():
        yield {"indicator": name, "reason": reason}, float(reason == GOOD)


_OF_SYSTEM: tuple[tuple[Metric, Callable[[BatteryReading], Told]], ...] = (
    (SOC, _soc),
    (CAPACITY, _capacity),
    (BATTERY_LAST_SAMPLE, _last_sample),
    (SOH, _soh),
    (IMBALANCE, _imbalance),
    (EVALUABLE, _evaluable),
    (ALARMS, _alarms),
    (UNKNOWN_SIGNALS, _unknown),
)


def _of_rows(packs: Sequence[PackReading]) -> dict[Metric, Floats]:
    """What the newest rows tell of each pack (packs,); NaN where no cell has a value.

    Packs with as many cells are worked out together: one by one they cost most of a scrape.
    """
    values = {metric: np.full(len(packs), np.nan) for metric in _OF_ROWS}
    sizes = np.array([pack.volts.size for pack in packs], dtype=np.int64)
    for size in np.unique(sizes[sizes > 0]):
        places = np.flatnonzero(sizes == size)
        chosen = [packs[place] for place in places.tolist()]
        volts = np.stack([pack.volts for pack in chosen])
        warmth = np.stack([pack.warmth for pack in chosen])
        for metric, column in zip(_OF_ROWS, _of_volts(volts) + _of_warmth(warmth), strict=True):
            values[metric][places] = column
    return values


_OF_ROWS = (
    *(CELL_V_MIN, CELL_V_MEAN, CELL_V_MAX, CELL_V_SPREAD, WORST_CELL, WORST_CELL_V),
    CELLS_WITHOUT_V,
    *(CELL_C_MIN, CELL_C_MEAN, CELL_C_MAX),
    CELLS_WITHOUT_C,
)


def _of_volts(rows: Whole) -> list[Floats]:
    """Lowest, mean, highest, spread [V], the cell furthest from the median, how far, and gaps."""
    found = row_statistics(rows)
    off = deviations(rows, found.median)
    worst = np.abs(off).argmax(axis=1)
    away = np.take_along_axis(off, worst[:, None], axis=1)[:, 0]
    every = (found.low, _means(rows, found.count), found.high, found.spread, away)
    low, mean, high, spread, far = (_known(found, column / UV_PER_V) for column in every)
    gaps = rows.shape[1] - found.count.astype(np.float64)
    return [low, mean, high, spread, _known(found, worst + 1.0), far, gaps]


def _of_warmth(rows: Whole) -> list[Floats]:
    """Lowest, mean and highest [degC], and cells without a value."""
    found = row_statistics(rows)
    every = found.low, _means(rows, found.count), found.high
    gaps = rows.shape[1] - found.count.astype(np.float64)
    return [*(_known(found, column / MDEG_PER_DEG) for column in every), gaps]


def _known(found: RowStatistics, values: Floats) -> Floats:
    known: Floats = np.where(found.count > 0, values, np.nan)
    return known


def _means(rows: Whole, count: Ints) -> Floats:
    """Mean of each row, to a whole unit."""
    sums = np.where(rows == MISSING, 0, rows).sum(axis=1, dtype=np.int64)
    means: Floats = np.rint(sums / np.maximum(count, 1))
    return means


def _labels(reading: BatteryReading) -> dict[str, str]:
    return {"site": reading.site, "system": reading.system}
