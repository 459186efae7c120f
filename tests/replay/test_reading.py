"""Export files to samples: parquet and CSV in every usual form."""

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from replay.errors import ExportError
from tests.replay.exports import (
    Columns,
    csv_file,
    enclosures,
    joined,
    opened,
    parquet,
    power,
    ramp,
    station,
)
from tests.replay.nights import (
    BERLIN,
    BLOCK,
    NOON,
    NOON_MS,
    QUARTER,
    QUARTER_MS,
    quarters,
    texts,
)


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
