"""Made-up exports: the shape, the defects where they are said to be, the same bytes."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from replay.sample import (
    Defect,
    SampleError,
    SampleReport,
    SampleSpec,
    interval_seconds,
    write_sample,
)

APRIL = SampleSpec(start=date(2025, 4, 3), days=6, inverters=3, seed=7)
CLEAN = replace(APRIL, gaps=False, bad_cells=False, clock_change=False, shuffle=False, weak=False)
POWER = r"^BESS(?P<input>[12]) DC Input Power \(kW\) \[Battery Inverter (?P<inv>[^\]]+)\]$"


def read(report: SampleReport) -> pd.DataFrame:
    """All cells as text, in file order."""
    readers = {".csv": lambda p: pd.read_csv(p, dtype=str), ".parquet": pd.read_parquet}
    frames = [readers[each.path.suffix](each.path).astype(object) for each in report.files]
    return pd.concat(frames, ignore_index=True)


def power(report: SampleReport) -> pd.DataFrame:
    """kW by time, columns in order of their names."""
    table = read(report)
    columns = sorted(column for column in table if column.startswith("BESS"))
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    return numbers.set_axis(pd.to_datetime(table["Timestamp"], utc=True).dt.as_unit("ms"))


def of_kind(report: SampleReport, kind: str) -> list[Defect]:
    return [each for each in report.defects if each.kind == kind]


def contents(report: SampleReport) -> list[bytes]:
    return [each.path.read_bytes() for each in report.files] + [report.config.read_bytes()]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    spec = replace(APRIL, format=form)

    one, two = write_sample(tmp_path / "1", spec), write_sample(tmp_path / "2", spec)
    other = write_sample(tmp_path / "3", replace(spec, seed=8))

    assert contents(one) == contents(two)
    assert contents(one)[0] != contents(other)[0]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_values_of_a_time_do_not_depend_on_how_files_are_split(tmp_path: Path, form: str) -> None:
    whole = write_sample(tmp_path / "one", replace(CLEAN, files_per="one"))
    daily = write_sample(tmp_path / "day", replace(CLEAN, files_per="day", format=form))

    assert (len(whole.files), len(daily.files)) == (1, 6)
    pd.testing.assert_frame_equal(power(whole), power(daily))


def test_values_of_a_time_do_not_depend_on_the_span(tmp_path: Path) -> None:
    long = power(write_sample(tmp_path / "long", CLEAN))
    short = power(write_sample(tmp_path / "short", replace(CLEAN, start=date(2025, 4, 5), days=2)))

    pd.testing.assert_frame_equal(long.loc[short.index], short)


def test_cells_do_not_depend_on_row_groups(tmp_path: Path) -> None:
    spec = replace(APRIL, interval_s=60, inverters=1, battery_columns=1, shuffle=False)

    large = write_sample(tmp_path / "one", replace(spec, files_per="one"))
    small = write_sample(tmp_path / "day", replace(spec, files_per="day"))

    groups = pq.ParquetFile(large.files[0].path).metadata
    assert groups.num_row_groups > 1
    assert groups.row_group(0).num_rows > max(each.rows for each in small.files)
    pd.testing.assert_frame_equal(power(large), power(small))


@pytest.mark.parametrize(
    ("enclosures", "counts"), [("6", [6] * 3), ("4", [4] * 3), ("mixed", [6, 4, 6])]
)
def test_each_inverter_has_two_inputs_and_its_enclosures(
    tmp_path: Path, enclosures: str, counts: list[int]
) -> None:
    columns = read(write_sample(tmp_path, replace(CLEAN, days=1, enclosures=enclosures))).columns

    inputs = [found for column in columns if (found := re.match(POWER, column))]
    systems = {found[1] for c in columns if (found := re.search(r"\[Battery system ([^\]]+)\]", c))}
    assert sorted((each["inv"], each["input"]) for each in inputs) == [
        (f"1APCS{inverter}", dc_input) for inverter in (1, 2, 3) for dc_input in "12"
    ]
    assert [sum(f"1A{n}BAT" in name for name in systems) for n in (1, 2, 3)] == counts


def test_a_large_station_has_thousands_of_columns_and_unlike_names() -> None:
    spec = SampleSpec(inverters=72, enclosures="6", battery_columns=8)

    names = [*spec.power_columns, *spec.battery_column_names]
    assert len(names) == len(set(names)) == 144 + 8 * 432
    assert spec.inverter_names[71] == "2FPCS6"


def test_the_config_beside_the_files_reads_them(tmp_path: Path) -> None:
    report = write_sample(tmp_path, replace(APRIL, interval_s=90))

    config = yaml.safe_load(report.config.read_text())
    assert config["data"] == {"paths": ["*.parquet"], "interval": "90s"}
    assert config["parsing"] == {"timestamp_col": "Timestamp", "timezone": "Australia/Sydney"}
    assert config["power"]["dc_input_power_regex"] == POWER


def test_missing_rows_are_missing_and_missing_cells_are_empty(tmp_path: Path) -> None:
    report = write_sample(tmp_path, replace(APRIL, clock_change=False))
    table = power(report)
    rows = of_kind(report, "missing rows")
    cells = of_kind(report, "missing cells")

    assert rows
    assert {len(each.columns) for each in cells} == {1, 2}
    full = 6 * 96 + 4
    assert (
        len(table) == report.rows == full - sum(each.end - each.start for each in rows) // 900_000
    )
    for each in rows:
        assert table[instant(each.start) : instant(each.end - 1)].empty
    for each in cells:
        part = table.loc[instant(each.start) : instant(each.end - 1), list(each.columns)]
        assert part.isna().all(axis=None)
        assert len(part) > 0


def instant(ms: int) -> pd.Timestamp:
    return pd.Timestamp(ms, unit="ms", tz="UTC")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_bad_cells_stand_where_the_report_says(tmp_path: Path, form: str) -> None:
    report = write_sample(tmp_path, replace(APRIL, clock_change=False, gaps=False, format=form))
    table = read(report).set_index("Timestamp")
    table.index = pd.to_datetime(table.index, utc=True)

    texts, empty = of_kind(report, "text cell"), of_kind(report, "empty cell")
    assert {each.text for each in texts} == {"Bad Input", "No Data"}
    for each in texts:
        assert table.loc[instant(each.start), each.columns[0]] == each.text
    for each in empty:
        assert pd.isna(table.loc[instant(each.start), each.columns[0]])
    assert int(table.isna().sum().sum()) == len(empty)


@pytest.mark.parametrize(
    ("zone", "start", "rows", "turn"),
    [
        ("Australia/Sydney", date(2025, 4, 6), 100, "repeated hour"),
        ("Australia/Sydney", date(2025, 10, 5), 92, "skipped hour"),
        ("Europe/Berlin", date(2025, 10, 26), 100, "repeated hour"),
        ("Australia/Lord_Howe", date(2025, 4, 6), 98, "repeated hour"),
    ],
)
def test_local_time_repeats_or_skips_an_hour_where_the_zone_does(
    tmp_path: Path, zone: str, start: date, rows: int, turn: str
) -> None:
    spec = replace(CLEAN, zone=zone, start=start, days=1)

    naive = write_sample(tmp_path / "naive", replace(spec, clock_change=True))
    zoned = write_sample(tmp_path / "zoned", spec)

    times = pd.to_datetime(read(naive)["Timestamp"])
    steps = times.diff().dropna() / pd.Timedelta(minutes=15)
    odd = steps[steps != 1].tolist()
    lost = (rows - 96) // -1
    assert [each.kind for each in naive.defects] == [turn]
    assert (len(times), odd) == (rows, [1 + lost])
    assert set(power(zoned).index.to_series().diff().dropna()) == {pd.Timedelta(minutes=15)}


def test_columns_are_shuffled_and_differ_between_files(tmp_path: Path) -> None:
    shuffled = write_sample(tmp_path / "s", replace(APRIL, files_per="day"))
    plain = write_sample(tmp_path / "p", replace(CLEAN, files_per="day"))

    def orders(report: SampleReport) -> set[tuple[str, ...]]:
        return {tuple(pq.read_schema(each.path).names) for each in report.files}

    assert len(orders(shuffled)) == 6
    assert len({frozenset(each) for each in orders(shuffled)}) == 1
    assert orders(plain) == {("Timestamp", *APRIL.power_columns, *APRIL.battery_column_names)}


def test_without_defects_nothing_is_wrong(tmp_path: Path) -> None:
    report = write_sample(tmp_path, CLEAN)

    assert report.defects == ()
    assert power(report).notna().all(axis=None)
    assert report.rows == 6 * 96 + 4


def test_dispatch_looks_like_a_battery(tmp_path: Path) -> None:
    spec = replace(CLEAN, start=date(2025, 6, 1), days=20)
    report = write_sample(tmp_path, spec)
    kw, table = power(report), read(report)

    soc = table[[column for column in table if column.startswith("SOC")]].astype(float)
    crossings = int((np.sign(kw).diff().abs() == 2).sum().min())
    assert kw.abs().max(axis=None) <= 1850
    assert kw.max(axis=None) > 1000
    assert kw.min(axis=None) < -600
    assert (kw == 0).mean(axis=None) > 0.1
    assert crossings >= 20
    assert soc.min(axis=None) >= 0
    assert soc.max(axis=None) <= 100
    assert 0.8 < kw.clip(lower=0).sum(axis=None) / -kw.clip(upper=0).sum(axis=None) < 1.0


def test_the_weak_input_gives_clearly_less(tmp_path: Path) -> None:
    report = write_sample(tmp_path, replace(CLEAN, weak=True))
    [weak] = of_kind(report, "weak input")

    out = power(report).clip(lower=0).sum()
    assert out.idxmin() == weak.columns[0]
    assert out.min() < 0.85 * out.median()


def test_a_directory_with_another_export_is_refused_and_the_same_is_replaced(
    tmp_path: Path,
) -> None:
    first = write_sample(tmp_path, APRIL)
    again = write_sample(tmp_path, APRIL)

    assert contents(first) == contents(again)
    with pytest.raises(SampleError, match=r"already holds station_2025-04.parquet"):
        write_sample(tmp_path, replace(APRIL, start=date(2025, 5, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 0}, "days: 0"),
        ({"inverters": 0}, "inverters: 0"),
        ({"interval_s": 0}, "interval: 0"),
        ({"interval_s": 100_000}, "interval: 100000"),
        ({"battery_columns": 9}, "battery columns: 9 is not from 1 to 8"),
        ({"seed": -1}, "seed: -1"),
        ({"zone": "Mars/X"}, "no time zone 'Mars/X'"),
        ({"zone": "Europe"}, "no time zone 'Europe'"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SampleError, match=message):
        SampleSpec(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"), [("15min", 900), ("1 min", 60), ("1s", 1), ("2h", 7200)]
)
def test_intervals_are_read_with_their_unit(text: str, seconds: int) -> None:
    assert interval_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "min", "1.5h", "-1s", "15 parsecs"])
def test_an_interval_without_number_or_unit_is_refused(text: str) -> None:
    with pytest.raises(SampleError, match="not a number and a unit"):
        interval_seconds(text)
