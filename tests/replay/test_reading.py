"""Export files to samples: parquet and CSV, sound and damaged."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.errors import ExportError
from replay.export import Export
from replay.issues import Issues
from replay.localtime import LocalTime
from replay.rows import FileReader, Rows, timed
from tests.replay.exports import (
    Columns,
    csv_file,
    enclosures,
    joined,
    opened,
    parquet,
    power,
    ramp,
    same,
    station,
)

BERLIN = {"timezone": "Europe/Berlin"}
BLOCK = "station/1APCS1"
NOON = datetime.fromisoformat("2025-07-01T12:00")
NOON_MS = 1_751_364_000_000
"""2025-07-01 12:00 in Berlin."""
QUARTER = timedelta(minutes=15)
QUARTER_MS = 900_000


def quarters(count: int, first: datetime = NOON) -> list[datetime]:
    return [first + n * QUARTER for n in range(count)]


def texts(times: list[datetime]) -> list[str]:
    return [time.isoformat(sep=" ") for time in times]


def autumn_night() -> tuple[list[datetime], list[int]]:
    """Wall times of a night in Berlin with a repeated hour, and the instants [ms UTC]."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    instants = [start + n * QUARTER for n in range(24)]
    wall = [each.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) for each in instants]
    return wall, [round(each.timestamp() * 1000) for each in instants]


@pytest.mark.parametrize("write", [parquet, csv_file])
def test_power_comes_as_watts_at_instants(
    tmp_path: Path, write: Callable[[Path, Columns], Path]
) -> None:
    suffix = "parquet" if write is parquet else "csv"
    export = opened(write(tmp_path / f"a.{suffix}", ramp(quarters(3))), parsing=BERLIN)

    samples = joined(export)[BLOCK]

    assert samples.times.tolist() == [NOON_MS + n * QUARTER_MS for n in range(3)]
    assert samples.power_w["1"].tolist() == [0.0, 1000.0, 2000.0]
    assert samples.power_w["2"].tolist() == [0.0, -1000.0, -2000.0]
    assert (export.interval_ms, export.first_ms, export.total_rows) == (QUARTER_MS, NOON_MS, 3)
    assert not export.issues.lines()


EPOCH_S = NOON_MS // 1000


@pytest.mark.parametrize(
    ("stamps", "parsing"),
    [
        (pa.array([NOON, NOON + QUARTER], pa.timestamp("ns")), {}),
        (pa.array([NOON_MS, NOON_MS + QUARTER_MS], pa.timestamp("ms", tz="Asia/Tokyo")), {}),
        (["2025-07-01 12:00:00", "2025-07-01 12:15:00"], {}),
        (["2025-07-01T12:00:00.000", "2025-07-01T12:15"], {}),
        (["2025-07-01T10:00:00Z", "2025-07-01T15:45:00+05:30"], {}),
        (["2025-07-01 12:00", "2025-07-01T10:15:00+00:00"], {}),
        (["01/07/2025 12:00", "01/07/2025 12:15"], {"timestamp_format": "%d/%m/%Y %H:%M"}),
        (
            ["01.07.2025 12:00 +0200", "01.07.2025 10:15 +0000"],
            {"timestamp_format": "%d.%m.%Y %H:%M %z"},
        ),
        ([EPOCH_S, EPOCH_S + 900], {"timestamp_unit": "s"}),
        ([str(NOON_MS), str(NOON_MS + QUARTER_MS)], {"timestamp_unit": "ms"}),
        (pa.array(["2025-07-01 12:00", "2025-07-01 12:15"]).dictionary_encode(), {}),
    ],
)
def test_timestamps_are_read_in_every_usual_form(
    tmp_path: Path, stamps: list[object], parsing: dict[str, object]
) -> None:
    columns = {**station([0, 0], [1.0, 2.0], [3.0, 4.0]), "Timestamp": stamps}
    path = parquet(tmp_path / "a.parquet", columns)

    export = opened(path, parsing={**BERLIN, **parsing})

    assert joined(export)[BLOCK].times.tolist() == [NOON_MS, NOON_MS + QUARTER_MS]


def test_a_date_is_the_midnight_of_the_site(tmp_path: Path) -> None:
    days = [date(2025, 7, 1), date(2025, 7, 2)]
    columns = {**station([0, 0], [1.0, 2.0], [3.0, 4.0]), "Timestamp": days}

    export = opened(parquet(tmp_path / "a.parquet", columns), parsing=BERLIN)

    assert joined(export)[BLOCK].times[0] == NOON_MS - 12 * 3_600_000


def test_numbers_without_a_unit_are_no_timestamps(tmp_path: Path) -> None:
    columns = {**station([0, 0], [1.0, 2.0], [3.0, 4.0]), "Timestamp": [EPOCH_S, EPOCH_S + 900]}

    with pytest.raises(ExportError, match=r"a\.parquet.*parsing\.timestamp_unit"):
        opened(parquet(tmp_path / "a.parquet", columns))


def test_columns_may_stand_in_any_order_and_differ_between_files(tmp_path: Path) -> None:
    first, second = ramp(quarters(4)), ramp(quarters(4, NOON + 4 * QUARTER))
    parquet(tmp_path / "b.parquet", {name: first[name] for name in reversed(list(first))})
    csv_file(tmp_path / "a.csv", dict(sorted(second.items())))

    export = opened(tmp_path / "b.parquet", tmp_path / "a.csv", parsing=BERLIN)
    samples = joined(export)[BLOCK]

    assert [path.name for path in export.files] == ["b.parquet", "a.csv"]
    assert samples.times.tolist() == [NOON_MS + n * QUARTER_MS for n in range(8)]
    assert samples.power_w["1"].tolist() == [0, 1000, 2000, 3000] * 2


def test_a_column_that_a_file_lacks_is_missing_and_named(tmp_path: Path) -> None:
    full, poor = ramp(quarters(2)), dict(ramp(quarters(2, NOON + 2 * QUARTER)))
    del poor[power("1APCS1", 2)]

    export = opened(
        parquet(tmp_path / "1.parquet", full), parquet(tmp_path / "2.parquet", poor), parsing=BERLIN
    )
    samples = joined(export)[BLOCK]

    assert np.isnan(samples.power_w["2"]).tolist() == [False, False, True, True]
    assert export.issues.notes == [f"2.parquet lacks the column {power('1APCS1', 2)!r}"]


def test_rows_in_which_a_block_has_no_value_are_left_out_of_it_alone(tmp_path: Path) -> None:
    columns = {
        **station(quarters(3), [1.0, None, 3.0], [1.0, None, None]),
        power("1APCS2", 1): [1.0, 2.0, 3.0],
        power("1APCS2", 2): [1.0, 2.0, 3.0],
        **dict.fromkeys(enclosures("1A2"), [0.0] * 3),
    }

    export = opened(parquet(tmp_path / "a.parquet", columns), parsing=BERLIN)
    found = joined(export)

    assert found[BLOCK].times.tolist() == [NOON_MS, NOON_MS + 2 * QUARTER_MS]
    assert np.isnan(found[BLOCK].power_w["2"]).tolist() == [False, True]
    assert found["station/1APCS2"].times.size == 3
    assert dict(export.issues.empty_cells) == {power("1APCS1", 1): 1, power("1APCS1", 2): 2}


@pytest.mark.parametrize("write", [parquet, csv_file])
def test_text_and_empty_cells_are_missing_values_that_are_counted(
    tmp_path: Path, write: Callable[[Path, Columns], Path]
) -> None:
    first = ["1.5", "Bad Input", "", "-2e3", "No Data", " 7 ", "1e12"]
    columns = station(texts(quarters(7)), first, ["1"] * 7)
    path = write(tmp_path / ("a.parquet" if write is parquet else "a.csv"), columns)

    export = opened(path, parsing=BERLIN)
    values = joined(export)[BLOCK].power_w["1"]

    assert values[[0, 3, 5]].tolist() == [1500.0, -2e6, 7000.0]
    assert np.isnan(values[[1, 2, 4, 6]]).all()
    tally = export.issues.text_cells[power("1APCS1", 1)]
    assert tally.count == 3
    assert tally.places[0] == f"{path.name} row 2: 'Bad Input'"
    assert dict(export.issues.empty_cells) == {power("1APCS1", 1): 1}


def test_unit_and_sign_of_the_config_are_applied(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", ramp(quarters(2)))

    export = opened(path, parsing=BERLIN, power={"unit": "MW", "positive": "charge"})

    assert joined(export)[BLOCK].power_w["1"].tolist() == [0.0, -1e6]


def test_a_mapping_names_the_columns_of_another_kind_of_export(tmp_path: Path) -> None:
    columns = {"t": [EPOCH_S, EPOCH_S + 1], "P_AC": [5, -5], "SOC": [50, 51]}

    export = opened(
        parquet(tmp_path / "a.parquet", columns),
        parsing={"timestamp_col": "t", "timestamp_unit": "s", "timezone": "UTC"},
        power={"columns": {"P_AC": {"inverter": "unit", "input": "AC"}}},
        topology={"inverters": {"unit": {"inputs": {"AC": ["rack"]}}}},
    )

    assert joined(export)["station/unit"].power_w["AC"].tolist() == [5000.0, -5000.0]
    assert export.interval_ms == 1000


@pytest.mark.parametrize(("delimiter", "decimal"), [(";", ","), ("\t", "."), (",", ".")])
def test_csv_with_other_separators_is_read(tmp_path: Path, delimiter: str, decimal: str) -> None:
    cells = ["1.5".replace(".", decimal), "2"]
    columns = station(texts(quarters(2)), cells, cells)

    export = opened(
        csv_file(tmp_path / "a.csv", columns, delimiter), parsing={**BERLIN, "decimal": decimal}
    )

    assert joined(export)[BLOCK].power_w["1"].tolist() == [1500.0, 2000.0]


def test_csv_may_be_compressed_and_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    plain = csv_file(tmp_path / "a.csv", ramp(texts(quarters(3)))).read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain))

    export = opened(tmp_path / "a.csv.gz", parsing=BERLIN)

    assert joined(export)[BLOCK].times.size == 3


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


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
def test_a_repeated_hour_is_right_wherever_files_and_chunks_are_cut(
    tmp_path: Path, chunk_rows: int
) -> None:
    wall, instants = autumn_night()
    for cut in range(1, len(wall)):
        for number, part in enumerate((slice(0, cut), slice(cut, None))):
            parquet(tmp_path / f"{number}.parquet", ramp(wall[part]))

        export = replace(opened(tmp_path / "*.parquet", parsing=BERLIN), chunk_rows=chunk_rows)
        samples = joined(export)[BLOCK]

        assert samples.times.tolist() == instants


def test_resuming_inside_a_repeated_hour_gives_the_rest_of_it(tmp_path: Path) -> None:
    wall, instants = autumn_night()
    for hour in range(6):
        parquet(tmp_path / f"{hour}.parquet", ramp(wall[4 * hour : 4 * hour + 4]))
    export = opened(tmp_path / "*.parquet", parsing=BERLIN)

    for row in range(len(wall)):
        assert joined(export, start_row=row)[BLOCK].times.tolist() == instants[row:]
        assert export.issues.back_steps.count == 0


def test_rows_are_held_back_within_bounds(tmp_path: Path) -> None:
    stuck = [datetime.fromisoformat("2025-10-26T02:30")] * 500
    path = parquet(tmp_path / "a.parquet", ramp(stuck))
    export = opened(path, parsing=BERLIN, data={"interval": "15min"})
    reader = FileReader(export.sources[0], export.columns, export.config, Issues())
    local_time = LocalTime("Europe/Berlin", QUARTER_MS)
    read = []

    def chunks() -> Iterator[Rows]:
        for rows in reader.read(0, 0, chunk_rows=10):
            read.append(rows)
            yield rows

    given_back = 0
    for _ in timed(chunks(), local_time, Issues(), 0, held_cells=100):
        assert len(read) - given_back <= 6
        given_back += 1
    assert given_back == 50


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Two files with text, empty cells, refused rows, rows out of order and a repeated hour."""
    folder = tmp_path_factory.mktemp("messy")
    wall, _ = autumn_night()
    stamps = texts(wall)
    stamps[3], stamps[7], stamps[8] = "?", stamps[8], stamps[7]
    values = [str(n) for n in range(24)]
    values[10], values[11], values[15] = "No Data", "", "No Data"
    first = station(stamps[:14], values[:14], values[:14])
    second = station(stamps[14:], values[14:], values[14:])
    csv_file(folder / "a.csv", first)
    parquet(folder / "b.parquet", second, 3)
    return opened(folder / "a.csv", folder / "b.parquet", parsing=BERLIN)


@given(rows=st.integers(1, 30), chunk_rows=st.integers(1, 30))
def test_batches_and_chunks_of_any_size_give_the_same_samples(
    messy: Export, rows: int, chunk_rows: int
) -> None:
    whole, lines = joined(messy, rows=10_000), messy.issues.lines()
    chunked = replace(messy, chunk_rows=chunk_rows)

    assert same(joined(chunked, rows=rows), whole)
    assert chunked.issues.lines() == lines


@given(row=st.integers(0, 24), rows=st.integers(1, 30))
def test_what_was_read_and_what_is_left_make_the_whole(messy: Export, row: int, rows: int) -> None:
    before = [batch for batch in messy.batches(rows=1) if batch.next_row <= row]
    after = list(messy.batches(start_row=row, rows=rows))
    every = list(messy.batches(rows=1))

    assert [t for batch in before + after for t in batch.times.tolist()] == [
        t for batch in every for t in batch.times.tolist()
    ]
    if after:
        assert after[-1].clock_ms == every[-1].clock_ms


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(low=st.integers(-5, 30), high=st.integers(-5, 30))
def test_a_span_of_time_is_half_open(messy: Export, low: int, high: int) -> None:
    start = messy.first_ms
    span = {"from_ms": start + low * QUARTER_MS, "to_ms": start + high * QUARTER_MS}
    every = [t for batch in messy.batches() for t in batch.times.tolist()]

    found = [t for batch in messy.batches(**span) for t in batch.times.tolist()]

    assert found == [t for t in every if span["from_ms"] <= t < span["to_ms"]]


def test_a_lone_time_far_ahead_is_not_the_end_of_the_data(tmp_path: Path) -> None:
    stamps = [
        *quarters(4),
        datetime.fromisoformat("2099-01-01T00:00"),
        *quarters(2, NOON + 4 * QUARTER),
    ]

    export = opened(parquet(tmp_path / "a.parquet", ramp(stamps)), parsing=BERLIN)
    last = list(export.batches())[-1]

    assert last.clock_ms == NOON_MS + 5 * QUARTER_MS


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


def test_column_names_may_hold_dots(tmp_path: Path) -> None:
    columns = {
        name.replace("1APCS1", "Site.1APCS1"): values for name, values in ramp(quarters(2)).items()
    }

    export = opened(
        parquet(tmp_path / "a.parquet", columns),
        parsing=BERLIN,
        topology={"inverter_group": r"Site\.(?P<area>\w+)PCS(?P<number>\d+)$"},
    )

    assert joined(export)["station/Site.1APCS1"].power_w["1"].tolist() == [0.0, 1000.0]
