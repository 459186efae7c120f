"""Made-up exports of cells: the same bytes from the same seed, and the truth about their faults."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from replay.config import load_config
from replay.sample import SampleError
from replay.sample.cells import FAULTS, CellSpec, files_of, write_cells
from replay.sample.cells.faults import LARGEST_DRIFT_V, plan
from replay.signals.export import SignalExport
from stream_app.cli import build
from stream_app.cli.errors import UserError
from stream_app.core.battery import CellSamples

SMALL = CellSpec(days=3, interval_s=300, systems=2, packs=2, cells=10, meters=1, seed=7)
CLEAN = replace(SMALL, faults=(), clocks=False, gaps=False)
STEP_H = SMALL.interval_s / 3600

Arrays = Mapping[str, np.ndarray]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read(folder: Path) -> dict[tuple[str, str], Arrays]:
    """All values of each system ("" as its pack) and pack, read through the export's own config."""
    export = SignalExport.open(load_config(folder / "config.yaml"))
    (batch,) = export.batches(rows=100_000)
    found: dict[tuple[str, str], Arrays] = {}
    for key, samples in batch.samples:
        name = key.rpartition("/")[2]
        if isinstance(samples, CellSamples):
            matrices = {"v": samples.voltage_v, "t": samples.temperature_c}
            found[name, samples.pack] = {"times": samples.times, **matrices}  # type: ignore[dict-item]
        else:
            found[name, ""] = {"times": samples.times, **samples.values}
    return found


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("faulty"), replace(SMALL, gaps=False)).directory


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("clean"), CLEAN).directory


def truth(folder: Path) -> Mapping[str, list[Mapping[str, object]]]:
    found: Mapping[str, list[Mapping[str, object]]] = yaml.safe_load(
        (folder / "truth.yaml").read_text()
    )
    return found


def fault(folder: Path, kind: str) -> tuple[Arrays, int, int, np.ndarray]:
    """Arrays of the pack of a fault, place of the cell, instant of its begin, rows after it."""
    (found,) = (each for each in truth(folder)["faults"] if each["kind"] == kind)
    pack = read(folder)[str(found["system"]), str(found["pack"])]
    start = round(datetime.fromisoformat(str(found["from"])).timestamp() * 1000)
    return pack, int(str(found["cell"])) - 1, start, pack["times"] >= start


def deviation(values: np.ndarray, place: int) -> np.ndarray:
    """How far a cell lies from the median of its pack, row by row."""
    away: np.ndarray = values[:, place] - np.median(values, axis=1)
    return away


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, spec in (("a", SMALL), ("b", SMALL), ("c", replace(SMALL, seed=8))):
        write_cells(tmp_path / name, spec)

    one, same, other = (bytes_of(tmp_path / name) for name in "abc")
    assert one == same
    assert one["truth.yaml"] != other["truth.yaml"]
    soc = "BESS/bess1/bms1_soc.csv"
    assert one[soc] != other[soc]


def test_a_clean_export_has_every_file_and_every_row(clean: Path) -> None:
    found = read(clean)

    assert truth(clean)["faults"] == truth(clean)["gaps"] == truth(clean)["missing_files"] == []
    assert len(list(clean.rglob("*.csv"))) == files_of(CLEAN)
    for arrays in found.values():
        assert arrays["times"].tolist() == CLEAN.times.tolist()
        for values in arrays.values():
            assert np.isfinite(values).all()


def test_cells_of_a_clean_export_lie_close_together(clean: Path) -> None:
    found = read(clean)
    for (system, pack), arrays in found.items():
        if pack:
            resting = found[system, ""]["current_a"] == 0
            spread = np.ptp(arrays["v"], axis=1)
            assert spread[resting].max() < 0.030
            assert np.ptp(arrays["t"], axis=1).max() < 3.0


def test_the_soc_follows_from_the_current(clean: Path) -> None:
    system = read(clean)["bess1", ""]
    current, soc = system["current_a"], system["soc_ratio"]
    charge_ah = np.cumsum((current[1:] + current[:-1]) / 2) * STEP_H

    assert np.abs(soc[0] - charge_ah / (280.0 * CLEAN.capacity_ratio) - soc[1:]).max() < 0.01
    assert np.ptp(soc) > 0.6
    assert (soc.min() > 0.05, soc.max() < 0.985) == (True, True)


def test_energy_counters_follow_from_the_power_of_the_meter(clean: Path) -> None:
    meter = read(clean)["m1", ""]

    net_wh = meter["export_wh"] - meter["import_wh"]
    assert np.diff(net_wh) == pytest.approx(meter["power_w"][1:] * STEP_H, abs=25)
    assert (np.diff(meter["import_wh"]) >= 0).all()


def test_a_weak_cell_falls_behind_only_where_the_battery_is_nearly_empty(faulty: Path) -> None:
    pack, place, _, _ = fault(faulty, "weak")
    away = deviation(pack["v"], place)

    low = np.median(pack["v"], axis=1) < 3.21
    assert away[low].min() < -0.1
    assert away.min() == np.min(pack["v"] - np.median(pack["v"], axis=1)[:, np.newaxis])


def test_a_drifting_cell_sinks_by_a_millivolt_an_hour_up_to_an_end(faulty: Path) -> None:
    pack, place, start, after = fault(faulty, "drift")
    away, hours = deviation(pack["v"], place), (pack["times"] - start) / 3_600_000

    expected = np.maximum(-0.001 * hours[after], LARGEST_DRIFT_V)
    assert np.median(np.abs(away[after] - expected)) < 0.006
    assert np.median(np.abs(away[~after])) < 0.006


def test_a_hot_cell_is_warmer_and_warms_its_neighbours_a_little(faulty: Path) -> None:
    pack, place, start, after = fault(faulty, "hot")
    later = pack["times"] >= start + 3_600_000
    away = deviation(pack["t"], place)

    assert away[later].mean() - away[~after].mean() == pytest.approx(6.0, abs=0.5)
    beside = deviation(pack["t"], place - 1 if place else place + 1)
    assert beside[later].mean() - beside[~after].mean() == pytest.approx(1.8, abs=0.5)


def test_a_stuck_voltage_does_not_change_while_others_do(faulty: Path) -> None:
    pack, place, _, after = fault(faulty, "stuck")

    assert np.ptp(pack["v"][after, place]) == 0
    assert np.ptp(np.median(pack["v"], axis=1)[after]) > 0.05
    assert np.ptp(pack["v"][~after, place]) > 0.05


def test_smoke_is_a_flag_for_ten_minutes(faulty: Path) -> None:
    (found,) = (each for each in truth(faulty)["faults"] if each["kind"] == "smoke")
    flags = read(faulty)[str(found["system"]), ""]["fa1_SmokeFlag"]

    assert flags.sum() == 600 / SMALL.interval_s
    assert found["cell"] is None


def test_clocks_differ_and_the_night_of_the_clock_change_is_whole(tmp_path: Path) -> None:
    spec = CellSpec(
        start=date(2025, 10, 26),
        days=1,
        interval_s=60,
        systems=1,
        packs=1,
        cells=4,
        faults=(),
        gaps=False,
    )
    write_cells(tmp_path, spec)

    first = {path.read_text().splitlines()[1].split(",")[0] for path in tmp_path.rglob("*.csv")}
    assert len(first) > 3
    for arrays in read(tmp_path).values():
        assert arrays["times"].tolist() == spec.times.tolist()
        assert arrays["times"].size == 25 * 60


def test_a_cell_with_a_fault_is_measured(tmp_path: Path) -> None:
    """Of so few cells most would lack a file otherwise."""
    spec = replace(SMALL, systems=1, packs=1, cells=6, faults=("drift", "hot"), days=1)
    for seed in range(6):
        report = write_cells(tmp_path / str(seed), replace(spec, seed=seed))

        drift, hot = report.faults
        kept = {f"BESS/bess1/bms1_p1_v{drift.cell}", f"BESS/bess1/bms1_p1_t{hot.cell}"}
        assert kept.isdisjoint(report.missing)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    write_cells(tmp_path, SMALL)
    told = truth(tmp_path)

    assert len(told["missing_files"]) == 3
    for name in told["missing_files"]:
        assert not (tmp_path / f"{name}.csv").exists()
    export = SignalExport.open(load_config(tmp_path / "config.yaml"))
    assert sum(line.partition(" of cell ")[2].count(",") + 1 for line in export.remarks) == 3
    assert told["gaps"]
    for gap in told["gaps"]:
        path = tmp_path / f"{gap['file']}.csv"
        rows = path.read_text().count("\n") - 1
        span = datetime.fromisoformat(str(gap["to"])) - datetime.fromisoformat(str(gap["from"]))
        assert rows == SMALL.times.size - span.total_seconds() / SMALL.interval_s


def test_a_fault_of_each_kind_has_a_cell_of_its_own() -> None:
    for seed in range(20):
        told = plan(tiny(seed))
        assert [each.kind for each in told] == list(FAULTS)
        places = {(each.system, each.pack, each.cell) for each in told if each.cell}
        assert len(places) == 4


def tiny(seed: int) -> CellSpec:
    return CellSpec(days=1, interval_s=3600, systems=1, packs=2, cells=12, meters=0, seed=seed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 0}, "days: 0 is not from 1"),
        ({"zone": "Mars/Base"}, "there is no time zone 'Mars/Base'"),
        ({"faults": ("loud",)}, "no fault 'loud'; known: weak, drift, hot, stuck, smoke"),
        ({"days": 60, "interval_s": 1}, "rows a file are more than 400,000"),
        ({"systems": 1000, "days": 200}, "more than 2,000,000,000 voltages"),
        ({"cells": 4, "packs": 1, "systems": 1}, "too few cells for 4 faults"),
    ],
)
def test_what_cannot_be_written_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SampleError, match=message):
        replace(CellSpec(), **change)  # type: ignore[arg-type]


def test_a_directory_with_an_export_is_left_alone(tmp_path: Path) -> None:
    write_cells(tmp_path, tiny(1))

    with pytest.raises(SampleError, match="BESS already holds an export"):
        write_cells(tmp_path, tiny(2))


def test_the_command_writes_an_export_that_replay_reads(tmp_path: Path) -> None:
    sizes = ["--systems", "1", "--packs", "1", "--cells-a-pack", "8", "--meters", "0"]
    options = ["--days", "2", "--interval", "15min", "--faults", "weak,hot", *sizes]

    done = CliRunner().invoke(build(), ["sample", str(tmp_path), "--cells", *options])
    read_back = CliRunner().invoke(
        build(), ["replay", "--config", str(tmp_path / "config.yaml"), "--dry-run"]
    )

    assert done.exit_code == 0, done.output
    assert "weak: bess1 pack 1 cell" in done.stdout
    assert "2 files missing" in done.stdout
    assert "station/battery/bess1: packs 1 8 cells; ac_power_w, " in read_back.stdout
    assert "192 rows" in read_back.stdout


@pytest.mark.parametrize("options", [["--faults", "loud"], ["--interval", "soon"]])
def test_the_command_tells_a_mistake_in_one_sentence(tmp_path: Path, options: list[str]) -> None:
    done = CliRunner().invoke(build(), ["sample", str(tmp_path), "--cells", *options])

    assert isinstance(done.exception, UserError)


def test_a_clean_command_plants_nothing(tmp_path: Path) -> None:
    sizes = ["--systems", "1", "--packs", "1", "--cells-a-pack", "4", "--days", "1"]

    CliRunner().invoke(build(), ["sample", str(tmp_path), "--cells", "--clean", *sizes])

    told = truth(tmp_path)
    assert told["faults"] == told["gaps"] == told["missing_files"] == []
