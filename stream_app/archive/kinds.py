"""The tables of the archive: which topic each comes from, its columns, and the rows of a record."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from schemas import results, topics
from schemas import results_battery as battery
from schemas.topics import Topic
from stream_app.archive import cells, signals
from stream_app.archive.cells import TIME
from stream_app.archive.layout import Place
from stream_app.core.calendar import calendar
from stream_app.core.health.indicators import INDICATORS
from stream_app.core.integrator import DAY
from stream_app.core.meter_day import READINGS

Row = dict[str, Any]
Rows = Callable[[bytes, int], Iterator[tuple[dict[str, str], pa.Table]]]
"""Tables of a record's value at an offset, by what names their folder."""

BATTERY, METER, POWER = ("site", "system", "date"), ("site", "meter", "date"), ("site", "date")


@dataclass(frozen=True)
class Kind:
    """One table.

    Attributes
    ----------
    topic
        Where its records come from.
    folders
        Columns that stand in the names of folders and not in files.
    key
        Columns that say which rows are revisions of one another; the highest revision, and of one
        revision the highest offset, holds.
    """

    name: str
    topic: Topic
    folders: tuple[str, ...]
    schema: pa.Schema
    key: tuple[str, ...]
    rows: Rows

    def tables(self, value: bytes, offset: int) -> Iterator[tuple[Place, pa.Table]]:
        """Rows of a record by their folder; nothing of a record that is of another kind.

        Raises
        ------
        msgspec.MsgspecError
            The value is no record that this version knows.
        """
        for names, table in self.rows(value, offset):
            place = (("kind", self.name), *((name, names[name]) for name in self.folders))
            yield place, table


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(*each) for each in (*fields, ("kafka_offset", pa.int64()))])


def _from_rows(schema: pa.Schema, rows_of: Callable[[bytes], tuple[Row, list[Row]]]) -> Rows:
    """Rows of a record that all lie in one folder."""

    def rows(value: bytes, offset: int) -> Iterator[tuple[dict[str, str], pa.Table]]:
        names, found = rows_of(value)
        if found:
            numbered = [row | {"kafka_offset": offset} for row in found]
            yield names, pa.Table.from_pylist(numbered, schema=schema)

    return rows


TEXT, REAL, WORDS = pa.string(), pa.float64(), pa.map_(pa.string(), pa.string())
_DAY = (("start", TIME), ("end", TIME), ("rows", pa.int64()))
_VERSION = (("revision", pa.int32()), ("final", pa.bool_()))
_CONDITION = (
    ("pack", TEXT),
    ("cell", pa.int16()),
    ("value", REAL),
    ("limit", REAL),
    ("unit", TEXT),
    ("model", TEXT),
    ("message", TEXT),
    ("id", TEXT),
    ("signal", TEXT),
    ("judged", pa.bool_()),
    ("worst", REAL),
    ("worst_limit", REAL),
)
CYCLES = pa.list_(
    pa.struct([("soc_low_ppm", pa.int32()), ("soc_high_ppm", pa.int32()), ("number", pa.int32())])
)
_CYCLE = tuple(field.name for field in CYCLES.value_type)
HEALTH = _schema(
    *_DAY,
    *((name, REAL) for name in INDICATORS),
    ("band", TEXT),
    ("missing", WORDS),
    ("cycles", CYCLES),
    ("dwell_ms", pa.map_(TEXT, pa.list_(pa.int64()))),
    *_VERSION,
)
METERS = _schema(
    *_DAY,
    *((name, REAL) for name in READINGS),
    ("missing", WORDS),
    ("verdicts", WORDS),
    *_VERSION,
)
CRITICAL = _schema(
    ("pack", TEXT),
    ("start", TIME),
    ("end", TIME),
    ("rank", pa.int32()),
    ("cell", pa.int16()),
    ("rule", TEXT),
    ("since", TIME),
    ("until", TIME),
    ("days", pa.int32()),
    ("worst", REAL),
    ("limit", REAL),
    ("unit", TEXT),
)
ALARMS = _schema(
    ("time", TIME),
    ("rule", TEXT),
    ("state", TEXT),
    ("priority", TEXT),
    ("since", TIME),
    *_CONDITION,
)
FINDINGS = _schema(("rule", TEXT), ("since", TIME), ("until", TIME), ("seconds", REAL), *_CONDITION)
_ENERGY = ("charged_kwh", "discharged_kwh", "net_kwh", "error_bound_kwh", "known_s", "coverage")
ENERGY = _schema(
    ("block", TEXT),
    ("input", TEXT),
    ("enclosure", TEXT),
    ("start", TIME),
    ("end", TIME),
    *((name, REAL) for name in _ENERGY),
    ("samples", pa.int64()),
    ("reason", TEXT),
    *_VERSION,
)


def _health(value: bytes) -> tuple[Row, list[Row]]:
    record = msgspec.json.decode(value, type=battery.HealthDayRecord)
    cycles = [dict(zip(_CYCLE, each, strict=True)) for each in record.cycles]
    special = {
        "missing": _pairs(record.missing),
        "cycles": cycles,
        "dwell_ms": _pairs(record.dwell),
    }
    return _named(record), [_plain(record) | record.values | special]


def _meter(value: bytes) -> tuple[Row, list[Row]]:
    record = msgspec.json.decode(value, type=battery.MeterDayRecord)
    special = {"missing": _pairs(record.missing), "verdicts": _pairs(record.verdicts)}
    return _named(record), [_plain(record) | record.values | special]


def _critical(value: bytes) -> tuple[Row, list[Row]]:
    """An empty table has a row without a cell: the newest table of a day may be empty."""
    record = msgspec.json.decode(value, type=battery.CriticalCellsRecord)
    day = {"pack": record.pack, "start": _time(record.start), "end": _time(record.end)}
    return _named(record), [day | _plain(each) for each in record.cells] or [day]


def _alarm(value: bytes) -> tuple[Row, list[Row]]:
    if not _is_of_battery(value):
        return {}, []
    record = msgspec.json.decode(value, type=battery.BatteryAlarmRecord)
    return _on_day(record, record.time), [_plain(record)]


def _finding(value: bytes) -> tuple[Row, list[Row]]:
    if not _is_of_battery(value):
        return {}, []
    record = msgspec.json.decode(value, type=battery.BatteryFindingRecord)
    return _on_day(record, record.until), [_plain(record)]


def _energy(value: bytes) -> tuple[Row, list[Row]]:
    record = msgspec.json.decode(value, type=results.DailyRecord)
    return _named(record), [_plain(record)]


class _Subject(msgspec.Struct):
    """As much of an alarm as says whose it is."""

    system: str | None = None


_subject = msgspec.json.Decoder(_Subject)


def _is_of_battery(value: bytes) -> bool:
    """Whether an alarm or a finding is of a battery system, or else of a power block."""
    return _subject.decode(value).system is not None


def _plain(record: msgspec.Struct) -> Row:
    """Fields as they are; ISO 8601 texts of times become times."""
    fields = msgspec.structs.asdict(record)
    times = ("start", "end", "time", "since", "until")
    return fields | {name: _time(fields[name]) for name in times if name in fields}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _named(record: Any) -> Row:
    return {name: str(each) for name, each in msgspec.structs.asdict(record).items()}


def _on_day(record: Any, time: str) -> Row:
    """The names of a record's folder, with the local day of a time."""
    ms = round(datetime.fromisoformat(time).timestamp() * 1000)
    return _named(record) | {"date": calendar(record.zone).local_date(ms).isoformat()}


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items())


_PACK_WINDOW = ("site", "system", "pack", "start", "cell")
_SYSTEM_WINDOW = ("site", "system", "start", "signal")
_DAY_OF = ("site", "system", "date")
KINDS: tuple[Kind, ...] = (
    *(
        Kind(f"cells_{name}", topic, BATTERY, cells.SCHEMA, _PACK_WINDOW, cells.days)
        for name, topic in topics.CELLS.items()
    ),
    *(
        Kind(f"signals_{name}", topic, BATTERY, signals.SCHEMA, _SYSTEM_WINDOW, signals.days)
        for name, topic in topics.SIGNALS.items()
    ),
    *(
        Kind("evaluability_daily", topic, BATTERY, cells.EVALUABILITY, (*_DAY_OF, "pack"), rows)
        for topic, rows in (
            (topics.CELLS[DAY], cells.evaluability),
            (topics.SIGNALS[DAY], signals.evaluability),
        )
    ),
    Kind(
        "critical_cells",
        topics.CRITICAL_CELLS,
        BATTERY,
        CRITICAL,
        (*_DAY_OF, "pack"),
        _from_rows(CRITICAL, _critical),
    ),
    Kind(
        "health_daily",
        topics.HEALTH_DAILY,
        BATTERY,
        HEALTH,
        _DAY_OF,
        _from_rows(HEALTH, _health),
    ),
    Kind(
        "meter_daily",
        topics.METER_DAILY,
        METER,
        METERS,
        ("site", "meter", "date"),
        _from_rows(METERS, _meter),
    ),
    Kind("battery_alarms", topics.ALARMS, BATTERY, ALARMS, ("id",), _from_rows(ALARMS, _alarm)),
    Kind(
        "battery_findings",
        topics.FINDINGS,
        BATTERY,
        FINDINGS,
        ("id",),
        _from_rows(FINDINGS, _finding),
    ),
    Kind(
        "energy_daily",
        topics.DAILY,
        POWER,
        ENERGY,
        ("site", "date", "block", "enclosure"),
        _from_rows(ENERGY, _energy),
    ),
)
BY_TOPIC: Mapping[str, Sequence[Kind]] = {
    each.topic.suffix: [kind for kind in KINDS if kind.topic == each.topic] for each in KINDS
}
BY_NAME: Mapping[str, Kind] = {each.name: each for each in KINDS}
