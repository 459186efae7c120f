"""The records behind the tables of batteries: a line a record, to be read again."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from schemas import topics
from schemas.results_battery import (
    CellWindowsRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    SignalWindowsRecord,
)
from stream_app.codec.battery import decode_battery, encode_battery
from stream_app.core.battery import Battery
from stream_app.reports.battery_data import NotFoundError, Record, SystemData, chosen, collected

FILE = "battery_records.jsonl"


class _Line(msgspec.Struct):
    """A record, its topic, and the telemetry key of its battery."""

    topic: str
    key: str
    value: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)
_KINDS: dict[str, type[Record]] = {
    **{topic.suffix: CellWindowsRecord for topic in topics.CELLS.values()},
    topics.CRITICAL_CELLS.suffix: CriticalCellsRecord,
    topics.HEALTH_DAILY.suffix: HealthDayRecord,
    topics.SIGNALS["1d"].suffix: SignalWindowsRecord,
}


def lines(
    batteries: Iterable[Battery], records: Iterable[tuple[topics.Topic, Record]]
) -> Iterator[str]:
    """Lines of the file: the batteries, then records with their topics."""
    for battery in batteries:
        yield _line(topics.TELEMETRY, battery.key, encode_battery(battery))
    for topic, each in records:
        yield _line(topic, f"{each.site}/battery/{each.system}", _encoder.encode(each))


def _line(topic: topics.Topic, key: str, value: bytes) -> str:
    return _encoder.encode(_Line(topic.suffix, key, msgspec.Raw(value))).decode() + "\n"


def read(folder: Path, asked: str) -> SystemData:
    """A system, ``site/system`` or the system alone, of the files in a folder.

    Raises
    ------
    NotFoundError
        The folder has no such file or system, or a line of it cannot be read.
    """
    path = folder / FILE
    batteries: dict[str, Battery] = {}
    found: list[tuple[str, Record]] = []
    try:
        with path.open("rb") as text:
            for number, line in enumerate(text, start=1):
                _take(f"{path} line {number}", line, batteries, found)
    except OSError as fault:
        raise NotFoundError(
            f"{path} cannot be read ({fault.strerror}): `bess process` writes it"
        ) from fault
    battery = batteries[chosen(batteries, asked)]
    return collected(battery, [record for key, record in found if key == battery.key])


def _take(
    where: str, line: bytes, batteries: dict[str, Battery], found: list[tuple[str, Record]]
) -> None:
    try:
        each = _decoder.decode(line)
        if each.topic == topics.TELEMETRY.suffix:
            battery = decode_battery(each.key, bytes(each.value))
            assert isinstance(battery, Battery)
            batteries[f"{battery.site}/{battery.system}"] = battery
        elif each.topic in _KINDS:
            found.append((each.key, msgspec.json.decode(each.value, type=_KINDS[each.topic])))
    except (ValueError, AssertionError) as fault:
        raise NotFoundError(f"{where}: {fault}; run `bess process` again") from fault
