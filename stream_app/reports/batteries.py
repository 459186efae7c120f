"""Tables of batteries and meters from the records of their results."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, get_args

import msgspec

from schemas import topics
from schemas.results_battery import (
    BatteryAlarmRecord,
    CellWindowsRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    MeterDayRecord,
    SignalWindowsRecord,
)
from stream_app.codec.results import Output, iso
from stream_app.core.battery import Battery
from stream_app.core.health.extremes import EVALUABLE, LimitIndicator
from stream_app.core.order import natural_key
from stream_app.reports import battery_files
from stream_app.reports.battery_data import Record, collected, one_by_one
from stream_app.reports.dwell import dwell_rows

Row = dict[str, Any]
DAY = "1d"

_encoder = msgspec.json.Encoder()
_health = msgspec.json.Decoder(HealthDayRecord)
_meter = msgspec.json.Decoder(MeterDayRecord)
_critical = msgspec.json.Decoder(CriticalCellsRecord)
_alarm = msgspec.json.Decoder(BatteryAlarmRecord)
_windows = msgspec.json.Decoder(CellWindowsRecord)
_signals = msgspec.json.Decoder(SignalWindowsRecord)

OF_CELL = (
    "voltage_samples",
    "voltage_min_v",
    "voltage_mean_v",
    "voltage_max_v",
    "voltage_deviation_v",
    "temperature_samples",
    "temperature_mean_c",
    "temperature_max_c",
    "temperature_deviation_c",
    "temperature_rise_c_per_s",
)
OF_SIGNAL = ("samples", "refused", "lowest", "highest")
OF_ALARM = (
    "time",
    "rule",
    "state",
    "priority",
    "system",
    "pack",
    "cell",
    "since",
    "value",
    "limit",
    "unit",
    "worst",
    "worst_limit",
    "message",
    "signal",
)


@dataclass
class BatteryTables:
    """What becomes a table of the records of an export; the newest revision of a day holds.

    Attributes
    ----------
    health, meters, critical
        Newest record of each key.
    batteries
        The battery systems of the export.
    level
        Length of windows that are kept beside the days.
    kept
        Windows of these lengths by id and start, each a record as JSON: read, they take five
        times as much.
    signals
        Rows of the same windows of systems' signals, by length, system, start and signal.
    limits
        Days of the signals of systems without packs, by system and start.
    alarms
        Raises and clears, in the order of the export.
    """

    batteries: Sequence[Battery] = ()
    level: str = DAY
    health: dict[bytes, HealthDayRecord] = field(default_factory=dict)
    meters: dict[bytes, MeterDayRecord] = field(default_factory=dict)
    critical: dict[bytes, CriticalCellsRecord] = field(default_factory=dict)
    kept: dict[tuple[str, int], bytes] = field(default_factory=dict)
    signals: dict[tuple[str, str, int, str], Row] = field(default_factory=dict)
    limits: dict[tuple[str, int], SignalWindowsRecord] = field(default_factory=dict)
    alarms: list[BatteryAlarmRecord] = field(default_factory=list)

    @property
    def levels(self) -> frozenset[str]:
        """Lengths of the windows that a table shows."""
        return frozenset((DAY, self.level))

    def take(self, output: Output) -> None:
        """Keep what a table shows of a record."""
        if output.topic == topics.HEALTH_DAILY:
            self.health[output.key] = _health.decode(output.value)
        elif output.topic == topics.METER_DAILY:
            self.meters[output.key] = _meter.decode(output.value)
        elif output.topic == topics.CRITICAL_CELLS:
            self.critical[output.key] = _critical.decode(output.value)
        elif output.topic == topics.ALARMS:
            self.alarms.append(_alarm.decode(output.value))
        elif output.topic in {topics.CELLS[level] for level in self.levels}:
            for each in one_by_one(_windows.decode(output.value)):
                self.kept[each.id, each.start[0]] = _encoder.encode(each)
        elif output.topic in {topics.SIGNALS[level] for level in self.levels}:
            record = _signals.decode(output.value)
            if record.evaluability:
                days = {(each.system, each.start[0]): each for each in one_by_one(record)}
                self.limits |= days
            for start, signal, row in _signal_rows(record):
                self.signals[record.resolution, record.system, start, signal] = row

    def files(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Lines of each table with the name of its file; none where there is nothing to show."""
        found: dict[str, Callable[[], Iterable[Row]]] = {
            "health_daily.csv": lambda: map(_day, _in_order(self.health)),
            "dwell_daily.csv": lambda: _rows_of(dwell_rows, _in_order(self.health)),
            "meter_daily.csv": lambda: map(_day, _in_order(self.meters)),
            **{
                f"signals_{'daily' if level == DAY else level}.csv": partial(
                    self._of_signals, level
                )
                for level in (DAY, self.level)
            },
            "evaluability_daily.csv": self._evaluabilities,
            "critical_cells.csv": lambda: _rows_of(_criticals, _in_order(self.critical)),
            "battery_alarms.csv": lambda: map(_event, self._events()),
        }
        for name, rows in found.items():
            if columns := dict.fromkeys(name for row in rows() for name in row):
                yield name, _csv(columns, rows())
        if first := next(self._of_cells(), None):
            yield "cells_daily.csv", _csv(first, self._of_cells())
        if self.batteries:
            yield battery_files.FILE, battery_files.lines(self.batteries, self._records())

    def unwatched(self) -> Iterator[str]:
        """What no limit watches in systems without packs of cells, a line each kind of them."""
        alike: dict[str, list[str]] = {}
        for name, battery in sorted(self._without_packs().items()):
            days = [each for (system, _), each in self.limits.items() if system == name]
            found = collected(battery, days).limits or {}
            names = [each for each in get_args(LimitIndicator) if found.get(each) != EVALUABLE]
            alike.setdefault(", ".join(names), []).append(name)
        for missing, systems in alike.items():
            yield f"no packs of cells: {', '.join(systems)}; no limit watches {missing}"

    def _without_packs(self) -> dict[str, Battery]:
        return {each.system: each for each in self.batteries if not each.packs}

    def _of_systems(self) -> Iterator[Row]:
        """Limits of systems without packs on each day, and that nothing is told of cells."""
        for _, day in sorted(self.limits.items(), key=lambda each: each[0]):
            for indicator, reason in (day.evaluability or [{}])[0].items():
                yield _of_window(day, 0) | {"indicator": indicator, "reason": reason}

    def _records(self) -> Iterator[tuple[topics.Topic, Record]]:
        yield from ((topics.CELLS[each.resolution], each) for each in self._windows())
        yield from ((topics.CRITICAL_CELLS, each) for each in _in_order(self.critical))
        yield from ((topics.HEALTH_DAILY, each) for each in _in_order(self.health))
        yield from ((topics.SIGNALS[DAY], self.limits[key]) for key in sorted(self.limits))

    def _windows(self, level: str = "") -> Iterator[CellWindowsRecord]:
        """Of one length or of all, read one by one: a year of days would fill the memory."""
        chosen = (key for key in self.kept if key[0].endswith(level))
        for key in sorted(chosen, key=lambda k: (natural_key(k[0]), k[1])):
            yield _windows.decode(self.kept[key])

    def _of_cells(self) -> Iterator[Row]:
        return _rows_of(_cells, self._windows(f"/{DAY}"))

    def _evaluabilities(self) -> Iterator[Row]:
        return chain(_rows_of(_evaluable, self._windows(f"/{DAY}")), self._of_systems())

    def _of_signals(self, level: str) -> Iterator[Row]:
        found = sorted(key for key in self.signals if key[0] == level)
        return (self.signals[key] for key in found)

    def _events(self) -> list[BatteryAlarmRecord]:
        return sorted(self.alarms, key=lambda each: (each.time, natural_key(each.id)))


def _in_order(records: Mapping[bytes, Any]) -> list[Any]:
    return [records[key] for key in sorted(records, key=lambda key: natural_key(key.decode()))]


def _day(record: HealthDayRecord | MeterDayRecord) -> Row:
    """A day with a column an indicator; what cannot be told is empty, the reasons stand last."""
    names = sorted({*record.values, *record.missing})
    subject = "system" if isinstance(record, HealthDayRecord) else "meter"
    row: Row = {
        "date": record.date,
        subject: getattr(record, subject),
        "rows": record.rows,
        "revision": record.revision,
        "final": record.final,
    }
    if isinstance(record, HealthDayRecord):
        row["band"] = record.band
    else:
        row |= {f"{name}_verdict": record.verdicts.get(name) for name in ("import", "export")}
    reasons = ";".join(f"{name}={why}" for name, why in sorted(record.missing.items()))
    return {**row, **{name: record.values.get(name) for name in names}, "missing": reasons}


def _of_pack(window: CellWindowsRecord) -> Row:
    span = {"start": iso(window.start[0]), "end": iso(window.end[0]), "system": window.system}
    return span | {"pack": window.pack, "revision": window.revision[0], "final": window.final}


def _evaluable(window: CellWindowsRecord) -> Iterator[Row]:
    for indicator, reasons in (window.evaluability or [{}])[0].items():
        for reason, windows in reasons.items():
            told = {"indicator": indicator, "reason": reason, "windows": windows}
            yield _of_pack(window) | told
    for indicator, reason in (window.missing or [{}])[0].items():
        yield _of_pack(window) | {"indicator": indicator, "reason": reason}


def _cells(window: CellWindowsRecord) -> Iterator[Row]:
    for at in range(len(window.voltage_samples[0])):
        values = {name: getattr(window, name)[0][at] for name in OF_CELL}
        yield _of_pack(window) | {"cell": at + 1} | values


def _signal_rows(record: SignalWindowsRecord) -> Iterator[tuple[int, str, Row]]:
    """Signals of windows, as far as they came: start of the window, signal, and the row."""
    for at, start in enumerate(record.start):
        window = _of_window(record, at)
        for which, signal in enumerate(record.signals):
            values = {name: getattr(record, name)[at][which] for name in OF_SIGNAL}
            if values["samples"] or values["refused"]:
                yield start, signal, window | {"signal": signal} | values


def _of_window(record: SignalWindowsRecord, at: int) -> Row:
    span = {"start": iso(record.start[at]), "end": iso(record.end[at]), "system": record.system}
    return span | {"revision": record.revision[at], "final": record.final}


def _criticals(table: CriticalCellsRecord) -> Iterator[Row]:
    for each in table.cells:
        place = {"date": table.date, "system": table.system, "pack": table.pack}
        yield place | msgspec.structs.asdict(each)


def _event(alarm: BatteryAlarmRecord) -> Row:
    return {name: getattr(alarm, name) for name in OF_ALARM}


def _rows_of(rows: Callable[[Any], Iterable[Row]], records: Iterable[Any]) -> Iterator[Row]:
    return chain.from_iterable(map(rows, records))


def _csv(columns: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    """Lines, none of them kept."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
