"""The newest values of each battery system and pack, for the live view."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from prometheus_client.samples import Sample

from stream_app.core.battery_system import BatteryState
from stream_app.core.cells.pack import PackState, newest_row
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, PPM, UV_PER_V, Whole
from stream_app.core.energy import Floats
from stream_app.core.health import columns
from stream_app.core.health.result import HealthDay
from stream_app.metrics.metric import Metric
from stream_app.metrics.of_batteries import (
    BATTERY_LAST_SAMPLE,
    CAPACITY,
    CELL_C_MAX,
    CELL_C_MEAN,
    CELL_C_MIN,
    CELL_V_MAX,
    CELL_V_MEAN,
    CELL_V_MIN,
    CELL_V_SPREAD,
    CRITICAL,
    EVALUABLE,
    IMBALANCE,
    SOC,
    SOH,
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
    """

    site: str
    system: str
    soc: float | None
    rated_kwh: float | None
    last_sample_s: float | None
    packs: tuple[PackReading, ...]
    day: HealthDay | None


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
    )


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
    packs = [(_labels(each) | {"pack": p.pack}, _Row(p)) for each in readings for p in each.packs]
    for metric, value_of in _OF_PACK:
        values = [(where, value_of(row)) for where, row in packs]
        yield metric, [Sample(metric.name, where, v) for where, v in values if v is not None]


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


def _evaluable(reading: BatteryReading) -> Told:
    """Of the cells an indicator is evaluable where it is in every pack."""
    reasons = dict[str, str]()
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
)


@dataclass
class _Row:
    """The values of a pack, worked out when a scrape asks for them."""

    pack: PackReading
    volts: Floats = field(init=False)
    warmth: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.volts = _known(self.pack.volts) / UV_PER_V
        self.warmth = _known(self.pack.warmth) / MDEG_PER_DEG

    @property
    def spread(self) -> float | None:
        return float(np.ptp(self.volts).round(6)) if self.volts.size else None

    @property
    def worst(self) -> tuple[int, float] | None:
        """Number of the cell whose voltage lies furthest from the median, and how far [V]."""
        if not self.volts.size:
            return None
        off = np.where(
            self.pack.volts == MISSING, 0.0, self.pack.volts / UV_PER_V - np.median(self.volts)
        )
        place = int(np.abs(off).argmax())
        return place + 1, float(off[place].round(6))


def _known(values: Whole) -> Whole:
    found: Whole = values[values != MISSING]
    return found


def _over(values: Floats, how: Callable[[Floats], np.float64]) -> float | None:
    return float(how(values)) if values.size else None


_OF_PACK: tuple[tuple[Metric, Callable[[_Row], float | None]], ...] = (
    (CELL_V_MIN, lambda each: _over(each.volts, np.min)),
    (CELL_V_MEAN, lambda each: _over(each.volts, np.mean)),
    (CELL_V_MAX, lambda each: _over(each.volts, np.max)),
    (CELL_V_SPREAD, lambda each: each.spread),
    (WORST_CELL, lambda each: each.worst and each.worst[0]),
    (WORST_CELL_V, lambda each: each.worst and each.worst[1]),
    (CELL_C_MIN, lambda each: _over(each.warmth, np.min)),
    (CELL_C_MEAN, lambda each: _over(each.warmth, np.mean)),
    (CELL_C_MAX, lambda each: _over(each.warmth, np.max)),
    (CRITICAL, lambda each: each.pack.critical),
)


def _labels(reading: BatteryReading) -> dict[str, str]:
    return {"site": reading.site, "system": reading.system}
