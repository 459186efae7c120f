"""Windows of a battery system's signals as rows: one for each signal and window."""

from collections.abc import Iterator

import msgspec
import pyarrow as pa

from schemas.results_battery import SignalWindowsRecord
from stream_app.archive.cells import EVALUABILITY, TIME
from stream_app.core.calendar import calendar

SCHEMA = pa.schema(
    [
        pa.field("zone", pa.string()),
        pa.field("start", TIME),
        pa.field("end", TIME),
        pa.field("signal", pa.string()),
        pa.field("samples", pa.int32()),
        pa.field("refused", pa.int32()),
        pa.field("lowest", pa.float64()),
        pa.field("highest", pa.float64()),
        pa.field("revision", pa.int32()),
        pa.field("rows", pa.int32()),
        pa.field("final", pa.bool_()),
        pa.field("kafka_offset", pa.int64()),
    ]
)
OF_SIGNAL = ("samples", "refused", "lowest", "highest")

_decoder = msgspec.json.Decoder(SignalWindowsRecord)


def days(value: bytes, offset: int) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows of a record, by system and local day; a signal without a value in a window has none."""
    record = _decoder.decode(value)
    local = calendar(record.zone)
    by_day: dict[str, list[dict[str, object]]] = {}
    for place, start in enumerate(record.start):
        rows = by_day.setdefault(local.local_date(start).isoformat(), [])
        rows += _rows(record, place, offset)
    for day, found in by_day.items():
        names = {"site": record.site, "system": record.system, "date": day}
        yield names, pa.Table.from_pylist(found, schema=SCHEMA)


def evaluability(value: bytes, offset: int) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows of what the days of a system without packs could tell of cells, under no pack."""
    record = _decoder.decode(value)
    local = calendar(record.zone)
    for place, reasons in enumerate(record.evaluability or ()):
        start = record.start[place]
        same = {
            "pack": "",
            "start": start,
            "end": record.end[place],
            "revision": record.revision[place],
            "final": record.final,
            "kafka_offset": offset,
        }
        rows = [same | {"indicator": name, "reason": why} for name, why in reasons.items()]
        date = local.local_date(start).isoformat()
        names = {"site": record.site, "system": record.system, "date": date}
        yield names, pa.Table.from_pylist(rows, schema=EVALUABILITY)


def _rows(record: SignalWindowsRecord, place: int, offset: int) -> Iterator[dict[str, object]]:
    window = {
        "zone": record.zone,
        "final": record.final,
        "kafka_offset": offset,
        **{name: getattr(record, name)[place] for name in ("start", "end", "revision", "rows")},
    }
    columns = [getattr(record, name)[place] for name in OF_SIGNAL]
    for signal, *each in zip(record.signals, *columns, strict=True):
        if each[0] or each[1]:
            yield {**window, "signal": signal, **dict(zip(OF_SIGNAL, each, strict=True))}
