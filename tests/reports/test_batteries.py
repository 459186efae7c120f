"""`bess process` of an export of signals: tables of its batteries and meters."""

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from replay.sample.cells import CellSpec, write_cells
from stream_app.cli import build

SPEC = CellSpec(days=3, interval_s=300, systems=2, packs=2, cells=8, meters=1, seed=3)
FILES = {
    "health_daily.csv",
    "dwell_daily.csv",
    "meter_daily.csv",
    "cells_daily.csv",
    "signals_daily.csv",
    "evaluability_daily.csv",
    "critical_cells.csv",
    "battery_alarms.csv",
    "battery_records.jsonl",
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("cells"), SPEC).directory


def process(export: Path, out: Path, *more: str) -> str:
    command = ["process", "--config", str(export / "config.yaml"), "--out", str(out), *more]
    done = CliRunner().invoke(build(), command)
    assert done.exit_code == 0, done.output
    return done.output


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_each_table_has_its_rows_and_the_same_bytes_again(export: Path, tmp_path: Path) -> None:
    told = process(export, tmp_path / "one")
    process(export, tmp_path / "two")

    assert {path.name for path in (tmp_path / "one").iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert str(tmp_path / "one" / name) in told.replace("\n", "")
    days = {row["date"] for row in table(tmp_path / "one" / "health_daily.csv")}
    assert len(days) == SPEC.days
    assert len(table(tmp_path / "one" / "cells_daily.csv")) == 3 * 2 * 2 * 8
    assert len(table(tmp_path / "one" / "meter_daily.csv")) == SPEC.days


def test_an_indicator_that_cannot_be_told_is_empty_and_says_why(
    export: Path, tmp_path: Path
) -> None:
    process(export, tmp_path)

    first = table(tmp_path / "health_daily.csv")[0]
    reasons = dict(each.split("=") for each in first["missing"].split(";"))
    assert reasons
    assert all(first[name] == "" for name in reasons)
    assert float(first["soc_ratio"]) > 0


def test_the_planted_smoke_is_told_from_its_begin_to_its_end(export: Path, tmp_path: Path) -> None:
    process(export, tmp_path)
    truth = yaml.safe_load((export / "truth.yaml").read_text(encoding="utf-8"))

    (planted,) = (each for each in truth["faults"] if each["kind"] == "smoke")
    flags = [row for row in table(tmp_path / "battery_alarms.csv") if row["rule"] == "FLAG"]
    events = {(row["system"], row["signal"], row["state"]) for row in flags}
    system = planted["system"]
    assert events == {
        (system, f"fa1_{name}", state)
        for name in ("SmokeFlag", "Level")
        for state in ("raised", "cleared")
    }
    begin = datetime.fromisoformat(planted["from"])
    (since,) = {datetime.fromisoformat(row["since"]) for row in flags}
    assert 0 <= (since - begin).total_seconds() < SPEC.interval_s
    shown = [r for r in table(tmp_path / "signals_daily.csv") if r["signal"].endswith("SmokeFlag")]
    assert {r["highest"] for r in shown if r["start"] > planted["from"]} == {"0.0"}
    assert [(r["system"], r["signal"], r["lowest"]) for r in shown if r["highest"] == "1.0"] == [
        (system, "fa1_SmokeFlag", "")
    ]


def test_windows_of_signals_can_be_had_by_hours(export: Path, tmp_path: Path) -> None:
    process(export, tmp_path, "--windows", "1h")

    days, hours = (table(tmp_path / f"signals_{name}.csv") for name in ("daily", "1h"))

    def highest(rows: list[dict[str, str]]) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for row in rows:
            key = row["system"], row["signal"]
            found[key] = max(found.get(key, float("-inf")), float(row["highest"]))
        return found

    assert highest(hours) == highest(days)
    assert len(hours) > 20 * len(days)


def test_the_planted_weak_cell_is_among_the_critical_ones(export: Path, tmp_path: Path) -> None:
    process(export, tmp_path)
    truth = yaml.safe_load((export / "truth.yaml").read_text(encoding="utf-8"))

    planted = [
        (each["system"], each["pack"], str(each["cell"]))
        for each in truth["faults"]
        if each["kind"] == "weak"
    ]
    cells = {(r["system"], r["pack"], r["cell"]) for r in table(tmp_path / "critical_cells.csv")}
    assert len(planted) == 1
    assert planted[0] in cells


def test_a_system_without_packs_says_which_limits_watch_it(tmp_path: Path) -> None:
    rows = [f"2025-10-25T00:{at:02}:00+0200,50,{3.9 if at else 3.3},31" for at in range(0, 60, 5)]
    head = "Timestamp,Rack 1 SOC (%),Rack 1 Max cell voltage (V),Rack 1 Max cell temperature (degC)"
    (tmp_path / "r.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    config = {
        "data": {"paths": ["r.csv"]},
        "parsing": {"timezone": "Europe/Berlin"},
        "signals": {"preset": "racks"},
        "battery": {"capacity_ah": 280, "energy_kwh": 240},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    out = tmp_path / "out"

    told = process(tmp_path, out)
    asked = ["cells", "Rack_1", "--from", str(out)]
    shown = CliRunner().invoke(build(), asked)
    records = json.loads(CliRunner().invoke(build(), [*asked, "--json"]).output)
    drawn = CliRunner().invoke(build(), [*asked, "--png", str(tmp_path / "png")])
    of_pack = CliRunner().invoke(build(), [*asked, "--pack", "1"])

    assert "no packs of cells: Rack_1; no limit watches under_volt, under_temp" in told
    found = {row["indicator"]: row["reason"] for row in table(out / "evaluability_daily.csv")}
    assert {name: why for name, why in found.items() if why != "no_cells"} == {
        "over_volt": "evaluable",
        "under_volt": "missing_signal",
        "over_temp": "evaluable",
        "under_temp": "missing_signal",
    }
    assert {"weak_cell", "voltage_spread"} < set(found)
    alarms = {row["rule"] for row in table(out / "battery_alarms.csv")}
    assert {"OVER_VOLT_ALARM", "OVER_VOLT_WARNING"} <= alarms
    assert shown.exit_code == 0, shown.output
    lines = {line.split()[0]: line.split() for line in shown.output.splitlines() if line.strip()}
    assert lines["over_volt"] == ["over_volt", "cell_max_v", "3.6", "V", "3.65", "V", "evaluable"]
    assert lines["under_volt"][-1] == "missing_signal"
    assert records == [{"site": "station", "system": "Rack_1", "evaluability": found}]
    assert "`bess health station/Rack_1 --png" in str(drawn.exception)
    assert "it has none at all" in str(of_pack.exception)
