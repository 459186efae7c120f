"""`bess cells` and `bess health`: tables and pictures of a battery system."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from replay.sample.cells import CellSpec, write_cells
from stream_app.cli import build
from stream_app.cli.errors import UserError
from stream_app.codec.results import iso
from stream_app.core.calendar import calendar
from stream_app.reports.battery_data import NotFoundError, SystemData, cells, chosen
from stream_app.reports.battery_files import FILE, read
from stream_app.reports.cell_grid import day_marks, strips, surface
from stream_app.reports.cell_pictures import cell_pictures
from stream_app.reports.cells_display import influences, show_cells
from stream_app.reports.dwell import dwell_bins, dwells
from stream_app.reports.health_pictures import health_pictures, series, trend_lines

SPEC = CellSpec(days=4, interval_s=300, systems=2, packs=2, cells=8, meters=0, seed=3)
"""Its third day has 25 hours."""
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = replace(SPEC, start=SPEC.start.replace(day=24))
    export = write_cells(tmp_path_factory.mktemp("cells"), spec).directory
    out = tmp_path_factory.mktemp("out")
    run("process", "--config", str(export / "config.yaml"), "--out", str(out), "--windows", "1h")
    (out / "truth.yaml").write_bytes((export / "truth.yaml").read_bytes())
    return out


@pytest.fixture(scope="module")
def planted(folder: Path) -> tuple[str, str, int]:
    """System, pack and number of the weak cell."""
    truth = yaml.safe_load((folder / "truth.yaml").read_text(encoding="utf-8"))
    weak = next(each for each in truth["faults"] if each["kind"] == "weak")
    return weak["system"], weak["pack"], weak["cell"]


@pytest.fixture(scope="module")
def data(folder: Path, planted: tuple[str, str, int]) -> SystemData:
    return read(folder, planted[0])


def run(*command: str, columns: int = 160) -> str:
    done = CliRunner().invoke(build(), list(command), env={"COLUMNS": f"{columns}"})
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def line(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, text
    return found[0]


def test_the_weak_cell_is_the_worst_of_its_pack_and_stands_among_the_critical(
    folder: Path, planted: tuple[str, str, int]
) -> None:
    system, pack, cell = planted

    told = run("cells", system, "--from", str(folder), "--level", "1d")

    assert line(told, rf"^{pack} +288 .*").split()[6] == f"{cell}"
    assert "stands" in line(told, rf"^ *\d+ +{pack} +{cell} +WEAK_CELL.*")
    assert "sample_rate" in line(told, r"^thermal_runaway +0%.*")


def test_the_table_of_critical_cells_says_of_which_day_it_is_and_where_newer_is_told(
    folder: Path, data: SystemData
) -> None:
    site, system = data.battery.site, data.battery.system
    table = data.critical[data.packs[0]]

    told = run("cells", system, "--from", str(folder))

    assert line(told, r"^critical cells.*").strip() == f"critical cells at the end of {table.date}"
    newer = f"What began or ended since: .*\n?.*`bess state show {site}/battery/{system}`"
    assert table.date < data.days[-1].date
    assert re.search(newer, told)


def test_tables_of_packs_that_are_of_several_days_are_told_apart_and_none_is_newer_than_its_own(
    data: SystemData,
) -> None:
    first, second = data.packs
    table = next(iter(data.critical.values()))
    older = msgspec.structs.replace(table, date="2025-10-24", pack=second)
    over = [each for each in data.windows if each.final]
    console = Console(width=160, record=True, file=io.StringIO())

    both = {first: table, second: older}
    show_cells(console, replace(data, critical=both), "1d", every=False)
    assert f"critical cells at the end of {table.date}, of pack {second} 2025-10-24" in (
        console.export_text()
    )
    until = max(each.end[0] for each in over)
    now = msgspec.structs.replace(table, end=iso(until))
    show_cells(console, replace(data, windows=over, critical={first: now}), "1d", every=False)
    assert "What began or ended since" not in console.export_text()


def test_a_pack_is_shown_cell_by_cell(folder: Path, planted: tuple[str, str, int]) -> None:
    system, pack, cell = planted

    told = run("cells", f"station/{system}", "--from", str(folder), "--pack", pack, "--level", "1h")

    assert "sample_rate" in line(told, r"^thermal_runaway +0%.*"), "told of the day"
    numbers = re.findall(r"^ *(\d+) +\d\.\d{3} ", told.partition(f"pack {pack}")[2], re.MULTILINE)
    assert [int(each) for each in numbers] == [*range(1, SPEC.cells + 1)]
    assert "WEAK_CELL" in line(told, rf"^ +{cell} +\d\.\d{{3}} .*")
    shared = influences(read(folder, system), "1h", pack)
    known = [f"{each:+.2f}" for each in shared[~np.isnan(shared)]]
    assert known
    assert all(each in told for each in known)


def test_in_a_narrow_terminal_no_heading_or_name_is_broken(
    folder: Path, planted: tuple[str, str, int]
) -> None:
    system, pack, cell = planted

    told = run("cells", system, "--from", str(folder), "--pack", pack, columns=80)

    assert max(map(len, told.splitlines())) <= 80
    first, second = re.findall(rf"^{pack} +(?:288|\d+\.\d) .*", told, re.MULTILINE)[:2]
    assert len(first.split()) == 8
    assert second.split()[-1] == f"{cell}"
    for heading in ("spread mV +worst cell +mV", "spread K +warmest cell +K +critical cells"):
        assert line(told, rf"^pack .*{heading}")
    for heading in ("off mV +robust z", "off K +K/s +neighbours +critical"):
        assert line(told, rf"^cell .*{heading}")
    assert line(
        told, rf"^ *\d+ +{pack} +{cell} +WEAK_CELL .*\n +\d{{4}}-\d\d-\d\d \d\d:\d\d, stands"
    )


def test_programs_get_the_records(folder: Path, data: SystemData) -> None:
    system = data.battery.system
    found = json.loads(run("cells", system, "--from", str(folder), "--level", "1h", "--json"))

    newest = data.newest("1h").values()
    assert [each["voltage_mean_v"] for each in found if "resolution" in each] == [
        each.voltage_mean_v for each in newest
    ]


def test_health_tells_each_number_or_why_it_cannot(folder: Path, data: SystemData) -> None:
    told = run("health", data.battery.system, "--from", str(folder), "--day", data.days[1].date)

    soc = data.days[1].values["soc_ratio"] * 100
    assert f"{soc:.1f} %" in line(told, r"^BMS +\d.*")
    assert "(too_short)" in line(told, r"^ *change a month.*")
    assert line(told, r"^charge ledger +\(no_anchor\)"), "of the SOH: it was not at its top yet"
    for name in data.days[1].dwell:
        assert dwell_bins(name)
        assert len(dwell_bins(name)) == len(data.days[1].dwell[name])


def test_dwell_is_summed_over_the_days_asked_for_and_is_a_table(
    folder: Path, data: SystemData
) -> None:
    days, last = data.days[1:3], data.days[2]
    hours = sum(sum(each.dwell["soc_ratio"]) for each in days) / 3_600_000

    told = run(
        *("health", data.battery.system, "--from", str(folder)), "--day", last.date, "--days", "2"
    )

    title = line(told, r"^time at each state of charge.*")
    assert title.endswith(f": 2 days, {days[0].date} to {last.date}")
    (found,) = (dwells(data.days, last, 2)[name] for name in ("soc_ratio",))
    assert sum(found.times) / 3_600_000 == hours
    rows = list(csv.DictReader((folder / "dwell_daily.csv").open(encoding="utf-8")))
    mine = [
        float(each["seconds"])
        for each in rows
        if each["date"] in {day.date for day in days}
        and (each["system"], each["signal"]) == (data.battery.system, "soc_ratio")
    ]
    assert sum(mine) == pytest.approx(hours * 3600)


def test_health_tells_charge_and_capacity_by_the_ledger_whatever_a_weak_cell_does(
    folder: Path, data: SystemData
) -> None:
    told = run("health", data.battery.system, "--from", str(folder), "--day", data.days[2].date)

    assert "h since the anchor" in line(told, r"^charge ledger.*")
    assert line(told, r"^charge ledger +9\d\.\d+ %  error up to \d+\.\d %; capacity 2\d\d\.\d Ah")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["cells", "nowhere"], "no battery system nowhere: there are station/bess1, station/bess2"),
        (["cells", "bess1", "--pack", "9"], "has no pack 9: 1, 2"),
        (["cells", "bess1", "--level", "5min"], "no window of 5min there; it has 1h, 1d"),
        (["health", "bess1", "--day", "2020-01-01"], "no day 2020-01-01 there: it has 2025-10-24"),
    ],
)
def test_what_is_not_there_is_said_beside_what_is(
    folder: Path, command: Sequence[str], told: str
) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        run(*command, "--from", str(folder))


def test_a_folder_without_records_names_the_command_that_writes_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`bess process` writes it"):
        run("cells", "bess1", "--from", str(tmp_path))
    (tmp_path / FILE).write_text('{"topic":"telemetry.v1"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=f"{FILE} line 1"):
        run("health", "bess1", "--from", str(tmp_path))


def test_a_report_of_an_export_of_batteries_names_the_commands_that_show_them(
    tmp_path: Path,
) -> None:
    config = write_cells(tmp_path, replace(SPEC, days=1)).directory
    with pytest.raises(UserError, match=r"`bess cells SYSTEM` and `bess health SYSTEM`.*archive"):
        run("report", "--config", str(config / "config.yaml"))


def test_a_redis_that_does_not_answer_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BESS_REDIS_URL", "redis://127.0.0.1:1/0")
    for command in ("cells", "health"):
        with pytest.raises(UserError, match="BESS_REDIS_URL"):
            run(command, "bess1")


def test_a_system_whose_name_two_sites_have_must_be_named_with_its_site() -> None:
    names = ["north/b1", "south/b1", "south/b2"]

    assert chosen(names, "b2") == "south/b2"
    assert chosen(names, "north/b1") == "north/b1"
    with pytest.raises(NotFoundError, match="say north/b1 or south/b1"):
        chosen(names, "b1")


def test_strips_have_the_newest_value_of_each_cell_and_name_the_critical(
    data: SystemData, planted: tuple[str, str, int]
) -> None:
    _, pack, cell = planted

    found = strips(data, "1d", "voltage_deviation_v")

    row = list(found.packs).index(pack)
    newest = max(data.of("1d", pack), key=lambda each: each.start[0])
    np.testing.assert_array_equal(found.values[row], cells(newest, "voltage_deviation_v"))
    assert "WEAK_CELL" in found.critical[row][cell]
    assert found.sizes == [8, 8]


def test_a_pack_that_is_shorter_leaves_the_rest_of_its_strip_empty(data: SystemData) -> None:
    first, second = data.packs
    of_first = [
        msgspec.structs.replace(each, voltage_deviation_v=[each.voltage_deviation_v[0][:5]])
        if each.pack == first
        else each
        for each in data.windows
    ]
    battery = replace(data.battery, packs={first: 5, second: 8})

    found = strips(replace(data, battery=battery, windows=of_first), "1d", "voltage_deviation_v")

    assert np.isnan(found.values[0, 5:]).all()
    assert found.sizes == [5, 8]


@pytest.mark.parametrize(("level", "columns"), [("1d", 4), ("1h", 24 * 4 + 1)])
def test_a_surface_has_a_column_a_window_and_its_days_are_those_of_the_site(
    data: SystemData, level: str, columns: int
) -> None:
    pack = data.packs[0]

    found = surface(data, level, pack, "voltage_mean_v")

    assert found.values.shape == (8, columns)
    assert found.edges.size == columns + 1
    last = data.of(level, pack)[-1]
    np.testing.assert_array_equal(found.values[:, -1], cells(last, "voltage_mean_v"))
    marks = day_marks(found.edges, data.battery.zone, 10)
    assert [date for _, date in marks] == [each.date for each in data.days]
    if level == "1h":
        assert [at for at, _ in marks] == [-0.5, 23.5, 47.5, 72.5]


def test_a_window_that_is_missing_is_unknown_and_none_moves_up(data: SystemData) -> None:
    pack = data.packs[0]
    whole = surface(data, "1h", pack, "voltage_mean_v")
    gone = data.of("1h", pack)[7]

    without = [each for each in data.windows if each is not gone]
    found = surface(replace(data, windows=without), "1h", pack, "voltage_mean_v")

    assert np.isnan(found.values[:, 7]).all()
    np.testing.assert_array_equal(found.values[:, 8:], whole.values[:, 8:])


def test_where_windows_share_a_place_the_furthest_is_seen(
    data: SystemData, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, name = data.packs[0], "voltage_deviation_v"
    whole = surface(data, "1h", pack, name)
    monkeypatch.setattr("stream_app.reports.cell_grid.MOST_COLUMNS", 20)

    found = surface(data, "1h", pack, name)

    assert found.together == 5
    assert found.values.shape == (8, 20)
    assert found.edges.tolist() == [*whole.edges[::5].tolist(), int(whole.edges[-1])]
    for cell in range(8):
        for place in range(20):
            run_ = whole.values[cell, 5 * place : 5 * place + 5]
            assert abs(found.values[cell, place]) == np.nanmax(np.abs(run_))


def test_the_lines_of_a_rate_go_through_the_middle_of_the_days(data: SystemData) -> None:
    name = "soh_bms_ratio"
    told = {f"{name}_per_month": -0.004, f"{name}_per_month_low": -0.006}
    told[f"{name}_per_month_high"] = -0.001
    days = [
        msgspec.structs.replace(
            each, values=each.values | told | {name: 0.97 - 0.004 / 30.4375 * at}
        )
        for at, each in enumerate(data.days)
    ]

    found = trend_lines(replace(data, days=days), days[-1], "bms")

    assert found is not None
    _, values = series(replace(data, days=days), name)
    np.testing.assert_allclose(found.line, values)
    assert (found.low <= found.line).all()
    assert (found.line <= found.high).all()
    assert found.low[-1] - found.line[-1] == pytest.approx(-0.2 * 1.5 / 30.4375)
    assert trend_lines(data, data.days[-1], "bms") is None


def test_pictures_are_the_same_bytes_again_and_are_written_where_asked(
    folder: Path, data: SystemData, tmp_path: Path
) -> None:
    system = data.battery.system
    told = run("cells", system, "--from", str(folder), "--level", "1d", "--png", str(tmp_path))
    told += run("health", system, "--from", str(folder), "--png", str(tmp_path), "--expected")

    made = cell_pictures(data, "1d") | health_pictures(
        data, data.days[-1], dwells(data.days, data.days[-1], None), expected=True
    )
    assert {path.name for path in tmp_path.iterdir()} == made.keys()
    for name, picture in made.items():
        assert (tmp_path / name).read_bytes() == picture
        assert picture.startswith(b"\x89PNG")
        assert name in told.replace("\n", "")


def test_a_single_window_has_no_picture_over_time(data: SystemData) -> None:
    newest = list(data.newest("1d").values())

    found = cell_pictures(replace(data, windows=newest), "1d")

    assert [name.partition("_")[2] for name in found] == ["cells_strips.png", "packs.png"]


def test_days_in_the_zone_of_the_site_are_those_of_its_calendar(data: SystemData) -> None:
    for each in data.windows:
        if each.resolution == "1d":
            day = calendar(data.battery.zone).local_date(each.start[0])
            hours = (each.end[0] - each.start[0]) / HOUR_MS
            assert hours == (25 if day.isoformat() == "2025-10-26" else 24)
