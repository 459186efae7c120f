"""What the state of a battery system says, in the units of people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stream_app.core.battery_system import BatteryState
from stream_app.core.cells.pack import PackState, newest_row
from stream_app.core.cells.quantities import MDEG_PER_DEG, MISSING, UV_PER_V, Whole
from stream_app.core.cells.sums import Pack
from stream_app.core.charge.ledger import UC_PER_AH
from stream_app.core.health import columns
from stream_app.core.health.signals import keeps, nearest
from stream_app.core.resolutions import SLOT
from stream_app.core.stale import Stale


@dataclass(frozen=True)
class OpenCells:
    """An open window of cells: ``start`` in ms UTC, rows up to now."""

    resolution: str
    start: int
    rows: int


@dataclass(frozen=True)
class Condition:
    """What stands: the cell, None for the pack or system as a whole; since when [ms UTC]."""

    rule: str
    cell: int | None
    since: int


@dataclass(frozen=True)
class PackLook:
    """A pack. Times in ms UTC.

    Attributes
    ----------
    clock
        Newest accepted time.
    quarantine
        Times of rows that are set aside because they are far ahead of the clock.
    voltages, temperatures
        Lowest and highest of the newest row [V], [degC]; None where no cell has a value.
    windows
        Open windows; of five minutes those rows that are summed up already.
    """

    pack: str
    cells: int
    clock: int | None
    quarantine: list[int]
    voltages: tuple[float, float] | None
    temperatures: tuple[float, float] | None
    windows: list[OpenCells]
    conditions: list[Condition]


@dataclass(frozen=True)
class BatteryLook:
    """A battery system, and what is remembered of it. Times in ms UTC.

    Attributes
    ----------
    clock, quarantine
        As of a pack, of the signals of the system.
    signals
        Newest value of each signal that is summed, and when: SOC as a ratio, V, A, W, degC.
    anchor
        What the charge ledger counts from: kind and time.
    capacity_ah
        Newest measured one.
    days
        Starts of the days of health that are not over.
    unknown
        Signals that are none of the system: values that came, and the known name most like it.
    """

    site: str
    system: str
    zone: str
    clock: int | None
    quarantine: list[int]
    signals: Mapping[str, tuple[int, float]]
    anchor: tuple[str, int] | None
    capacity_ah: float | None
    days: list[int]
    conditions: list[Condition]
    packs: list[PackLook]
    unknown: Mapping[str, tuple[int, str | None]]


def look(state: BatteryState) -> BatteryLook | None:
    """A battery system; None while its record is not known."""
    battery, present = state.cells.battery, state.health.present
    if battery is None:
        return None
    soc = present.soc
    return BatteryLook(
        battery.site,
        battery.system,
        battery.zone,
        present.clock.clock.now,
        sorted(time for time, _ in present.clock.clock.ahead),
        dict(_signals(present.samples)),
        None if soc.anchor is None else (soc.anchor.kind, soc.anchor.time),
        None if soc.capacity is None else soc.capacity.charge / UC_PER_AH,
        [day.start for day in present.days],
        [Condition(rule, None, since) for rule, since in soc.active.items()]
        + list(_silent(present.stale)),
        [_pack(name, state.cells.packs[name]) for name in battery.packs],
        {name: (count, nearest(name, keeps(battery))) for name, count in present.unknown.items()},
    )


def _signals(samples: list[tuple[int, int] | None]) -> Iterator[tuple[str, tuple[int, float]]]:
    for signal, kept in zip(columns.SIGNALS, samples, strict=False):
        if kept is not None:
            yield signal.name, (kept[0], float(signal.told(np.array(kept[1]))))


def _pack(name: str, state: PackState) -> PackLook:
    row, cells = newest_row(state), state.cells
    clock = state.hot.clock.clock
    return PackLook(
        name,
        cells,
        clock.now,
        sorted(time for time, _ in clock.ahead),
        None if row is None else _range(row[:cells], UV_PER_V),
        None if row is None else _range(row[cells : 2 * cells], MDEG_PER_DEG),
        list(_windows(state)),
        sorted(_conditions(state), key=lambda each: (each.rule, each.cell or 0)),
    )


def _range(values: Whole, per_unit: int) -> tuple[float, float] | None:
    known = values[values != MISSING]
    return (float(known.min() / per_unit), float(known.max() / per_unit)) if known.size else None


def _windows(state: PackState) -> Iterator[OpenCells]:
    slot = state.warm.slot
    if slot is not None:
        yield OpenCells(SLOT, slot.start, int(slot.pack[Pack.ROWS]))
    for resolution, window in state.cold.windows.items():
        yield OpenCells(resolution, window.start, int(window.pack[Pack.ROWS]))


def _silent(stale: Stale) -> Iterator[Condition]:
    if stale.since is not None:
        yield Condition("STALE_DATA", None, stale.since)


def _conditions(state: PackState) -> Iterator[Condition]:
    yield from _silent(state.hot.stale)
    for watches in (state.hot.alarms.watches, state.cold.anomalies.watches):
        for rule, watch in watches.items():
            whole = rule == "VOLTAGE_IMBALANCE_WARNING"
            for cell, since in watch.active.items():
                yield Condition(rule, None if whole else cell + 1, since)
    for cell, rising in state.hot.alarms.thermal.rising.items():
        if rising.raised:
            yield Condition("THERMAL_RUNAWAY", cell + 1, rising.since)
