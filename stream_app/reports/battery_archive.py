"""A battery system from an archive of Parquet files."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from schemas.results_battery import CellWindowsRecord as Window
from schemas.results_battery import CriticalCellRecord, CriticalCellsRecord, HealthDayRecord
from stream_app.archive.cells import COUNTS, FLOATS, LENGTHS_OF, OF_WINDOW
from stream_app.archive.disk import ArchiveError
from stream_app.archive.layout import place_of
from stream_app.archive.read import read as read_table
from stream_app.codec.results import iso
from stream_app.core.battery import Battery
from stream_app.core.cells.charge import CHARGE_NAMES
from stream_app.core.health.indicators import INDICATORS
from stream_app.reports.battery_data import NotFoundError, Record, SystemData, chosen, collected

DAY = "1d"


def is_archive(folder: Path) -> bool:
    """Whether a folder is that of an archive."""
    return any(folder.glob("kind=*"))


def read(folder: Path, asked: str, level: str, days: int) -> SystemData:
    """A system, ``site/system`` or the system alone: all its days, and its newest windows.

    Parameters
    ----------
    level
        Length of windows that are read beside the days.
    days
        So many of the newest local days have windows shorter than a day.

    Raises
    ------
    NotFoundError
        There is no such system, or a file cannot be read.
    """
    site, _, system = chosen(_systems(folder), asked).partition("/")
    names = {"site": site, "system": system}
    try:
        windows = list(_windows(folder, names, DAY, None))
        if level != DAY:
            windows += _windows(folder, names, level, _since(folder, names, level, days))
        records: list[Record] = [*windows, *_critical(folder, names), *_health(folder, names)]
        limits, zone = _limits(folder, names), _zone(folder, names)
    except (ArchiveError, pa.ArrowException, OSError) as fault:
        raise NotFoundError(f"{folder}: {fault}") from fault
    if not windows and limits is not None and zone is not None:
        # What its limits are is in no table: they are not those of a preset.
        battery = Battery(site, system, zone, {}, limits="none")
        return replace(collected(battery, records), limits=limits)
    if not windows:
        raise NotFoundError(f"{folder} has no windows of {site}/{system} of {DAY} or {level}")
    packs = {each.pack: len(each.voltage_samples[0]) for each in windows}
    return collected(Battery(site, system, windows[-1].zone, packs), records)


def _places(folder: Path, pattern: str) -> Iterator[dict[str, str]]:
    for path in folder.glob(pattern):
        yield dict(place_of(str(path.relative_to(folder))))


def _systems(folder: Path) -> set[str]:
    kinds = "cells_*", "signals_1d"
    found = (each for kind in kinds for each in _places(folder, f"kind={kind}/site=*/system=*"))
    return {f"{each['site']}/{each['system']}" for each in found}


def _limits(folder: Path, names: dict[str, str]) -> dict[str, str] | None:
    """What the newest day of a system without packs can tell of cells; None of one with packs."""
    table = _table(folder, "evaluability_daily", names, None)
    rows = [] if table is None else [row for row in table.to_pylist() if not row["pack"]]
    newest = max((row["start"] for row in rows), default=None)
    return {row["indicator"]: row["reason"] for row in rows if row["start"] == newest} or None


def _zone(folder: Path, names: dict[str, str]) -> str | None:
    table = _table(folder, f"signals_{DAY}", names, None)
    return None if table is None else str(table["zone"][-1])


def _since(folder: Path, names: dict[str, str], level: str, days: int) -> date | None:
    every = _places(folder, f"kind=cells_{level}/site=*/system=*/date=*")
    dates = [each["date"] for each in every if each.items() >= names.items()]
    return date.fromisoformat(max(dates)) - timedelta(days=days - 1) if dates else None


def _table(folder: Path, kind: str, names: dict[str, str], since: date | None) -> pa.Table | None:
    try:
        return read_table(folder, kind, names, since)
    except ArchiveError:
        return None


def _windows(
    folder: Path, names: dict[str, str], level: str, since: date | None
) -> Iterator[Window]:
    """Records of one window each; the rows of a window lie together, cell by cell."""
    table = _table(folder, f"cells_{level}", names, since)
    if table is None or not table.num_rows:
        return
    of_cells = (*FLOATS, *COUNTS, *(name for name in LENGTHS_OF if level in LENGTHS_OF[name]))
    columns = {name: table[name].to_numpy() for name in (*of_cells, "cell")}
    starts = np.flatnonzero(columns["cell"] == 1)
    evaluable = _evaluable(folder, names, since) if level == DAY else {}
    of_window = [name for name in OF_WINDOW if level == DAY or name not in CHARGE_NAMES]
    plain = table.select(["pack", "start", "end", "final", "regime", "zone", *of_window])
    firsts = plain.take(pa.array(starts)).to_pylist()
    for row, first, last in zip(firsts, starts, np.append(starts[1:], table.num_rows), strict=True):
        cells = {name: [_known(columns[name][first:last])] for name in of_cells}
        plain_window = {
            "v": 1,
            "id": f"{names['site']}/battery/{names['system']}/{row['pack']}/{level}",
            **names,
            **{name: row[name] for name in ("pack", "zone", "final")},
            "resolution": level,
            "start": [_ms(row["start"])],
            "end": [_ms(row["end"])],
            "regime": _one(row["regime"]),
            **evaluable.get((row["pack"], row["start"]), {}),
            **{name: [row[name]] for name in of_window},
            **cells,
        }
        yield msgspec.convert(plain_window, Window)


def _evaluable(
    folder: Path, names: dict[str, str], since: date | None
) -> dict[tuple[str, datetime], dict[str, list[dict[str, Any]]]]:
    """``evaluability`` and ``missing`` of each pack and start of a day, as a record has them."""
    table = _table(folder, "evaluability_daily", names, since)
    found: dict[tuple[str, datetime], dict[str, list[dict[str, Any]]]] = {}
    for row in [] if table is None else table.to_pylist():
        fields = found.setdefault(
            (row["pack"], row["start"]), {"evaluability": [{}], "missing": [{}]}
        )
        if row["windows"] is None:
            fields["missing"][0][row["indicator"]] = row["reason"]
        else:
            counts = fields["evaluability"][0].setdefault(row["indicator"], {})
            counts[row["reason"]] = row["windows"]
    return found


def _one(value: Any) -> list[Any] | None:
    return None if value is None else [value]


def _known(values: Any) -> list[Any]:
    return [None if each != each else each for each in values.tolist()]  # noqa: PLR0124


def _critical(folder: Path, names: dict[str, str]) -> Iterator[CriticalCellsRecord]:
    table = _table(folder, "critical_cells", names, None)
    tables: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in [] if table is None else table.to_pylist():
        tables.setdefault((row["pack"], row["date"]), []).append(row)
    for (pack, day), rows in tables.items():
        yield CriticalCellsRecord(
            v=1,
            id=f"{names['site']}/battery/{names['system']}/{pack}/{day}",
            site=names["site"],
            system=names["system"],
            pack=pack,
            date=day,
            start=iso(_ms(rows[0]["start"])),
            end=iso(_ms(rows[0]["end"])),
            cells=sorted(
                (_cell(row) for row in rows if row["cell"] is not None), key=lambda each: each.rank
            ),
        )


def _cell(row: dict[str, Any]) -> CriticalCellRecord:
    times = {
        name: None if row[name] is None else iso(_ms(row[name])) for name in ("since", "until")
    }
    fields = ("rank", "cell", "rule", "days", "worst", "limit", "unit")
    return msgspec.convert({name: row[name] for name in fields} | times, CriticalCellRecord)


def _health(folder: Path, names: dict[str, str]) -> Iterator[HealthDayRecord]:
    table = _table(folder, "health_daily", names, None)
    for row in [] if table is None else table.to_pylist():
        yield HealthDayRecord(
            v=1,
            id=f"{names['site']}/battery/{names['system']}/{row['date']}/r{row['revision']}",
            site=names["site"],
            system=names["system"],
            date=row["date"],
            start=iso(_ms(row["start"])),
            end=iso(_ms(row["end"])),
            rows=row["rows"],
            values={name: row[name] for name in INDICATORS if row[name] is not None},
            missing=dict(row["missing"]),
            band=row["band"],
            cycles=[tuple(each.values()) for each in row["cycles"]],
            dwell=dict(row["dwell_ms"]),
            revision=row["revision"],
            final=row["final"],
        )


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
