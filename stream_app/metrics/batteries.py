"""The newest values of each battery system and pack, for the live view."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client.samples import Sample

from stream_app.core.battery_system import BatteryState
from stream_app.core.cells.pack import PackState, newest_row
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, PPM, UV_PER_V, Whole
from stream_app.core.health import columns
from stream_app.metrics.catalogue import (
    BATTERY_LAST_SAMPLE,
    CELL_C_MAX,
    CELL_V_MAX,
    CELL_V_MIN,
    CRITICAL,
    SOC,
    Metric,
)


@dataclass(frozen=True)
class PackReading:
    """What is told of one pack; None where no cell has a value yet.

    Attributes
    ----------
    voltages
        Lowest and highest in the newest row [V].
    warmest
        Highest temperature in it [degC].
    critical
        Cells of which a condition stands.
    """

    pack: str
    voltages: tuple[float, float] | None
    warmest: float | None
    critical: int


@dataclass(frozen=True)
class BatteryReading:
    """What is told of one battery system: a snapshot, never changed.

    Attributes
    ----------
    soc
        Newest state of charge, 0 to 1.
    last_sample_s
        Event time of the newest row of any pack or the system, Unix seconds.
    """

    site: str
    system: str
    soc: float | None
    last_sample_s: float | None
    packs: tuple[PackReading, ...]


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
        max(newest) / 1000 if newest else None,
        tuple(_pack(name, each) for name, each in packs),
    )


def battery_samples(readings: Sequence[BatteryReading]) -> Iterator[tuple[Metric, list[Sample]]]:
    """Samples of each metric of battery systems and packs; none where there is no value."""
    for metric, value in _OF_SYSTEM:
        told = [(_labels(each), value(each)) for each in readings]
        yield metric, [Sample(metric.name, where, v) for where, v in told if v is not None]
    for metric, value_of in _OF_PACK:
        told = [
            (_labels(each) | {"pack": pack.pack}, value_of(pack))
            for each in readings
            for pack in each.packs
        ]
        yield metric, [Sample(metric.name, where, v) for where, v in told if v is not None]


_OF_SYSTEM: tuple[tuple[Metric, Callable[[BatteryReading], float | None]], ...] = (
    (SOC, lambda each: each.soc),
    (BATTERY_LAST_SAMPLE, lambda each: each.last_sample_s),
)
_OF_PACK: tuple[tuple[Metric, Callable[[PackReading], float | None]], ...] = (
    (CELL_V_MIN, lambda each: each.voltages and each.voltages[0]),
    (CELL_V_MAX, lambda each: each.voltages and each.voltages[1]),
    (CELL_C_MAX, lambda each: each.warmest),
    (CRITICAL, lambda each: each.critical),
)


def _labels(reading: BatteryReading) -> dict[str, str]:
    return {"site": reading.site, "system": reading.system}


def _pack(name: str, state: PackState) -> PackReading:
    row = newest_row(state)
    concerns = state.cold.critical.concerns.values()
    critical = len({each.cell for each in concerns if each.until is None})
    if row is None:
        return PackReading(name, None, None, critical)
    volts, warmth = _known(row[: state.cells]), _known(row[state.cells : 2 * state.cells])
    return PackReading(
        name,
        (float(volts.min()) / UV_PER_V, float(volts.max()) / UV_PER_V) if volts.size else None,
        float(warmth.max()) / MDEG_PER_DEG if warmth.size else None,
        critical,
    )


def _known(values: Whole) -> Whole:
    found: Whole = values[values != np.int32(MISSING)]
    return found
