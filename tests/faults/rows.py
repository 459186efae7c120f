"""What the records of each topic say, one thing after the other, however they were framed."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from schemas import topics as contract
from schemas.results import DailyRecord, RollupRecord
from schemas.results_battery import (
    CellWindowsRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    MeterDayRecord,
    SignalWindowsRecord,
)


class Said(NamedTuple):
    """A row as its record has it; ``time`` in ms UTC."""

    series: str
    id: str
    time: int
    value: bytes
    subject: str = ""
    revision: int = 0
    samples: int = 0


class _Event(msgspec.Struct):
    """What names an alarm or a finding, of a power block or of a battery."""

    id: str
    rule: str
    site: str
    block: str | None = None
    input: str | None = None
    system: str | None = None
    pack: str | None = None
    time: str = ""
    until: str = ""


class _Late(msgspec.Struct):
    """Samples of a power block, or rows of a battery or a meter."""

    site: str
    t: list[int]
    reason: str
    dc_power_w: list[float] | None = None
    block: str | None = None
    input: str | None = None
    system: str | None = None
    pack: str | None = None
    meter: str | None = None


def _windows(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=RollupRecord)
    quality = {k: v for k, v in msgspec.structs.asdict(record.quality).items() if v is not None}
    columns = {**msgspec.structs.asdict(record), **quality}
    lists = {k: v for k, v in columns.items() if isinstance(v, list) and k != "enclosures"}
    for place, start in enumerate(record.start):
        window = {name: column[place] for name, column in lists.items()}
        said: dict[str, Any] = {k: v for k, v in window.items() if v or k not in quality}
        said["reason"] = record.reason
        revision = record.revision[place]
        name = f"{start}/{_edition(revision, final=record.final)}"
        for enclosure in record.enclosures:
            windows = f"{record.id}/{enclosure}"
            series, subject = f"{windows}/{record.reason}", f"{windows}/{start}"
            yield Said(series, name, start, _encode(said), subject, revision)


def _day(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=DailyRecord)
    name = f"{record.date}/{_edition(record.revision, final=record.final)}"
    days = f"{record.site}/{record.enclosure}"
    series, subject = f"{days}/{record.reason}", f"{days}/{record.date}"
    start = _ms(record.start)
    yield Said(series, name, start, value, subject, record.revision, record.samples)


def _cells(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=CellWindowsRecord)
    plain = msgspec.structs.asdict(record)
    lists = {name: column for name, column in plain.items() if isinstance(column, list)}
    for place, (start, revision) in enumerate(zip(record.start, record.revision, strict=True)):
        said = plain | {name: column[place] for name, column in lists.items()}
        name = f"{start}/{_edition(revision, final=record.final)}"
        samples = record.rows[place] if record.resolution == "1d" else 0
        subject = f"{record.id}/{start}"
        yield Said(record.id, name, start, _encode(said), subject, revision, samples)


def _signals(value: bytes) -> Iterator[Said]:
    """A record lists the signals that came in any of its windows; a row those of one."""
    record = msgspec.json.decode(value, type=SignalWindowsRecord)
    columns = record.samples, record.refused, record.lowest, record.highest
    about = record.resolution, record.zone
    for place, (start, revision) in enumerate(zip(record.start, record.revision, strict=True)):
        every = zip(record.signals, *(each[place] for each in columns), strict=True)
        came = [each for each in every if each[1] or each[2]]
        said = [*about, start, record.end[place], revision, record.rows[place], came]
        name = f"{start}/{_edition(revision, final=record.final)}"
        yield Said(record.id, name, start, _encode(said), f"{record.id}/{start}", revision)


def _critical(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=CriticalCellsRecord)
    series = f"{record.site}/battery/{record.system}/{record.pack}"
    yield Said(series, record.date, _ms(record.start), value)


def _health(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=HealthDayRecord)
    return _indicators(f"{record.site}/battery/{record.system}", record, value)


def _meter(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=MeterDayRecord)
    return _indicators(f"{record.site}/meter/{record.meter}", record, value)


def _indicators(
    series: str, record: HealthDayRecord | MeterDayRecord, value: bytes
) -> Iterator[Said]:
    name = f"{record.date}/{_edition(record.revision, final=record.final)}"
    start, subject = _ms(record.start), f"{series}/{record.date}"
    yield Said(series, name, start, value, subject, record.revision, record.rows)


def _condition(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=_Event)
    if record.block is None:
        series = f"{record.site}/battery/{record.system}/{record.pack}"
    else:
        series = f"{record.site}/{record.block}/{record.input}/{record.rule}"
    yield Said(series, record.id, _ms(record.until or record.time), value)


def _late(value: bytes) -> Iterator[Said]:
    record = msgspec.json.decode(value, type=_Late)
    whose = (record.site, record.block, record.input, record.system, record.pack, record.meter)
    series = "/".join(each for each in whose if each is not None)
    powers: list[float] | list[None] = record.dc_power_w or [None] * len(record.t)
    for at, power in zip(record.t, powers, strict=True):
        yield Said(series, f"{at}", at, _encode([power, record.reason]))


ROWS: dict[str, Callable[[bytes], Iterator[Said]]] = {
    **{topic.suffix: _windows for topic in contract.ROLLUPS.values()},
    contract.DAILY.suffix: _day,
    **{topic.suffix: _cells for topic in contract.CELLS.values()},
    **{topic.suffix: _signals for topic in contract.SIGNALS.values()},
    contract.CRITICAL_CELLS.suffix: _critical,
    contract.HEALTH_DAILY.suffix: _health,
    contract.METER_DAILY.suffix: _meter,
    contract.ALARMS.suffix: _condition,
    contract.FINDINGS.suffix: _condition,
    contract.TOO_LATE.suffix: _late,
}
"""Topic suffix -> the rows of one of its records."""
TOPIC = {topic.suffix: topic for topic in contract.TOPICS}


def _edition(revision: int, *, final: bool) -> str:
    return f"r{revision}/{'final' if final else 'preview'}"


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
