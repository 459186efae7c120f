"""Rows and files that cannot be used are counted, or named."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.errors import ExportError
from tests.replay.exports import (
    csv_file,
    joined,
    opened,
    parquet,
    ramp,
    station,
)
from tests.replay.nights import BERLIN, BLOCK, NOON, QUARTER, QUARTER_MS, quarters, texts


def test_a_csv_line_that_was_cut_off_is_refused_by_its_number(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", ramp(texts(quarters(5))))
    path.write_text(path.read_text()[:-12])

    export = opened(path, parsing=BERLIN)

    assert joined(export)[BLOCK].times.size == 4
    (reason,) = export.issues.refused
    assert reason == "line without the 7 cells of the header"
    assert export.issues.refused[reason].places == ["a.csv line 6: 5 cells"]


def test_unreadable_timestamps_are_refused_rows_with_their_place(tmp_path: Path) -> None:
    stamps = texts(quarters(8))
    stamps[2], stamps[5] = "n/a", "1066-10-14 12:00"

    export = opened(csv_file(tmp_path / "a.csv", ramp(stamps)), parsing=BERLIN)

    assert joined(export)[BLOCK].power_w["1"].tolist() == [0, 1000, 3000, 4000, 6000, 7000]
    tally = export.issues.refused["timestamp cannot be read"]
    assert (tally.count, tally.places) == (
        2,
        ["a.csv row 3: 'n/a'", "a.csv row 6: '1066-10-14 12:00'"],
    )


def test_only_the_first_refused_rows_are_listed_but_all_are_counted(tmp_path: Path) -> None:
    stamps = texts(quarters(40))
    stamps[20:] = ["?"] * 20

    export = opened(csv_file(tmp_path / "a.csv", ramp(stamps)), parsing=BERLIN)
    joined(export)

    assert export.issues.refused_rows == 20
    assert "; and 15 more)" in export.issues.lines()[0]


def test_a_file_whose_timestamps_mostly_fail_is_an_error_with_examples(tmp_path: Path) -> None:
    stamps = [
        time.strftime("%d/%m/%Y %H:%M")
        for time in quarters(9, datetime.fromisoformat("2025-07-14T00:00"))
    ]

    with pytest.raises(
        ExportError, match=r"9 of the first 9 .*'14/07/2025 00:00'.*timestamp_format"
    ):
        opened(csv_file(tmp_path / "a.csv", ramp(stamps)))


def test_timestamps_that_fail_later_in_a_file_are_an_error_too(tmp_path: Path) -> None:
    stamps = texts(quarters(1100)) + ["?"] * 1200
    export = opened(parquet(tmp_path / "a.parquet", ramp(stamps)), parsing=BERLIN)

    with pytest.raises(ExportError, match=r"1200 of the first 2300"):
        joined(export)


def test_a_time_that_the_clock_skips_is_a_refused_row(tmp_path: Path) -> None:
    stamps = quarters(12, datetime.fromisoformat("2025-03-30T01:00"))

    export = opened(parquet(tmp_path / "a.parquet", ramp(stamps)), parsing=BERLIN)

    assert joined(export)[BLOCK].times.size == 8
    (tally,) = export.issues.refused.values()
    assert (tally.count, tally.places[0]) == (4, "a.parquet row 5: 2025-03-30 02:00:00")


def test_rows_that_step_back_are_passed_on_and_counted(tmp_path: Path) -> None:
    stamps = quarters(6)
    stamps[2], stamps[3] = stamps[3], stamps[2]

    export = opened(parquet(tmp_path / "a.parquet", ramp(stamps)), parsing=BERLIN)
    steps = np.diff(joined(export)[BLOCK].times).tolist()

    assert steps == [QUARTER_MS * n for n in (1, 2, -1, 2, 1)]
    assert export.issues.back_steps.places == ["a.parquet row 4"]


def test_files_that_overlap_are_reported(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", ramp(quarters(8)))
    parquet(tmp_path / "2.parquet", ramp(quarters(8, NOON + 4 * QUARTER)))

    export = opened(tmp_path / "*.parquet", parsing=BERLIN)
    joined(export)

    assert export.issues.notes == ["2.parquet begins before 1.parquet ends: they overlap"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    path.write_bytes(b"this is not parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "not a parquet file, or cut off"),
        (emptied, "is empty"),
        (replaced, "not a parquet file, or cut off"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    path = parquet(tmp_path / "day1.parquet", ramp(quarters(4)))
    damage(path)

    with pytest.raises(ExportError, match=message) as fault:
        opened(path)

    assert "day1.parquet" in str(fault.value)


def test_a_page_damaged_inside_a_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    noise = np.random.default_rng(1).normal(size=20_000)
    columns = station(quarters(20_000), noise.tolist(), noise.tolist())
    pq.write_table(pa.table(dict(columns)), path, use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    offset = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data[offset : offset + 200] = b"\xff" * 200
    path.write_bytes(data)

    with pytest.raises(ExportError, match=r"a\.parquet: cannot be read"):
        joined(opened(path, parsing=BERLIN))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("none-*.parquet", "no export file at .*none"), ("odd.xlsx", "no suffix of CSV")],
)
def test_a_path_that_cannot_be_used_is_named(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "odd.xlsx").write_bytes(b"PK..")

    with pytest.raises(ExportError, match=message):
        opened(tmp_path / pattern)


def test_a_missing_timestamp_column_is_answered_with_the_nearest_names(tmp_path: Path) -> None:
    columns = {
        ("timestamp " if name == "Timestamp" else name): v for name, v in ramp(quarters(2)).items()
    }

    with pytest.raises(
        ExportError, match=r"no column 'Timestamp'; it has 'timestamp '.*timestamp_col"
    ):
        opened(parquet(tmp_path / "a.parquet", columns))


def test_a_power_column_without_numbers_is_named(tmp_path: Path) -> None:
    columns = station(quarters(2), [True, False], [1.0, 2.0])

    with pytest.raises(ExportError, match=r"BESS1 DC Input Power.*holds bool"):
        joined(opened(parquet(tmp_path / "a.parquet", columns), parsing=BERLIN))


def test_an_export_with_one_row_needs_its_interval(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", ramp(quarters(1)))

    with pytest.raises(ExportError, match=r"too few rows.*data\.interval"):
        opened(path, parsing=BERLIN)
    assert opened(path, parsing=BERLIN, data={"interval": "1min"}).interval_ms == 60_000


def test_a_file_without_rows_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    table = pa.table(dict(ramp(quarters(2))))
    pq.write_table(table, tmp_path / "1.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "2.parquet")

    export = opened(tmp_path, parsing=BERLIN)

    assert joined(export)[BLOCK].times.size == 2
    assert export.issues.notes == ["2.parquet has no rows"]
