"""Samples do not depend on how files, chunks and batches are cut."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.export import Export
from replay.issues import Issues
from replay.localtime import LocalTime
from replay.rows import FileReader, Rows, timed
from tests.replay.exports import (
    csv_file,
    joined,
    opened,
    parquet,
    ramp,
    same,
    station,
)
from tests.replay.nights import (
    BERLIN,
    BLOCK,
    NOON,
    NOON_MS,
    QUARTER,
    QUARTER_MS,
    autumn_night,
    quarters,
    texts,
)


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
