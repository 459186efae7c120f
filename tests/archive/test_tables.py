"""What is in the files is what the records say."""

from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from replay.config import load_config
from replay.sample.cells import CellSpec, write_cells
from replay.signals.export import SignalExport
from schemas.results_battery import CellWindowsRecord, CriticalCellsRecord, HealthDayRecord
from schemas.topics import (
    ALARMS,
    CELLS,
    CRITICAL_CELLS,
    FINDINGS,
    HEALTH_DAILY,
    METER_DAILY,
    SIGNALS,
)
from stream_app.archive.cells import FLOATS
from stream_app.archive.disk import ArchiveError
from stream_app.archive.files import open_archive
from stream_app.archive.kinds import BY_TOPIC, KINDS
from stream_app.archive.layout import Span
from stream_app.archive.read import read
from stream_app.archive.sink import tables_of
from stream_app.codec.results import Output
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery import Battery, SystemSamples
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.meter_day import READINGS
from stream_app.process_signals import process_signals
from stream_app.reports import battery_archive
from stream_app.reports.battery_data import NotFoundError, collected
from tests.schemas.examples import outputs as examples

SPEC = CellSpec(days=3, interval_s=300, systems=2, packs=2, cells=8, meters=1, seed=3)
Records = dict[str, list[Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    folder = write_cells(tmp_path_factory.mktemp("cells"), SPEC).directory
    found: list[Output] = []
    export = SignalExport.open(load_config(folder / "config.yaml"))
    process_signals(export, found.append, lambda *_: None)
    return by_topic([*found, *examples()])


def by_topic(outputs: list[Output]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for each in outputs:
        if each.topic.suffix in BY_TOPIC:
            found[each.topic.suffix].append(each.value)
    return dict(found)


def write(directory: Path, results: dict[str, list[bytes]], length: int) -> None:
    """Archive the records of each topic, some at a time."""
    with open_archive(directory, "bess") as archive:
        for topic, values in results.items():
            numbered = list(enumerate(values))
            for first in range(0, len(values), length):
                some = numbered[first : first + length]
                span = Span(topic, 0, first, first + len(some))
                archive.append(span, tables_of(span, some))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, results: dict[str, list[bytes]]) -> Path:
    directory = tmp_path_factory.mktemp("archive")
    write(directory, results, 20)
    return directory


def records(results: dict[str, list[bytes]], topic: str) -> list[Any]:
    return [msgspec.json.decode(value) for value in results[topic]]


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def test_every_table_has_rows(archive: Path) -> None:
    assert {each.name for each in KINDS if read(archive, each.name).num_rows} == {
        each.name for each in KINDS
    }


@pytest.mark.parametrize("resolution", CELLS)
def test_a_row_of_cells_says_what_its_record_says(
    archive: Path, results: dict[str, list[bytes]], resolution: str
) -> None:
    expected: dict[tuple[object, ...], list[object]] = {}
    for record in records(results, CELLS[resolution].suffix):
        names = record["site"], record["system"], record["pack"]
        regimes = record.get("regime") or [None] * len(record["start"])
        for at, start in enumerate(record["start"]):
            for cell in range(len(record["voltage_samples"][at])):
                row = [record[name][at][cell] for name in FLOATS]
                row += [record[name][at] for name in ("revision", "rows", "gaps", "p1_mv")]
                row += [regimes[at], record["final"]]
                key = (*names, start, cell + 1)
                if key not in expected or row[8] > expected[key][8]:  # type: ignore[operator]
                    expected[key] = row
    columns = [*FLOATS, "revision", "rows", "gaps", "p1_mv", "regime", "final"]
    found = {
        (row["site"], row["system"], row["pack"], ms(row["start"]), row["cell"]): [
            row[name] for name in columns
        ]
        for row in read(archive, f"cells_{resolution}").to_pylist()
    }

    assert found == expected


@pytest.mark.parametrize("resolution", SIGNALS)
def test_a_row_of_signals_says_what_its_record_says(
    archive: Path, results: dict[str, list[bytes]], resolution: str
) -> None:
    columns = ("samples", "refused", "lowest", "highest")
    expected: dict[tuple[object, ...], list[object]] = {}
    for record in records(results, SIGNALS[resolution].suffix):
        for at, start in enumerate(record["start"]):
            for place, signal in enumerate(record["signals"]):
                row = [record[name][at][place] for name in columns]
                if row[0] or row[1]:
                    row += [record["revision"][at], record["rows"][at], record["final"]]
                    expected[record["site"], record["system"], start, signal] = row
    found = {
        (row["site"], row["system"], ms(row["start"]), row["signal"]): [
            row[name] for name in (*columns, "revision", "rows", "final")
        ]
        for row in read(archive, f"signals_{resolution}").to_pylist()
    }

    assert found == expected


def test_days_are_local_and_whole(archive: Path) -> None:
    table = read(archive, "cells_1h", {"site": "north"})

    assert {(row["date"], row["start"].isoformat()) for row in table.to_pylist()} == {
        # Midnight in Sydney is 14:00 UTC.
        ("2024-06-01", "2024-05-31T14:00:00+00:00"),
        ("2024-06-02", "2024-06-01T14:00:00+00:00"),
    }


def test_health_has_a_column_for_each_indicator(
    archive: Path, results: dict[str, list[bytes]]
) -> None:
    newest = {(r["system"], r["date"]): r for r in records(results, HEALTH_DAILY.suffix)}

    for row in read(archive, "health_daily").to_pylist():
        record = newest.pop((row["system"], row["date"]))
        assert {name: row[name] for name in record["values"]} == record["values"]
        assert dict(row["missing"]) == record["missing"]
        assert all(row[name] is None for name in record["missing"])
        assert dict(row["dwell_ms"]) == record["dwell"]
        assert row["revision"] == record["revision"]
    assert not newest


def test_meters_have_a_column_for_each_reading(
    archive: Path, results: dict[str, list[bytes]]
) -> None:
    newest = {(r["meter"], r["date"]): r for r in records(results, METER_DAILY.suffix)}

    for row in read(archive, "meter_daily").to_pylist():
        record = newest.pop((row["meter"], row["date"]))
        assert {name: row[name] for name in record["values"]} == record["values"]
        assert {*record["values"], *record["missing"]} == set(READINGS)
    assert not newest


@pytest.mark.parametrize(
    ("kind", "topic"), [("battery_alarms", ALARMS), ("battery_findings", FINDINGS)]
)
def test_conditions_of_batteries_are_there_and_those_of_power_blocks_are_not(
    archive: Path, results: dict[str, list[bytes]], kind: str, topic: Any
) -> None:
    every = records(results, topic.suffix)
    of_battery = {r["id"]: r for r in every if "system" in r}
    assert len(of_battery) < len(every)

    for row in read(archive, kind).to_pylist():
        record = of_battery.pop(row["id"])
        for name in ("rule", "pack", "cell", "value", "limit", "unit", "message"):
            assert row[name] == record[name]
        assert ms(row["since"]) == ms(datetime.fromisoformat(record["since"]))
    assert not of_battery


def test_the_newest_table_of_critical_cells_of_a_day_holds(
    archive: Path, results: dict[str, list[bytes]]
) -> None:
    newest = {r["id"]: r for r in records(results, CRITICAL_CELLS.suffix)}
    found: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for row in read(archive, "critical_cells").to_pylist():
        key = f"{row['site']}/battery/{row['system']}/{row['pack']}/{row['date']}"
        found[key] += [(row["rank"], row["cell"], row["rule"])] if row["cell"] else []

    assert {key: sorted(rows) for key, rows in found.items()} == {
        key: [(each["rank"], each["cell"], each["rule"]) for each in record["cells"]]
        for key, record in newest.items()
    }


def test_revisions_are_kept_and_the_newest_holds(tmp_path: Path) -> None:
    [value] = [each.value for each in examples() if each.topic == CELLS["1d"]][:1]
    record = msgspec.json.decode(value)
    again = record | {"revision": [2] * len(record["revision"]), "final": True}
    write(tmp_path, {CELLS["1d"].suffix: [value, msgspec.json.encode(again), value]}, 2)

    assert read(tmp_path, "cells_1d")["revision"].to_pylist() == [2] * 6 * len(record["start"])
    every = read(tmp_path, "cells_1d", every_revision=True)
    assert sorted(set(every["revision"].to_pylist())) == [1, 2]


def test_days_systems_and_columns_can_be_chosen(archive: Path) -> None:
    table = read(
        archive,
        "cells_1d",
        {"site": "north"},
        since=date(2024, 6, 2),
        columns=["voltage_mean_v"],
    )

    assert set(table["date"].to_pylist()) == {"2024-06-02"}
    assert "temperature_mean_c" not in table.column_names
    assert np.isfinite(table["voltage_mean_v"].to_numpy()).all()
    with pytest.raises(ArchiveError, match="has no cells_1d of what is asked for"):
        read(archive, "cells_1d", {"site": "south"})
    with pytest.raises(ArchiveError, match="no table cells: there are cells_5min"):
        read(archive, "cells")


def test_common_readers_take_a_table_as_it_is(archive: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(archive / "kind=cells_1d")

    assert {"site", "system", "date", "pack", "cell", "voltage_min_v"} <= set(table.columns)
    assert str(table["start"].dtype) == "datetime64[ms, UTC]"
    assert len(table) == pq.read_table(archive / "kind=cells_1d").num_rows


def test_a_record_that_cannot_be_read_stops_the_archive_and_is_named() -> None:
    span = Span("cells.1d.v1", 3, 0, 10)

    with pytest.raises(ArchiveError, match=r"cells.1d.v1, partition 3, offset 7: no record"):
        tables_of(span, [(7, b'{"v":2}')])


@pytest.mark.parametrize("level", ["1d", "1h"])
def test_a_system_of_an_archive_is_that_of_the_records(
    archive: Path, results: dict[str, list[bytes]], level: str
) -> None:
    found = battery_archive.read(archive, "bess2", level, 2)

    wanted = [
        msgspec.json.decode(value, type=kind)
        for topic, kind in (
            (CELLS["1d"], CellWindowsRecord),
            (CELLS[level], CellWindowsRecord),
            (CRITICAL_CELLS, CriticalCellsRecord),
            (HEALTH_DAILY, HealthDayRecord),
        )
        for value in results[topic.suffix]
    ]
    expected = collected(found.battery, [each for each in wanted if each.system == "bess2"])
    assert found.battery.packs == {"1": 8, "2": 8}
    assert found.battery.zone == SPEC.zone
    assert found.critical == expected.critical
    assert found.days == expected.days
    hours = 24 * 2 * 2 if level == "1h" else 0
    assert len(found.windows) == 3 * 2 + hours
    known = {(each.id, each.start[0]): each for each in expected.windows}
    for each in found.windows:
        assert each == known[each.id, each.start[0]]
    assert all((each.evaluability is None) == (each.resolution == "1h") for each in found.windows)


def test_a_system_without_packs_is_in_the_archive_with_what_watches_it(tmp_path: Path) -> None:
    state, rack = BatteryState(), Battery("station", "rack1", "Europe/Berlin", {})
    hours = 1_743_458_400_000 + 3_600_000 * np.arange(60, dtype=np.int64)
    lows = np.where(np.arange(60) < 24, 3.2, np.nan)
    outputs = fold_battery(
        state, [rack, SystemSamples(hours, {"cell_max_v": np.full(60, 3.3), "cell_min_v": lows})]
    )
    write(tmp_path, by_topic([*encode_battery_outputs(rack, outputs)]), 3)

    days = {
        (row["date"], row["indicator"]): row["reason"]
        for row in read(tmp_path, "evaluability_daily").to_pylist()
        if row["reason"] != "no_cells"
    }
    assert days["2025-04-01", "under_volt"] == "evaluable"
    assert days["2025-04-02", "under_volt"] == "missing_signal"
    assert days["2025-04-02", "over_volt"] == "evaluable"
    assert battery_archive.is_archive(tmp_path)
    found = battery_archive.read(tmp_path, "rack1", "1d", 1)
    assert (found.battery.packs, found.battery.zone) == ({}, "Europe/Berlin")
    assert [each.date for each in found.days] == ["2025-04-01", "2025-04-02"]
    assert found.limits is not None
    assert (found.limits["over_volt"], found.limits["under_volt"]) == (
        "evaluable",
        "missing_signal",
    )


def test_a_system_that_is_not_in_the_archive_is_told_with_those_that_are(archive: Path) -> None:
    with pytest.raises(NotFoundError, match="station/bess1, station/bess2"):
        battery_archive.read(archive, "nowhere", "1d", 1)
