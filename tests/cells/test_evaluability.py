"""What data cannot show is said, and is not judged."""

from typing import Any

import numpy as np
import pytest

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.cells.fold import CellsState, fold_cells
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.limits import REGIMES
from stream_app.core.cells.messages import CellOutputs
from tests.cells.generator import START_MS
from tests.cells.models import learned_model
from tests.cells.strategies import MINUTE

NAN = np.nan


def pack_of(
    cells: int,
    rows: int,
    interval_ms: int = MINUTE,
    model: AnomalyModel | None = None,
    **columns: Any,
) -> CellOutputs:
    """A pack at 3.3 V and 25 degC that rests, but for what is given by column."""
    rules = BatteryRules(interval_ms=interval_ms, max_gap_ms=3 * interval_ms)
    battery = Battery("station", "b1", "UTC", {"1": cells}, rules)
    usual = {
        "voltage_v": np.full((rows, cells), 3.3),
        "temperature_c": np.full((rows, cells), 25.0),
        "current_a": np.zeros(rows),
    }
    times = START_MS + interval_ms * np.arange(rows, dtype=np.int64)
    samples = CellSamples("1", times, **{**usual, **columns})
    return fold_cells(CellsState(), [battery, *([model] if model else []), samples])


def reasons(outputs: CellOutputs, name: str) -> list[str]:
    """Of the closed five-minute windows, in order."""
    told = [
        counts
        for each in outputs.windows
        if each.resolution == "5min"
        for counts in each.evaluable or ()
    ]
    return [reason for counts in told for reason in counts[name]]  # type: ignore[index]


def raised(outputs: CellOutputs) -> set[tuple[str, int | None]]:
    return {(each.rule, each.cell) for each in outputs.findings if each.raised}


def test_three_cells_of_fifty_two_are_no_pack_to_compare_with() -> None:
    volts = np.full((120, 52), NAN)
    volts[:, :3] = (3.3, 3.303, 3.33)

    outputs = pack_of(52, 120, voltage_v=volts)

    assert raised(outputs) == {("VOLTAGE_IMBALANCE_WARNING", None)}
    for name in ("voltage_limits", "voltage_deviation", "voltage_drift", "voltage_spread", "rest"):
        assert set(reasons(outputs, name)) == {"missing_signal"}
    assert set(reasons(outputs, "temperature_limits")) == {"evaluable"}


def test_a_drift_is_not_evaluable_before_there_is_a_day_to_drift_from() -> None:
    told = reasons(pack_of(5, 1600), "voltage_drift")

    assert told == ["no_past"] * 287 + ["evaluable"] * (len(told) - 287)
    assert len(told) > 300


@pytest.mark.parametrize(("has_model", "reason"), [(False, "no_model"), (True, "evaluable")])
def test_what_is_learned_is_evaluable_once_there_is_a_model(has_model: bool, reason: str) -> None:
    outputs = pack_of(52, 20, model=learned_model(1) if has_model else None)

    assert set(reasons(outputs, "learned_anomaly")) == {reason}


def test_a_stuck_sensor_is_evaluable_where_there_is_a_value() -> None:
    outputs = pack_of(5, 20, temperature_c=np.full((20, 5), NAN))

    assert set(reasons(outputs, "voltage_stuck")) == {"evaluable"}
    assert set(reasons(outputs, "temperature_stuck")) == {"missing_signal"}


def test_limits_are_not_evaluable_where_values_come_more_seldom_than_a_gap() -> None:
    volts = np.full((180, 5), 3.3)
    volts[np.arange(180) % 6 != 0] = NAN

    outputs = pack_of(5, 180, 10_000, voltage_v=volts)

    assert set(reasons(outputs, "voltage_limits")) == {"sample_rate"}
    assert set(reasons(outputs, "temperature_limits")) == {"evaluable"}


@pytest.mark.parametrize(
    ("every", "reason"), [(1, "evaluable"), (2, "evaluable"), (4, "sample_rate")]
)
def test_the_thermal_rule_needs_a_temperature_every_other_second(every: int, reason: str) -> None:
    warm = np.full((700, 5), 25.0)
    warm[np.arange(700) % every != 0] = NAN

    assert set(reasons(pack_of(5, 700, 1000, temperature_c=warm), "thermal_runaway")) == {reason}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(np.arange(120) % 20 != 7, "rest", id="one row in twenty without a current"),
        pytest.param(np.arange(120) % 5 == 0, "rest", id="a current each five minutes"),
        pytest.param(np.arange(120) % 10 == 0, "plateau", id="a current each ten minutes"),
    ],
)
def test_a_pack_rests_though_not_every_row_has_a_current(known: Any, expected: str) -> None:
    outputs = pack_of(5, 120, current_a=np.where(known, 0.2, NAN))

    windows = next(each for each in outputs.windows if each.resolution == "5min")
    assert windows.regimes is not None
    assert REGIMES[windows.regimes[-1]] == expected


@pytest.mark.parametrize("step", [0.001, 0.005, 0.01])
def test_a_sensor_of_coarse_steps_makes_no_critical_cells(step: float) -> None:
    """Cells that are alike but for 3 mV, read in steps: one step off the median is nothing."""
    rng = np.random.default_rng(1)
    alike = 3.3048 + rng.normal(0, 0.0015, 52) + rng.normal(0, 0.001, (300, 52))

    outputs = pack_of(52, 300, voltage_v=np.round(alike / step) * step)

    assert raised(outputs) == set()


@pytest.mark.parametrize("step", [0.001, 0.01])
def test_a_cell_far_off_is_found_by_coarse_sensors_too(step: float) -> None:
    rng = np.random.default_rng(1)
    volts = 3.3048 + rng.normal(0, 0.003, 52) + np.zeros((300, 1))
    volts[:, 7] += 0.025

    outputs = pack_of(52, 300, voltage_v=np.round(volts / step) * step)

    assert ("CELL_VOLTAGE_DEVIATION", 8) in raised(outputs)


def test_a_hot_cell_is_found_by_sensors_of_whole_degrees_and_one_degree_is_none() -> None:
    warm = np.full((120, 52), 25.0)
    warm[:, 3:9], warm[:, 9] = 26, 30

    assert raised(pack_of(52, 120, temperature_c=warm)) == {("HOT_CELL", 10)}


def test_packs_of_four_cells_are_judged_by_all_that_needs_no_fifth() -> None:
    rng = np.random.default_rng(1)
    minutes = np.arange(3000)
    volts = 3.3 + 0.03 * np.sin(minutes / 300)[:, None] + rng.normal(0, 0.0005, (3000, 4))
    volts[:, 0] -= 0.00003 * np.maximum(minutes - 1800, 0)
    volts[1500:, 2] = 3.301

    outputs = pack_of(4, 3000, voltage_v=volts.round(3))

    rules = {("CELL_VOLTAGE_DRIFT", 1), ("CELL_VOLTAGE_STUCK", 3)}
    assert rules <= raised(outputs)
    assert {cell for _, cell in raised(outputs)} <= {1, 3, None}
    assert set(reasons(outputs, "voltage_deviation")) == {"too_few_cells"}


def test_more_resistance_is_no_drift_and_a_drift_beside_it_is() -> None:
    """The load changes from day to day, and the cell lies 12 mV off at most."""
    rng = np.random.default_rng(1)
    hours = np.arange(6 * 288) / 12
    of_day, strength = hours % 24, np.where(hours % 48 < 24, 1.0, 0.6)
    charged, discharged = (of_day >= 9) & (of_day < 13), (of_day >= 17) & (of_day < 20.5)
    amperes = strength * np.where(charged, -60.0, np.where(discharged, 60.0, 0.0))
    volts = 3.3 + rng.normal(0, 0.0005, (hours.size, 6))
    volts[:, 2] -= 0.0002 * amperes
    volts[:, 4] -= 0.0004 * np.maximum(hours - 60, 0)

    outputs = pack_of(6, hours.size, 300_000, voltage_v=volts.round(3), current_a=amperes)

    drifts = {each.cell for each in outputs.findings if each.rule == "CELL_VOLTAGE_DRIFT"}
    assert drifts == {5}
