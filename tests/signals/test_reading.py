"""Rows of signal files: local time, wrong times, broken lines and files."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from replay.errors import ExportError
from replay.signals.export import SignalExport
from replay.signals.slices import LONGEST_LINE
from tests.replay.exports import parquet
from tests.replay.nights import autumn_night
from tests.signals.exports import (
    MINUTE_MS,
    START,
    START_MS,
    SYSTEM,
    at,
    minutes,
    opened,
    rows_of,
    signal_file,
    values,
    without_absent,
)

BERLIN = {"parsing": {"timezone": "Europe/Berlin"}}
SLICES = [30, 100, None]


def times(export: SignalExport, key: str = SYSTEM, pack: str = "") -> list[int]:
    return [time for time, _ in rows_of(export)[key, pack]]


@pytest.mark.parametrize("slice_bytes", SLICES)
def test_the_repeated_hour_is_told_apart_in_every_file(
    tmp_path: Path, slice_bytes: int | None
) -> None:
    wall, instants = autumn_night()
    every = list(enumerate(wall))
    signal_file(tmp_path / "A/bms1_soc.csv", [(time, n) for n, time in every])
    signal_file(tmp_path / "A/bms1_v.csv", [(time, n) for n, time in every[1::2]])
    export = opened(tmp_path, **BERLIN, data={"paths": [str(tmp_path)], "interval": "15min"})

    rows = rows_of(replace(export, slice_bytes=slice_bytes))[SYSTEM, ""]

    assert [time for time, _ in rows] == instants
    found = [of["voltage_v"][0] for _, of in rows]
    assert found == [float(n) if n % 2 else None for n in range(len(wall))]


def test_a_local_time_that_spring_skips_is_refused(tmp_path: Path) -> None:
    stamps = [f"2025-03-30 {time}" for time in ("01:58", "01:59", "02:00", "03:00", "03:01")]
    signal_file(tmp_path / "A/bms1_soc.csv", [(time, n) for n, time in enumerate(stamps)])
    export = opened(tmp_path, **BERLIN)

    assert len(times(export)) == 4
    assert export.issues.refused["local time that the clock change skips"].places == [
        f"{tmp_path.name}/A/bms1_soc.csv row 3: 2025-03-30 02:00:00"
    ]


@pytest.mark.parametrize("slice_bytes", SLICES)
@pytest.mark.parametrize(
    ("seconds", "taken", "refused"),
    [
        ([0, 60, 10**8, 120, 180], [0, 1, 2, 3], {"far": ["3"]}),
        ([10**8, 0, 60, 120], [0, 1, 2], {"far": ["1"]}),
        ([0, 60, 120, 10**8], [0, 1, 2], {"far": ["4"]}),
        ([0, 60, 999_960, 1_000_020], [0, 1, 16666, 16667], {}),
        ([0, 60, 10**6, 2 * 10**6, 120, 180], [0, 1, 2, 3], {"far": ["3", "4"]}),
        ([0, 60, 120, 60, 180], [0, 1, 2, 3], {"back": ["4"]}),
        ([0, 60, 59, 120], [0, 1, 2], {}),
        ([60, 0, 120], [0, 1, 2], {}),
        ([0, 10**6], [], {"far": ["1", "2"]}),
        ([10**8, 10**8 + 60, 0, 60, 120, 180], [0, 1, 2, 3], {"far": ["1", "2"]}),
        ([0, 60, 99_960, 199_980, 200_040], [0, 1, 1666, 3333, 3334], {}),
        ([0, 60, 99_960, 199_980, 300_000], [0, 1, 1666, 3333], {"far": ["5"]}),
    ],
)
def test_one_wrong_time_neither_ends_nor_starts_a_file(
    tmp_path: Path,
    seconds: list[int],
    taken: list[int],
    refused: dict[str, list[str]],
    slice_bytes: int | None,
) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", [(at(each), 50) for each in seconds])
    signal_file(tmp_path / "B/bms1_soc.csv", minutes([1, 2]))
    export = replace(opened(tmp_path), slice_bytes=slice_bytes)

    rows = rows_of(export).get((SYSTEM, ""), [])

    assert [(time - START_MS) // MINUTE_MS for time, _ in rows] == taken
    found: dict[str, list[str]] = {}
    for reason, tally in sorted(export.issues.refused.items()):
        places = [place.split()[-1] for place in tally.places]
        found.setdefault("far" if "far ahead" in reason else "back", []).extend(places)
    assert {reason: sorted(places) for reason, places in found.items()} == refused


@pytest.mark.parametrize("slice_bytes", SLICES)
def test_what_cannot_be_used_is_counted_with_its_place(
    tmp_path: Path, slice_bytes: int | None
) -> None:
    path = signal_file(
        tmp_path / "A/bms1_soc.csv",
        [(at(0), 50), ("?", 51), (at(60), "Bad"), (at(120), ""), (at(180), "inf"), (at(240), 55)],
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{at(300)},56,7\n{at(360)},57")
    export = replace(opened(tmp_path), slice_bytes=slice_bytes)

    found = values(rows_of(export)[SYSTEM, ""], "soc_ratio")

    assert found == {0: [0.5], 4: [0.55], 6: [0.57]}
    name, address = f"{tmp_path.name}/A/bms1_soc.csv", f"'{tmp_path.name}/A/bms1_soc'"
    assert without_absent(export.issues.lines()) == [
        f"refused line without the 2 cells of the header: 1 rows ({name} line 8: 3 cells)",
        f"refused timestamp cannot be read: 1 rows ({name} row 2: '?')",
        f"not a number: {address}: 2 cells ({name} row 3: 'Bad'; {name} row 5: 'inf')",
        "empty: 1 cells in 1 columns",
    ]


@pytest.mark.parametrize(
    ("name", "largest", "beyond"),
    [
        ("bms1_p1_v1", 100, 100.1),
        ("bms1_p1_t1", -1500, -1501),
        ("bms1_c", 1e5, 100_001),
        ("bms1_soc", 1000, 1001),
        ("bms1_v", 1e15, 1.1e15),
    ],
)
def test_a_number_that_no_reader_would_take_is_no_value(
    tmp_path: Path, name: str, largest: float, beyond: float
) -> None:
    signal_file(tmp_path / f"A/{name}.csv", minutes([1, largest, beyond, 2]))
    export = opened(tmp_path)

    (rows,) = rows_of(export).values()

    assert [(time - START_MS) // MINUTE_MS for time, _ in rows] == [0, 1, 3]
    assert export.issues.text_cells[f"{tmp_path.name}/A/{name}"].count == 1


@pytest.mark.parametrize(
    ("sections", "stamps", "number"),
    [
        ({}, ["2025-07-01T00:00:00Z", "2025-07-01T02:01:00+02:00", "2025-07-01T00:02Z"], "50.5"),
        ({"timestamp_format": "%d.%m.%Y %H:%M"}, [f"01.07.2025 00:0{n}" for n in range(3)], "50.5"),
        ({"timestamp_unit": "s"}, [START_MS // 1000 + 60 * n for n in range(3)], "50.5"),
        ({"delimiter": ";", "decimal": ","}, [at(60 * n) for n in range(3)], "50,5"),
    ],
)
def test_times_and_numbers_come_in_the_forms_of_the_config(
    tmp_path: Path, sections: dict[str, object], stamps: list[object], number: str
) -> None:
    sign = str(sections.get("delimiter", ","))
    path = tmp_path / "A/bms1_soc.csv"
    path.parent.mkdir()
    lines = ["ts,bms1_soc", *(f"{time},{number}" for time in stamps)]
    if sign == ";":
        lines = [lines[0].replace(",", ";"), *(f"{time};{number}" for time in stamps)]
    path.write_text("\r\n".join(lines), encoding="utf-8")

    rows = rows_of(opened(tmp_path, parsing={"timezone": "UTC", **sections}))[SYSTEM, ""]

    assert values(rows, "soc_ratio") == {0: [0.505], 1: [0.505], 2: [0.505]}


def test_files_without_rows_or_times_are_told_and_passed_over(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes([1, 2]))
    signal_file(tmp_path / "A/bms1_v.csv", [])
    (tmp_path / "A/bms1_c.csv").touch()
    (tmp_path / "A/notes.pdf").touch()
    (tmp_path / "A/x.csv").write_text("name,shift\nx,1\n", encoding="utf-8")

    export = opened(tmp_path)

    name = tmp_path.name
    assert without_absent(export.remarks) == [
        f"{name}/A/bms1_c.csv has no rows",
        f"{name}/A/bms1_v.csv has no rows",
        f"{name}/A/x.csv has no column 'ts', it has 'name', 'shift': see parsing.timestamp_col",
    ]
    assert len(export.files) == 1


@pytest.mark.parametrize("group", [2, 100])
def test_a_file_may_be_parquet(tmp_path: Path, group: int) -> None:
    times = [START + timedelta(minutes=n) for n in range(7)]
    (tmp_path / "A").mkdir()
    columns: dict[str, list[object]] = {"ts": list(times), "bms1_soc": list(range(7))}
    parquet(tmp_path / "A/soc.parquet", columns, group)

    rows = rows_of(opened(tmp_path), rows=3)[SYSTEM, ""]

    assert values(rows, "soc_ratio") == {n: [n / 100] for n in range(7)}


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = signal_file(tmp_path / "A/bms1_soc.csv", minutes([1, 2]))
    with path.open("a", encoding="utf-8") as file:
        file.write("7" * (LONGEST_LINE + 100_000))

    with pytest.raises(ExportError, match=r"bms1_soc\.csv: holds a line longer than 8,388,608"):
        opened(tmp_path)


def test_names_may_stand_in_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "A/bms1_soc.csv"
    path.parent.mkdir()
    path.write_text(f"ts,value\n{at(0)},50\n{at(60)},51\n", encoding="utf-8")

    export = opened(tmp_path, signals={"preset": "s4", "name": "file"})

    assert values(rows_of(export)[SYSTEM, ""], "soc_ratio") == {0: [0.5], 1: [0.51]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "t,bms1_soc\n1,2\n", r"a\.csv has no column 'ts', it has 't', .*timestamp_col"),
        ("a.csv", "ts,bms1_soc\nx,1\ny,2\n", r"a\.csv: 2 of the first 2 timestamps .*'x', 'y'"),
        ("a.csv", f"ts,bms1_soc,bms1_soc\n{at(0)},1,1\n{at(60)},1,1\n", "more than once"),
        ("a.csv", "ts,bms1_soc\n", r"none of 1 files can be used: .*a\.csv has no rows"),
        ("a.csv.gz", "x", r"a\.csv\.gz: is packed; unpack it"),
        ("a.parquet", "no parquet", "not a parquet file, or cut off"),
        ("a.csv", "ts,bms1_soc\n7,1\n8,1\n", r"a\.csv: .*timestamps .* cannot be read"),
        ("a.csv", f"ts,bms1_soc\n{at(0)},\n", r"a\.csv: .* too few rows .* data\.interval"),
        ("a.pdf", "x", "no export file at .*data.paths"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_remedy(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(ExportError, match=message):
        opened(tmp_path, signals={"preset": "s4", "rules": [ANY]}, data={"paths": [str(tmp_path)]})


ANY = {"match": "bms1_soc$", "of": "system", "signal": "soc_ratio", "unit": "%", "system": "A"}


def test_no_usable_row_at_all_is_an_error(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", [(at(0), "x"), (at(60), "")])

    with pytest.raises(ExportError, match=re.escape("no row has a usable time and value")):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("step_s", "interval_ms"),
    [(1, 1000), (60, 60_000), (57, 60_000), (65, 60_000), (50, 30_000), (898, 900_000), (0.5, 500)],
)
def test_the_interval_is_the_usual_one_that_the_steps_are_near_to(
    tmp_path: Path, step_s: float, interval_ms: int
) -> None:
    rows = [(START_MS + round(1000 * step_s * n), n) for n in range(5)]
    signal_file(tmp_path / "A/bms1_soc.csv", rows)

    export = opened(
        tmp_path,
        data={"paths": [str(tmp_path)]},
        parsing={"timezone": "UTC", "timestamp_unit": "ms"},
    )

    assert export.interval_ms == interval_ms


def test_one_unreadable_file_of_many_is_left_out_and_told(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes(range(5)))
    signal_file(tmp_path / "A/bms1_v.csv", minutes(range(5)))
    signal_file(tmp_path / "A/bms1_soh.csv", [("garbage", 97)] * 50)

    export = opened(tmp_path)

    assert len(rows_of(export)[SYSTEM, ""]) == 5
    assert any("bms1_soh.csv: 50 of the first 50" in each for each in export.issues.lines())


def test_garbage_in_the_midst_of_a_file_ends_nothing(tmp_path: Path) -> None:
    good = minutes([50] * 6000)
    rows = [*good[:5000], *[("garbage", 1)] * 9000, *good[5000:]]
    signal_file(tmp_path / "A/bms1_soc.csv", rows)
    export = replace(opened(tmp_path), slice_bytes=50_000)

    assert len(rows_of(export)[SYSTEM, ""]) == 6000
    assert export.issues.refused["timestamp cannot be read"].count == 9000


def test_a_file_that_runs_backwards_is_left_out_with_the_remedy(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes(range(5)))
    signal_file(tmp_path / "A/bms1_v.csv", minutes(range(5))[::-1])

    found = opened(tmp_path).remarks

    assert any("runs backwards: 4 of its first 4 steps" in each for each in found)
    assert any("sort its rows by time" in each for each in found)
