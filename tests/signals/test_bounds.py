"""What an export may cost: memory that does not grow with its length, and no open files."""

import resource
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from replay.sample.cells import CellSpec, write_cells
from replay.signals.export import SignalExport
from tests.signals.exports import opened

CELLS = 100
FILES = 2 * CELLS
INTERVAL_S = 900
ROWS_A_DAY = 96


def export_of(folder: Path, days: int) -> Path:
    spec = CellSpec(
        days=days,
        systems=1,
        packs=1,
        cells=CELLS,
        meters=0,
        faults=(),
        interval_s=INTERVAL_S,
        gaps=False,
    )
    write_cells(folder, spec)
    return folder / "BESS"


def opened_at_interval(folder: Path) -> SignalExport:
    return opened(folder, data={"paths": [str(folder)], "interval": "15min"})


def peak_bytes(folder: Path) -> int:
    """Largest memory of Python, numpy and Arrow while all rows are read."""
    export = replace(opened_at_interval(folder), slice_bytes=16_384)
    tracemalloc.start()
    arrow, before = 0, pa.total_allocated_bytes()
    for _ in export.batches(rows=100):
        arrow = max(arrow, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak + arrow


def test_memory_does_not_grow_with_the_length_of_the_files(tmp_path: Path) -> None:
    short, long = (peak_bytes(export_of(tmp_path / str(days), days)) for days in (6, 24))

    assert long < 1.2 * short


def test_more_files_than_may_be_open_are_read(tmp_path: Path) -> None:
    folder = export_of(tmp_path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES // 2, hard))
    try:
        rows = sum(batch.times.size for batch in opened_at_interval(folder).batches())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert rows == ROWS_A_DAY


@pytest.mark.parametrize("rows", [7, 500])
def test_a_batch_has_no_more_rows_than_asked_for(tmp_path: Path, rows: int) -> None:
    export = opened_at_interval(export_of(tmp_path, 1))

    assert max(batch.times.size for batch in export.batches(rows=rows)) == min(rows, ROWS_A_DAY)
