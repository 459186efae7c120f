"""Limits of a cell with their delays, and the thermal rule."""

from collections.abc import Sequence

import numpy as np
import pytest

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.cells.findings import CellFinding
from tests.cells.strategies import MINUTE, run

START = 1_743_861_000_000
CELLS = 5


def found(
    seconds: Sequence[float],
    volts: Sequence[float],
    celsius: Sequence[float] | None = None,
    limits: str = "lfp",
) -> list[CellFinding]:
    """What is found when cell 2 does this and the others are as usual."""
    rules = BatteryRules(interval_ms=1000, max_gap_ms=5 * MINUTE)
    battery = Battery("station", "b1", "UTC", {"A": CELLS}, rules, limits=limits)
    voltage = np.full((len(volts), CELLS), 3.3)
    voltage[:, 1] = volts
    warmth = np.full((len(volts), CELLS), 25.0)
    if celsius is not None:
        warmth[:, 1] = celsius
    times = START + np.rint(np.array(seconds) * 1000).astype(np.int64)
    outputs, _ = run([[battery, CellSamples("A", times, voltage, warmth)]])
    return outputs.findings


def story(findings: Sequence[CellFinding]) -> list[tuple[str, bool, float, float]]:
    """Rule, raised, and the seconds of the change and of its begin."""
    return [
        (each.rule, each.raised, (each.time - START) / 1000, (each.since - START) / 1000)
        for each in findings
    ]


OVER, UNDER = "OVER_VOLT_WARNING", "UNDER_VOLT_WARNING"


@pytest.mark.parametrize(
    ("seconds", "volts", "expected"),
    [
        pytest.param((0, 10, 30), (3.3, 3.6, 3.6), [(OVER, True, 30, 10)], id="held 20 s"),
        pytest.param((0, 10, 29), (3.3, 3.6, 3.64), [], id="held 19 s"),
        pytest.param((0, 10, 20, 25, 40), (3.3, 3.6, 3.59, 3.6, 3.6), [], id="interrupted"),
        pytest.param((0, 10, 20, 30), (3.3, 3.6, np.nan, 3.6), [], id="no value between"),
        pytest.param((0, 10, 400), (3.3, 3.6, 3.6), [], id="a gap between"),
        pytest.param(
            (0, 10, 30, 40, 60),
            (3.3, 3.61, 3.61, 3.51, 3.51),
            [(OVER, True, 30, 10), (OVER, False, 60, 10)],
            id="clears below 3.52 held 20 s",
        ),
        pytest.param(
            (0, 10, 30, 40, 60, 80),
            (3.3, 3.61, 3.61, 3.53, 3.52, 3.53),
            [(OVER, True, 30, 10)],
            id="does not clear at 3.52",
        ),
        pytest.param(
            (0, 10, 12, 15),
            (3.3, 3.65, 3.66, 3.65),
            [("OVER_VOLT_ALARM", True, 15, 10)],
            id="critical after 5 s",
        ),
        pytest.param(
            (0, 10, 30, 40, 60),
            (3.3, 2.6, 2.59, 2.81, 2.85),
            [(UNDER, True, 30, 10), (UNDER, False, 60, 10)],
            id="under-voltage clears above 2.8",
        ),
        pytest.param((0, 10, 15), (3.3, 2.4, 2.3), [("UNDER_VOLT_ALARM", True, 15, 10)], id="deep"),
    ],
)
def test_cell_voltage_limits_of_the_lfp_manual(
    seconds: Sequence[float], volts: Sequence[float], expected: list[tuple[str, bool, float, float]]
) -> None:
    assert story(found(seconds, volts)) == expected


def test_a_finding_names_pack_cell_value_and_limit() -> None:
    (finding,) = found((0, 10, 30), (3.3, 3.6, 3.612))

    assert (finding.pack, finding.cell, finding.unit) == ("A", 2, "V")
    assert (finding.value, finding.limit) == (3.612, 3.6)


def test_a_battery_without_a_known_preset_has_no_limits() -> None:
    assert found((0, 10, 30), (3.3, 3.7, 3.7), limits="none") == []


def rows(count: int) -> list[float]:
    return [float(n) for n in range(count)]


@pytest.mark.parametrize(
    ("seconds", "volts", "celsius", "expected"),
    [
        pytest.param(
            rows(8),
            (3.3, 3.3, 3.0, 2.7, 2.4, 2.4, 2.4, 2.4),
            (25, 25, 27, 29, 31, 33, 35, 37),
            [("THERMAL_RUNAWAY", True, 5, 1)],
            id="warms 2 degC/s for more than 3 s and has lost a quarter of its voltage",
        ),
        pytest.param(
            rows(8),
            (3.3,) * 8,
            (25, 25, 27, 29, 31, 33, 35, 37),
            [],
            id="warms but keeps its voltage",
        ),
        pytest.param(
            rows(8),
            (3.3, 3.3, 3.0, 2.41, 2.41, 2.41, 2.41, 2.41),
            (25, 25, 25.9, 26.8, 27.7, 28.6, 29.5, 30.4),
            [],
            id="warms by less than 1 degC/s",
        ),
        pytest.param(
            rows(6),
            (3.3, 3.3, 2.41, 2.41, 3.3, 3.3),
            (25, 25, 27, 29, 31, 31),
            [],
            id="for no more than 3 s",
        ),
        pytest.param(
            [2.0 * n for n in range(8)],
            (3.3, 3.3, 3.0, 2.41, 2.41, 2.41, 2.41, 2.41),
            (25, 25, 29, 33, 37, 41, 45, 49),
            [],
            id="not evaluable at 2 s",
        ),
    ],
)
def test_thermal_rule(
    seconds: Sequence[float],
    volts: Sequence[float],
    celsius: Sequence[float],
    expected: list[tuple[str, bool, float, float]],
) -> None:
    runaway = [each for each in found(seconds, volts, celsius) if each.rule == "THERMAL_RUNAWAY"]

    assert story(runaway) == expected


def test_a_thermal_runaway_is_over_after_a_minute_of_calm() -> None:
    seconds = rows(80)
    celsius = [25.0, 25, 27, 29, 31, 33, *[34.0] * 74]
    volts = [3.3, 3.3, *[2.45] * 78]

    runaway = [each for each in found(seconds, volts, celsius) if each.rule == "THERMAL_RUNAWAY"]

    assert story(runaway) == [("THERMAL_RUNAWAY", True, 5, 1), ("THERMAL_RUNAWAY", False, 66, 1)]
