"""Telemetry of a small battery system and of a meter, with everything in it that makes a result."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from msgspec.structs import replace as replace_fields

from schemas.battery import AnomalyModelRecord
from stream_app.codec.anomaly_model import anomaly_model, version_of
from stream_app.codec.battery import encode_battery
from stream_app.codec.battery_records import Message
from stream_app.core.battery import (
    Battery,
    BatteryRules,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.cells.features import FEATURES
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.energy import Floats, Ints
from stream_app.core.messages import EndOfData, Heartbeat

Sent = tuple[bytes, bytes]

START_MS = 1_735_682_400_000  # 2024-12-31T23:00+01:00
ROW_MS, METER_MS = 60_000, 300_000
RULES = BatteryRules(ROW_MS, max_gap_ms=6 * ROW_MS, skew_ms=30 * ROW_MS, rest_ms=10 * ROW_MS)
BATTERY = Battery(
    "rig",
    "RACK",
    "Europe/Berlin",
    {"A": 6, "B": 6},
    RULES,
    capacity_ah=10.0,
    energy_wh=200.0,
    signals={"fault": "flag", "ambient_c": "extremes"},
)
STRICTER = replace(BATTERY, own_limits={"over_volt_warning_v": 3.55})
METER = MeterPoint("rig", "grid", "Europe/Berlin", METER_MS, 3 * METER_MS, 12 * METER_MS)
ROWS = 3
"""Of a record: packs and system send in turns, what has come since their last one."""
LONG_GAP_MS, STRETCH = 7_200_000, 80
"""A gap beyond the skew after so many rows: two must agree before it is believed."""
AHEAD_MS = 5 * 3_600_000


def battery(samples: int, random: np.random.Generator) -> Iterator[Sent]:
    """All of it, in the order in which it is sent: a record for each place, now and then more."""
    source = Rack(samples, random)
    yield _sent(BATTERY, BATTERY)
    for place in range(samples):
        for each in _with_strays(source.rows, place):
            yield _sent(BATTERY, each)
        if place % 61 == 30:
            yield _sent(BATTERY, Heartbeat(source.time(place)))
        if place % 300 == 35:
            yield BATTERY.key.encode(), learned(place).data
        if place % 83 == 70:
            yield _sent(BATTERY, BATTERY if place // 83 % 2 else STRICTER)
        if place % 90 == 85:
            yield _sent(BATTERY, EndOfData(source.time(place) + ROW_MS))
    yield _sent(BATTERY, EndOfData(source.time(samples - 1) + ROW_MS))


def meter(samples: int, random: np.random.Generator) -> Iterator[Sent]:
    """The same of a meter."""
    end = START_MS + METER_MS * samples
    power = 1e5 * np.sin(np.arange(samples) / 20) + random.normal(0, 1e3, samples)
    counters = {"import_wh": -power, "export_wh": power}
    counters = {name: _counter(flow) for name, flow in counters.items()}
    power[np.arange(samples) % 47 > 42] = np.nan

    def row(place: int, ahead_ms: int) -> MeterSamples:
        part = slice(place, place + 1)
        time = np.array([START_MS + METER_MS * place + ahead_ms], dtype=np.int64)
        values = {"power_w": power, **counters}
        return MeterSamples(time, {name: column[part] for name, column in values.items()})

    yield _sent(METER, METER)
    for place in range(samples):
        for each in _with_strays(row, place):
            yield _sent(METER, each)
        if place % 90 == 85:
            yield _sent(METER, EndOfData(START_MS + METER_MS * (place + 1)))
    yield _sent(METER, EndOfData(end))


def learned(number: int) -> AnomalyModel:
    """A model by hand, of its own for each number: a cell far above its pack is unusual."""
    far = np.array([3.0, 12.0, 1.0])
    record = AnomalyModelRecord(
        v=1,
        version="",
        site=BATTERY.site,
        system=BATTERY.system,
        features=list(FEATURES),
        contamination=0.01,
        threshold=0.6,
        back=0.55,
        since="2024-11-01",
        until="2024-11-30",
        windows=1000 + number,
        learned_with="no data",
        samples=256,
        usual={name: bytes(8 * cells * len(FEATURES)) for name, cells in BATTERY.packs.items()},
        sizes=[far.size],
        feature=np.array([0, -1, -1], dtype="<i1").tobytes(),
        value=far.astype("<f8").tobytes(),
        right=np.array([2, 0, 0], dtype="<i4").tobytes(),
    )
    return anomaly_model(replace_fields(record, version=version_of(record)))


class Rack:
    """What two packs and their system show, a row for each place."""

    def __init__(self, samples: int, random: np.random.Generator) -> None:
        places = np.arange(samples)
        self._times = START_MS + ROW_MS * places + LONG_GAP_MS * (places // STRETCH)
        moves = places % 60 < 45
        phase = np.cumsum(moves) / 15.0
        self._soc = 0.5 + 0.45 * np.sin(phase)
        self._current = np.where(moves, -0.45 / 15.0 * np.cos(phase) * 60.0 * 10.0, 0.0)
        self._volts = {name: self._voltages(random) for name in BATTERY.packs}
        self._warmth = {name: 25 + random.normal(0, 0.1, (samples, 6)) for name in BATTERY.packs}
        self._volts["A"][:, 2] += np.where(moves, 0.08, 0.0)
        self._volts["A"][places % 40 < 3, 4] = np.nan
        self._volts["B"][places % 70 > 60, 0] = 3.7
        self._volts["B"][:, 4] += 0.03
        self._warmth["A"][places % 110 > 90, 1] = 66.0
        self._signals = self._of_system(places, random)

    def _voltages(self, random: np.random.Generator) -> Floats:
        noise = random.normal(0, 0.002, (self._soc.size, 6))
        volts: Floats = np.round(3.25 + 0.1 * self._soc[:, None] + noise, 3)
        return volts

    def _of_system(self, places: Ints, random: np.random.Generator) -> dict[str, Floats]:
        shown = np.where(places % 150 > 120, 0.3, self._soc) + 0.1 * (places % 70 == 50)
        power = 20.0 * self._current
        return {
            "soc_ratio": np.round(np.clip(shown, 0.0, 1.0), 3),
            "soh_ratio": np.full(places.size, 0.97),
            "voltage_v": 20.0 + random.normal(0, 0.01, places.size),
            "current_a": self._current,
            "dc_power_w": power,
            "ac_power_w": power - 2.0,
            "fault": np.where(places % 50 > 44, 3.0, 0.0),
            "ambient_c": 15.0 + random.normal(0, 1.0, places.size),
        }

    def time(self, place: int) -> int:
        """When the row of a place is [ms UTC]."""
        return int(self._times[place])

    def rows(self, place: int, ahead_ms: int) -> CellSamples | SystemSamples:
        """What one of the three sends at its place; a single row where its clock is wrong."""
        part = slice(place if ahead_ms else max(0, place + 1 - ROWS), place + 1)
        times, whose = self._times[part] + ahead_ms, ("A", None, "B")[place % ROWS]
        if whose is None:
            return SystemSamples(times, {name: each[part] for name, each in self._signals.items()})
        cells = self._volts[whose][part], self._warmth[whose][part]
        return CellSamples(whose, times, *cells, self._current[part], self._soc[part])


def _with_strays(rows: Callable[[int, int], Message], place: int) -> Iterator[Message]:
    """The record of a place, unless it comes later; now and then once more, or ahead of time."""
    if place % 29 != 20:
        yield rows(place, 0)
    if place % 29 == 24:
        yield rows(place - 4, 0)
    if place % 37 == 12:
        yield rows(place, 0)
    if place % 41 == 33:
        yield rows(place, AHEAD_MS)


def _counter(flow: Floats) -> Floats:
    """Counter of what goes one way: one value is wrong, later it begins again."""
    counted: Floats = np.round(1e6 + np.cumsum(np.maximum(flow, 0.0)) / 12.0)
    counted[70::200] = 0.0
    for first in range(150, counted.size, 200):
        counted[first:] -= counted[first] - 5.0
    return counted


def _sent(whose: Battery | MeterPoint, message: Message) -> Sent:
    packed = isinstance(message, CellSamples) and message.pack == "B"
    return whose.key.encode(), encode_battery(message, packed=packed)


_TIME = np.array([START_MS], dtype=np.int64)
WRONG: dict[str, Callable[[int], Sent]] = {
    "cells of an unknown pack": lambda n: _sent(BATTERY, CellSamples(f"X{n}", _TIME, _cells(6))),
    "a cell too many": lambda n: _sent(BATTERY, CellSamples("A", _TIME + n, _cells(7))),
    "packed cells cut off": lambda n: (
        BATTERY.key.encode(),
        encode_battery(CellSamples("B", _TIME + n, _cells(6)), packed=True)[:-1],
    ),
    "a meter's row under a battery's key": lambda n: _sent(
        BATTERY, MeterSamples(_TIME + n, {"power_w": _TIME * 0.0})
    ),
    "a battery in another zone": lambda n: _sent(
        BATTERY, replace(BATTERY, zone="UTC", capacity_ah=n + 1.0)
    ),
    "a pack of another size": lambda n: _sent(
        BATTERY, replace(BATTERY, packs={"A": 7, "B": 6}, capacity_ah=n + 1.0)
    ),
    "a meter's text for a number": lambda n: (
        METER.key.encode(),
        b'{"kind":"meter","v":1,"t":[%d],"values":{"power_w":["%d"]}}' % (START_MS, n),
    ),
}
"""Records that the battery or the meter refuses, each made different by a number."""


def _cells(count: int) -> Floats:
    return np.full((1, count), 3.3)
