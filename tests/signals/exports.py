"""Small exports of signals, written by the tests that need them, and what is read of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from replay.config import parse_config
from replay.signals.export import SignalExport
from stream_app.core.battery import CellSamples

MINUTE_MS = 60_000
START = datetime(2025, 7, 1, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
SYSTEM = "station/battery/A"

Row = tuple[int, dict[str, list[float | None]]]
"""Time, and the values of each signal."""


def signal_file(path: Path, rows: Iterable[tuple[object, object]]) -> Path:
    """A file ``ts,<signal>`` with the name of the signal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"ts,{path.stem}", *(f"{time},{value}" for time, value in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def at(seconds: float, zone: str = "UTC") -> str:
    """Local text of a time after the start."""
    local = (START + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone))
    return local.strftime("%Y-%m-%d %H:%M:%S")


def minutes(values: Sequence[object], late_s: float = 0.0) -> list[tuple[str, object]]:
    """A value a minute, by a clock that is late."""
    return [(at(60 * n + late_s), value) for n, value in enumerate(values)]


def opened(folder: Path, **sections: object) -> SignalExport:
    """An export of the S4 names, in UTC unless said."""
    given: dict[str, object] = {
        "data": {"paths": [str(folder)], "interval": "1min"},
        "parsing": {"timezone": "UTC"},
        "signals": {"preset": "s4"},
        **sections,
    }
    return SignalExport.open(parse_config(given))


def without_absent(remarks: Sequence[str]) -> list[str]:
    """Remarks but those on signals that no file of a small export holds."""
    return [each for each in remarks if "which signals.rules names" not in each]


def rows_of(export: SignalExport, **options: int | None) -> dict[tuple[str, str], list[Row]]:
    """All rows of each record's kind by key and pack ("" for signals), whatever the batches."""
    found: dict[tuple[str, str], list[Row]] = {}
    for batch in export.batches(**options):  # type: ignore[arg-type]
        for key, samples in batch.samples:
            pack = samples.pack if isinstance(samples, CellSamples) else ""
            rows = found.setdefault((key, pack), [])
            columns = columns_of(samples)
            rows += [
                (time, {name: listed(values[n]) for name, values in columns.items()})
                for n, time in enumerate(samples.times.tolist())
            ]
    return found


def columns_of(samples: object) -> Mapping[str, np.ndarray]:
    if isinstance(samples, CellSamples):
        names = ("voltage_v", "temperature_c", "current_a", "soc_ratio")
        every = {name: getattr(samples, name) for name in names}
        return {name: values for name, values in every.items() if values is not None}
    return samples.values  # type: ignore[attr-defined,no-any-return]


def listed(value: np.ndarray) -> list[float | None]:
    return [None if np.isnan(each) else float(each) for each in np.atleast_1d(value)]


def values(rows: Sequence[Row], name: str) -> dict[int, list[float | None]]:
    """Minute -> values of one signal."""
    return {(time - START_MS) // MINUTE_MS: of[name] for time, of in rows}
