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
UNITS = {"batt1": 740.0, "batt10": 900.0}
"""Capacity [Ah] that the charge and the SOC of the day itself give, rounded; none is published."""


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
        "m5bat", name, "UTC", {}, RULES, "other", capacity_ah=UNITS[name], energy_wh=6e5
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
def test_energy_of_the_day_is_the_rectangle_sum_less_what_the_edges_make(name: str) -> None:
    expected = reference(data_file()) if data_file().is_file() else {}

    day, _ = folded(name, 24)

    assert day.values["ac_discharged_kwh"] == pytest.approx(expected[name].discharged, rel=0.002)
    assert day.values["ac_charged_kwh"] == pytest.approx(expected[name].charged, rel=0.002)


@pytest.mark.parametrize("name", UNITS)
def test_the_day_is_the_same_in_other_parts(name: str) -> None:
    assert folded(name, 7)[0] == folded(name, 50)[0]


def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    for name in UNITS:
        day, outputs = folded(name, 24)
        with capsys.disabled():
            print(name, day.values, day.missing, len(day.cycles))
            print([c for o in outputs for c in o.changes][:10])
            f = unit(name)
            q = -np.cumsum(f.values["current_a"]) / 3600
            s = f.values["soc_ratio"]
            A = np.stack([q, np.ones(q.size)], axis=1)
            print(np.linalg.lstsq(A, s, rcond=None), s[0], s[-1], q[-1])


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
