"""Windows of cells as rows: one for each cell and window; and what they could support."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from schemas.results_battery import CellWindowsRecord
from stream_app.core.calendar import calendar
from stream_app.core.cells.charge import CHARGE_NAMES

TIME = pa.timestamp("ms", "UTC")

FLOATS = (
    "voltage_min_v",
    "voltage_mean_v",
    "voltage_max_v",
    "voltage_deviation_v",
    "temperature_mean_c",
    "temperature_max_c",
    "temperature_deviation_c",
    "temperature_rise_c_per_s",
)
"""Of each cell."""
LENGTHS_OF = {"voltage_z": ("1h", "1d"), "temperature_influence": ("1d",)}
"""Of each cell too, in windows of these lengths."""
COUNTS = ("voltage_samples", "temperature_samples")
OF_WINDOW = {
    "revision": pa.int32(),
    "rows": pa.int32(),
    "gaps": pa.int32(),
    "voltage_spread_v": pa.float64(),
    "temperature_spread_c": pa.float64(),
    "p1_mv": pa.int32(),
    "p99_mv": pa.int32(),
    "worst_cell": pa.int16(),
    **dict.fromkeys(CHARGE_NAMES, pa.float64()),
}
"""Of the pack in a window: the same in the rows of all its cells."""

SCHEMA = pa.schema(
    [
        pa.field("zone", pa.string()),
        pa.field("pack", pa.string()),
        pa.field("start", TIME),
        pa.field("end", TIME),
        pa.field("cell", pa.int16()),
        *(pa.field(name, pa.float64()) for name in (*FLOATS, *LENGTHS_OF)),
        *(pa.field(name, pa.int32()) for name in COUNTS),
        pa.field("regime", pa.string()),
        *(pa.field(name, kind) for name, kind in OF_WINDOW.items()),
        pa.field("final", pa.bool_()),
        pa.field("kafka_offset", pa.int64()),
    ]
)

EVALUABILITY = pa.schema(
    [
        pa.field("pack", pa.string()),
        pa.field("start", TIME),
        pa.field("end", TIME),
        pa.field("indicator", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("windows", pa.int32()),
        pa.field("revision", pa.int32()),
        pa.field("final", pa.bool_()),
        pa.field("kafka_offset", pa.int64()),
    ]
)

_decoder = msgspec.json.Decoder(CellWindowsRecord)


def days(value: bytes, offset: int) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows of a record, by system and local day."""
    record = _decoder.decode(value)
    local = calendar(record.zone)
    dates = [local.local_date(start).isoformat() for start in record.start]
    for day, places in groupby(range(len(dates)), key=dates.__getitem__):
        some = list(places)
        names = {"site": record.site, "system": record.system, "date": day}
        yield names, _table(record, slice(some[0], some[-1] + 1), offset)


def evaluability(value: bytes, offset: int) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows of what the days of a record could support: one for each indicator and reason.

    Of the charge and health of the pack, which are told of whole days, only why they are missing;
    such rows count no windows.
    """
    record = _decoder.decode(value)
    local = calendar(record.zone)
    for at, counts in enumerate(record.evaluability or ()):
        start = record.start[at]
        same = {
            "pack": record.pack,
            "start": start,
            "end": record.end[at],
            "revision": record.revision[at],
            "final": record.final,
            "kafka_offset": offset,
        }
        rows = [
            same | {"indicator": indicator, "reason": reason, "windows": windows}
            for indicator, reasons in counts.items()
            for reason, windows in reasons.items()
        ]
        missing = record.missing[at] if record.missing else {}
        rows += [same | {"indicator": name, "reason": why} for name, why in missing.items()]
        date = local.local_date(start).isoformat()
        names = {"site": record.site, "system": record.system, "date": date}
        yield names, pa.Table.from_pylist(rows, schema=EVALUABILITY)


def _table(record: CellWindowsRecord, part: slice, offset: int) -> pa.Table:
    windows = len(record.start[part])
    cells = len(record.voltage_samples[0])

    def each(values: Any, kind: pa.DataType) -> pa.Array:
        """A value of each window, for all its cells."""
        found = pa.array(values, type=kind)
        return found.take(pa.array(np.repeat(np.arange(windows), cells)))

    def same(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, type=kind), windows * cells)

    regimes: Sequence[str | None] = record.regime or [None] * len(record.start)
    columns: dict[str, pa.Array] = {
        "zone": same(record.zone, pa.string()),
        "pack": same(record.pack, pa.string()),
        "start": each(record.start[part], TIME),
        "end": each(record.end[part], TIME),
        "cell": pa.array(np.tile(np.arange(1, cells + 1, dtype=np.int16), windows)),
        "regime": each(regimes[part], pa.string()),
        "final": same(record.final, pa.bool_()),
        "kafka_offset": same(offset, pa.int64()),
    }
    for name in FLOATS:
        values = np.array(getattr(record, name)[part], dtype=np.float64)
        columns[name] = pa.array(values.ravel(), from_pandas=True)
    for name in LENGTHS_OF:
        rows = getattr(record, name)
        none = np.full(windows * cells, np.nan)
        values = none if rows is None else np.array(rows[part], dtype=np.float64).ravel()
        columns[name] = pa.array(values, from_pandas=True)
    for name in COUNTS:
        columns[name] = pa.array(np.array(getattr(record, name)[part], dtype=np.int32).ravel())
    for name, kind in OF_WINDOW.items():
        column = getattr(record, name) or [None] * len(record.start)
        columns[name] = each(column[part], kind)
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
