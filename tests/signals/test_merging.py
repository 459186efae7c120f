"""Files with clocks, gaps and starts of their own come out as blocks on one grid."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.errors import TopologyError
from replay.signals.export import SignalExport
from tests.signals.exports import (
    MINUTE_MS,
    START_MS,
    SYSTEM,
    at,
    minutes,
    opened,
    rows_of,
    signal_file,
    values,
)

PACK = (SYSTEM, "1")
NOTHING = None


def test_files_of_a_pack_come_out_as_one_matrix(tmp_path: Path) -> None:
    for cell, late_s in ((1, -4), (2, 0), (4, 29)):
        volts = [f"3.{cell}{n}" for n in range(3)]
        signal_file(tmp_path / f"A/bms1_p1_v{cell}.csv", minutes(volts, late_s))
    signal_file(tmp_path / "A/bms1_p1_t2.csv", minutes([25, 26, 27]))

    rows = rows_of(opened(tmp_path))[PACK]

    assert values(rows, "voltage_v") == {
        0: [3.10, 3.20, NOTHING, 3.40],
        1: [3.11, 3.21, NOTHING, 3.41],
        2: [3.12, 3.22, NOTHING, 3.42],
    }
    assert values(rows, "temperature_c")[1] == [NOTHING, 26.0, NOTHING, NOTHING]


@pytest.mark.parametrize(
    ("seconds", "minute"),
    [(0, 0), (29, 0), (29.999, 0), (30, 1), (59, 1), (89, 1), (-1, 0), (-30, 0), (-31, -1)],
)
def test_a_value_belongs_to_the_slot_around_its_time(
    tmp_path: Path, seconds: float, minute: int
) -> None:
    times = [START_MS + round(1000 * seconds) + n * 10 * MINUTE_MS for n in range(3)]
    signal_file(tmp_path / "A/bms1_soc.csv", [(time, 50) for time in times])

    export = opened(tmp_path, parsing={"timestamp_unit": "ms", "timezone": "UTC"})

    assert export.first_ms == START_MS + minute * MINUTE_MS


CROWDED = [at(0), at(58), at(60), at(62), at(120), at(121), at(180)]


def test_of_cells_a_slot_keeps_the_last_value_and_the_others_are_counted(tmp_path: Path) -> None:
    rows = zip(CROWDED, [3.1, 3.2, 3.3, "", 3.5, 3.6, 3.7], strict=True)
    signal_file(tmp_path / "A/bms1_p1_v1.csv", rows)

    export = opened(tmp_path)

    volts = values(rows_of(export)[PACK], "voltage_v")
    assert volts == {0: [3.1], 1: [3.3], 2: [3.6], 3: [3.7]}
    assert export.issues.shared_slots == {f"{tmp_path.name}/A/bms1_p1_v1.csv": 2}
    assert any("2 rows of 1 files gave way" in line for line in export.issues.lines())


def test_different_values_of_a_system_in_a_slot_come_at_their_own_times(tmp_path: Path) -> None:
    rows = zip(CROWDED, [1, 2, 3, "", 5, 5, 7], strict=True)
    signal_file(tmp_path / "A/bms1_soc.csv", rows)

    found = rows_of(opened(tmp_path))[SYSTEM, ""]

    expected = [(0, 0.01), (58, 0.02), (60, 0.03), (120, 0.05), (180, 0.07)]
    assert [((time - START_MS) / 1000, of["soc_ratio"]) for time, of in found] == [
        (seconds, [ratio]) for seconds, ratio in expected
    ]


def test_a_short_event_survives_a_coarse_grid(tmp_path: Path) -> None:
    high = [3.9 if 605 <= minute < 610 else 3.3 for minute in range(1440)]
    smoke = [int(605 <= minute < 610) for minute in range(1440)]
    signal_file(tmp_path / "A/bms1_p1_v1.csv", minutes(high))
    signal_file(tmp_path / "A/fa1_SmokeFlag.csv", minutes(smoke))

    found = rows_of(opened(tmp_path, data={"paths": [str(tmp_path)], "interval": "15min"}))

    assert max(volts for _, of in found[PACK] for volts in of["voltage_v"]) == 3.9
    flags = [(time, of["fa1_SmokeFlag"][0]) for time, of in found[SYSTEM, ""]]
    shown = [(time - START_MS) // MINUTE_MS for time, flag in flags if flag]
    assert (shown[0], shown[-1]) == (605, 609)


def test_a_flag_that_comes_when_it_changes_has_its_times(tmp_path: Path) -> None:
    hours = [(0, 0), (3, 0), (6, 0), (9, 0), (10.5, 1), (10.75, 0), (13, 0), (16, 0), (19, 0)]
    rows = [(at(3600 * hour), flag) for hour, flag in hours]
    signal_file(tmp_path / "A/fa1_SmokeFlag.csv", rows)
    whole = {"paths": [str(tmp_path)]}

    found = rows_of(opened(tmp_path, data=whole))[SYSTEM, ""]

    flags = [((time - START_MS) / 3_600_000, of["fa1_SmokeFlag"][0]) for time, of in found]
    assert [(hour, flag) for hour, flag in flags if 10 < hour < 11] == [(10.5, 1), (10.75, 0)]


def test_a_clock_half_an_interval_beside_loses_no_row(tmp_path: Path) -> None:
    stamps = [60 * n + 30 + (-2) ** (n % 2) for n in range(100)]
    signal_file(tmp_path / "A/bms1_p1_v1.csv", [(at(each), 3.3) for each in stamps])

    found = values(rows_of(opened(tmp_path))[PACK], "voltage_v")

    assert len(found) == 100


def test_gaps_of_a_record_are_told_by_its_own_files(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_p1_v1.csv", minutes([3.3] * 10))
    signal_file(tmp_path / "A/bms1_soc.csv", [(at(300 * n), 50) for n in range(4)])
    signal_file(tmp_path / "A/bms1_c.csv", [(at(n), 8) for n in range(100)])

    rules = opened(tmp_path, data={"paths": [str(tmp_path)]}).batteries[0].rules

    assert (rules.interval_ms, rules.max_gap_ms) == (1000, 900_000)
    assert rules.of_cells.max_gap_ms == 3 * MINUTE_MS
    assert rules.signal_gaps_ms == {"current_a": 3000}


def test_gaps_of_a_meter_are_told_by_the_file_of_each_signal(tmp_path: Path) -> None:
    signal_file(tmp_path / "m1/com_ap.csv", minutes([5] * 60))
    signal_file(tmp_path / "m1/pos_ae.csv", [(at(900 * n), n) for n in range(4)])
    whole = {"data": {"paths": [str(tmp_path)]}, "meters": {"m1": {"rating_kw": 500}}}

    (meter,) = opened(tmp_path, **whole).meters

    assert (meter.gap_ms("power_w"), meter.gap_ms("import_wh")) == (180_000, 2_700_000)
    assert meter.rating_w == 500_000
    with pytest.raises(TopologyError, match="meters names 'm2'; the export has m1"):
        opened(tmp_path, **whole | {"meters": {"m2": {"rating_kw": 500}}})


def test_cells_carry_the_current_and_soc_of_their_string_at_their_own_times(
    tmp_path: Path,
) -> None:
    signal_file(tmp_path / "A/bms1_p1_v1.csv", minutes([3.1, 3.2, 3.3]))
    signal_file(tmp_path / "A/bms1_c.csv", [(at(60), -20), (at(120), 5), (at(180), 6)])

    rows = rows_of(opened(tmp_path))[PACK]

    assert values(rows, "current_a") == {0: [NOTHING], 1: [-20.0], 2: [5.0]}


def test_files_may_have_intervals_of_their_own(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes(range(31)))
    quarters = [(at(900 * n + 100), n) for n in range(3)]
    signal_file(tmp_path / "m/m1/com_ap.csv", quarters)

    export = opened(tmp_path, data={"paths": [str(tmp_path)]})

    assert export.batteries[0].rules.interval_ms == MINUTE_MS
    assert export.meters[0].interval_ms == 15 * MINUTE_MS
    power = values(rows_of(export)["station/meter/m1", ""], "power_w")
    assert power == {0: [-0.0], 15: [-1000.0], 30: [-2000.0]}


def test_a_stretch_in_which_no_file_has_a_row_is_passed_over(tmp_path: Path) -> None:
    year_s = 365 * 86_400
    rows = [*minutes([1, 2]), (at(year_s), 3), (at(year_s + 60), 4)]
    signal_file(tmp_path / "A/bms1_soc.csv", rows)

    batches = list(opened(tmp_path).batches(rows=10))

    assert [batch.times.size for batch in batches] == [2, 2]


def test_a_signal_may_go_on_in_another_file(tmp_path: Path) -> None:
    for day, part in (("01", range(3)), ("02", range(3, 6))):
        rows = [f"{at(60 * n)},{n}" for n in part]
        path = tmp_path / f"A/{day}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["ts,bms1_soc", *rows]), encoding="utf-8")

    rows_read = rows_of(opened(tmp_path))[SYSTEM, ""]

    assert values(rows_read, "soc_ratio") == {n: [n / 100] for n in range(6)}


OFFSETS = st.integers(-29, 29)
FILES = st.lists(
    st.tuples(
        OFFSETS,
        st.integers(0, 20),
        st.lists(st.integers(0, 25), max_size=8),
        st.integers(1, 26),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    files=FILES,
    slice_bytes=st.integers(20, 400),
    rows=st.integers(1, 30),
    start=st.integers(0, 30),
)
def test_blocks_do_not_depend_on_how_much_is_read_at_a_time(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[int, int, list[int], int]],
    slice_bytes: int,
    rows: int,
    start: int,
) -> None:
    folder = tmp_path_factory.mktemp("export")
    expected: dict[int, dict[int, float]] = {}
    for cell, (offset, first, gaps, length) in enumerate(files, start=1):
        kept = [n for n in range(first, first + length + 2) if n not in gaps]
        kept += [first + length + 2, first + length + 3]
        named = [(at(60 * n + offset), f"3.{n:02}{cell}") for n in kept]
        signal_file(folder / f"A/bms1_p1_v{cell}.csv", named)
        for n in kept:
            expected.setdefault(n, {})[cell] = float(f"3.{n:02}{cell}")
    whole = opened(folder)
    small = replace(whole, slice_bytes=slice_bytes)

    every = rows_of(whole)[PACK]

    assert values(every, "voltage_v") == {
        n: [by_cell.get(cell) for cell in range(1, len(files) + 1)]
        for n, by_cell in sorted(expected.items())
    }
    assert rows_of(small, rows=rows)[PACK] == every
    rest = rows_of(small, rows=rows, start_row=start).get(PACK, [])
    assert rest == [row for row in every if row[0] >= whole.first_ms + start * MINUTE_MS]


def test_what_was_read_and_what_is_left_make_the_whole(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", [*minutes(range(5)), *minutes(range(20))[9:]])
    signal_file(tmp_path / "A/bms1_v.csv", minutes(range(12), late_s=7))
    export = opened(tmp_path)
    every = _rows(export)

    for batch in export.batches(rows=3):
        before = [row for row in every if row[0] < export.first_ms + batch.next_row * MINUTE_MS]
        assert before + _rows(export, start_row=batch.next_row) == every


def test_only_the_wanted_span_is_read(tmp_path: Path) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes(range(20)))

    span = {"from_ms": START_MS + 3 * MINUTE_MS, "to_ms": START_MS + 6 * MINUTE_MS}
    rows = _rows(opened(tmp_path), **span)

    assert [time for time, _ in rows] == [START_MS + n * MINUTE_MS for n in (3, 4, 5)]


def _rows(export: SignalExport, **options: int) -> list:
    return rows_of(export, **options).get((SYSTEM, ""), [])
