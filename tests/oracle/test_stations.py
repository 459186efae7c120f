"""Generated stations: the product's daily energy is that of an independent computation."""

from datetime import date
from pathlib import Path

import pytest

from replay.config import load_config
from replay.export import Export
from replay.sample import SampleReport, SampleSpec, write_sample
from schemas.results import DailyRecord
from stream_app.core.energy import W_MS_PER_KWH
from stream_app.process import process
from tests.oracle.energy import Day, Energy, daily_energy

STATIONS = {
    "6 enclosures, 15 min, clock turned back": SampleSpec(
        start=date(2025, 4, 3), days=6, inverters=3, enclosures="6", seed=11, files_per="day"
    ),
    "4 enclosures, 1 min, gaps and bad cells": SampleSpec(
        start=date(2025, 6, 30), days=3, inverters=2, enclosures="4", interval_s=60, seed=5
    ),
    "mixed, 15 min, CSV, clock turned forward": SampleSpec(
        start=date(2025, 3, 28),
        days=5,
        inverters=4,
        seed=3,
        zone="Europe/Berlin",
        format="csv",
        clock_change=True,
    ),
    "half an hour turned back, 5 min": SampleSpec(
        start=date(2025, 4, 5),
        days=3,
        inverters=2,
        seed=8,
        zone="Australia/Lord_Howe",
        interval_s=300,
        files_per="one",
    ),
    "clean, with offsets": SampleSpec(
        start=date(2025, 4, 5),
        days=3,
        inverters=2,
        clock_change=False,
        gaps=False,
        bad_cells=False,
        shuffle=False,
        weak=False,
    ),
}


@pytest.mark.parametrize("method", ["trapezoid", "left"])
@pytest.mark.parametrize("spec", STATIONS.values(), ids=STATIONS.keys())
def test_daily_energy_equals_the_independent_computation(
    tmp_path: Path, spec: SampleSpec, method: str
) -> None:
    report = write_sample(tmp_path, spec)
    max_gap_s = 3 * spec.interval_s
    expected = daily_energy(
        [each.path for each in report.files], spec.zone, spec.interval_s, max_gap_s, method
    )

    produced = product(report, method, max_gap_s)

    assert expected.keys() <= produced.keys()
    for day, energy in produced.items():
        assert energy == pytest.approx(expected.get(day, (0, 0, 0)), abs=1e-6), day
    assert len({name for _, name in expected}) == sum(map(len, spec.enclosure_names))
    assert len({day for day, _ in expected}) == spec.days


def product(report: SampleReport, method: str, max_gap_s: int) -> dict[Day, Energy]:
    text = report.config.read_text()
    energy = f"energy:\n  method: {method}\n  max_gap: {max_gap_s}s\n"
    report.config.write_text(text.replace("energy:\n", energy))
    daily = process(Export.open(load_config(report.config)), lambda *_: None).daily
    return {(each.date, each.enclosure): energy_of(each) for each in daily}


def energy_of(record: DailyRecord) -> Energy:
    charged, discharged = record.charged_w_ms, record.discharged_w_ms
    return charged / W_MS_PER_KWH, discharged / W_MS_PER_KWH, record.coverage


def test_the_weak_input_and_the_gaps_are_visible_in_the_answer(tmp_path: Path) -> None:
    spec = SampleSpec(start=date(2025, 6, 2), days=7, inverters=3, enclosures="6", seed=2)
    report = write_sample(tmp_path, spec)
    [weak] = [each for each in report.defects if each.kind == "weak input"]

    produced = product(report, "trapezoid", 2700)

    totals: dict[str, float] = {}
    for (_, name), (_, discharged, _) in produced.items():
        totals[name] = totals.get(name, 0) + discharged
    weakest = sorted(totals, key=lambda name: totals[name])[:3]
    inverter, dc_input = divmod(spec.power_columns.index(weak.columns[0]), 2)
    own = spec.enclosure_names[inverter][3 * dc_input : 3 * dc_input + 3]
    assert sorted(weakest) == sorted(own)
    assert min(coverage for _, _, coverage in produced.values()) < 0.95
