"""A published day of a real battery: its charge, SOC and meter against each other."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.real import VARIABLE, data_file, reference
from stream_app.core.battery import (
    Battery,
    BatteryRules,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.health.result import HealthDay
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import SystemOutputs, fold_system
from stream_app.core.messages import EndOfData
from stream_app.core.meters import MeterState, fold_meter

SECOND = 1000
RULES = BatteryRules(interval_ms=SECOND, max_gap_ms=10 * SECOND)
UNITS = {"batt1": 1430.0, "batt10": 270.0}
"""Capacity [Ah]: the line through SOC over charge of that day, rounded, for none is published."""
WITHHELD = {"efc", "efc_day", "cycles_closed", "cycle_depth_ratio", "cycle_soc_ratio"} | {
    "rte_dc_corrected_ratio",
    "rte_ac_corrected_ratio",
}


@dataclass
class Unit:
    """The day of one battery unit as the stream would have it."""

    times: np.ndarray
    values: dict[str, np.ndarray]


def unit(name: str) -> Unit:
    data = data_file()
    if not data.is_file():
        pytest.skip(f"the published day {data.name} is not here; {VARIABLE} names its path")
    columns = {
        "soc_ratio": (f"SOC_{name}", 0.001),
        "current_a": (f"I_DC_Batt_{name}", 0.1),
        "voltage_v": (f"U_DC_Batt_{name}", 0.1),
        "ac_power_w": (f"P_AC_{name}", 1000.0),
    }
    table = pq.read_table(data, columns=[column for column, _ in columns.values()])
    values = {
        ours: table.column(theirs).to_numpy().astype(np.float64) * scale
        for ours, (theirs, scale) in columns.items()
    }
    start = 1_680_825_600_000
    return Unit(start + SECOND * np.arange(table.num_rows, dtype=np.int64), values)


def folded(name: str, parts: int) -> tuple[HealthDay, list[SystemOutputs]]:
    found = unit(name)
    battery = Battery(
        "m5bat", name, "UTC", {}, RULES, "nmc", capacity_ah=UNITS[name], energy_wh=6e5
    )
    state, outputs = SystemState(), []
    outputs.append(fold_system(state, [battery]))
    for rows in np.array_split(np.arange(found.times.size), parts):
        values = {signal: column[rows] for signal, column in found.values.items()}
        outputs.append(fold_system(state, [SystemSamples(found.times[rows], values)]))
    outputs.append(fold_system(state, [EndOfData(int(found.times[-1]) + SECOND)]))
    (day,) = outputs[-1].days
    return day, outputs


@pytest.mark.parametrize("name", UNITS)
def test_energy_is_that_of_the_published_samples(name: str) -> None:
    day, _ = folded(name, 24)
    published = reference(data_file())[name]

    out, into = day.values["ac_discharged_kwh"], day.values["ac_charged_kwh"]
    # Held for a second, samples on both sides of a zero crossing count in full; a line counts less.
    assert published.discharged * 0.997 < out <= published.discharged
    assert published.charged * 0.997 < into <= published.charged
    assert out - into == pytest.approx(published.discharged - published.charged, abs=0.01)


def test_a_good_bms_has_no_findings_and_without_cell_voltages_nothing_judges_it() -> None:
    day, outputs = folded("batt1", 24)

    assert [change for out in outputs for change in out.changes] == []
    assert day.missing["soc_drift_ratio"] == "no_voltage"
    assert day.values["soc_doubted_values"] == 0


def test_a_soc_that_follows_the_voltage_is_often_not_believed() -> None:
    day, _ = folded("batt10", 24)

    assert day.values["soc_doubted_values"] > 0


def test_the_jumps_of_a_poor_bms_are_found_to_the_second() -> None:
    found = unit("batt10")
    step = np.diff(found.values["soc_ratio"])
    jumps = found.times[1:][np.abs(step) > 0.03]

    day, outputs = folded("batt10", 24)

    changes = [change for out in outputs for change in out.changes]
    raised = [each.time for each in changes if each.rule == "SOC_JUMP" and each.raised]
    assert raised == jumps.tolist()
    assert len(raised) == 5
    # Each leap would be a cycle that was not: no number of cycles is made of such a SOC.
    assert {name for name, why in day.missing.items() if why == "soc_jump"} == WITHHELD
    assert "efc_24h_max" in day.values, "charge is counted by current, not by SOC"


@pytest.mark.parametrize("name", UNITS)
def test_the_day_is_the_same_in_other_parts(name: str) -> None:
    assert folded(name, 7)[0] == folded(name, 50)[0]


def test_a_meter_on_the_unit_sees_the_same_energy() -> None:
    found = unit("batt1")
    state, point = MeterState(), MeterPoint("m5bat", "batt1", "UTC", SECOND, 10 * SECOND)
    power = found.values["ac_power_w"]
    counter = np.cumsum(np.clip(power, 0, None)) / 3600
    values = {"power_w": power, "export_wh": np.floor(counter)}

    end = EndOfData(int(found.times[-1]) + SECOND)
    (day,) = fold_meter(state, [point, MeterSamples(found.times, values), end]).days

    assert day.values["export_kwh"] == pytest.approx(28.591, rel=0.002)
    assert day.values["import_kwh"] == pytest.approx(67.097, rel=0.002)
    assert day.verdicts == {"export": "agrees"}
