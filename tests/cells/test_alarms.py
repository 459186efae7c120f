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
    amperes: Sequence[float] | None = None,
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
    current = None if amperes is None else np.array(amperes)
    outputs, _ = run([[battery, CellSamples("A", times, voltage, warmth, current)]])
    return outputs.findings


def story(findings: Sequence[CellFinding]) -> list[tuple[str, bool, float, float]]:
    """Rule, raised, and the seconds of the change and of its begin."""
    return [
        (each.rule, each.raised, (each.time - START) / 1000, (each.since - START) / 1000)
        for each in findings
    ]


def test_a_faster_signal_of_the_system_silences_no_cell() -> None:
    rules = BatteryRules(interval_ms=1000, max_gap_ms=3000, cells_gap_ms=3 * MINUTE)
    battery = Battery("station", "b1", "UTC", {"A": CELLS}, rules)
    times = START + MINUTE * np.arange(5)
    volts = np.where(np.arange(CELLS) == 1, 3.75, 3.35) * np.ones((5, 1))

    outputs, _ = run([[battery, CellSamples("A", times, volts, None)]])

    assert {each.rule for each in outputs.findings} == {"OVER_VOLT_ALARM", "OVER_VOLT_WARNING"}


OVER, UNDER = "OVER_VOLT_WARNING", "UNDER_VOLT_WARNING"


@pytest.mark.parametrize(
    ("seconds", "volts", "expected"),
    [
        pytest.param((0, 10, 30), (3.3, 3.6, 3.6), [(OVER, True, 30, 10)], id="held 20 s"),
        pytest.param((0, 10, 29), (3.3, 3.6, 3.64), [], id="held 19 s"),
        pytest.param((0, 10, 20, 25, 40), (3.3, 3.6, 3.59, 3.6, 3.6), [], id="interrupted"),
        pytest.param(
            (0, 10, 20, 30), (3.3, 3.6, np.nan, 3.6), [(OVER, True, 30, 10)], id="no value between"
        ),
        pytest.param(
            (0, 10, 150, 320), (3.3, 3.6, np.nan, 3.6), [], id="a gap of the cell's own values"
        ),
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


@pytest.mark.parametrize("poll", [1, 2, 6])
def test_voltages_that_come_more_seldom_than_temperatures_are_judged(poll: int) -> None:
    """Voltages each minute in rows of 10 s; a null now and then does no harm either."""
    seconds = [10.0 * n for n in range(20)]
    volts = [3.7 if n % poll == 0 else np.nan for n in range(20)]

    rules = {each.rule for each in found(seconds, volts) if each.raised}

    assert rules == {"OVER_VOLT_ALARM", "OVER_VOLT_WARNING"}


HOT, WARM, COLD, FROST = (
    "OVER_TEMP_ALARM",
    "OVER_TEMP_WARNING",
    "UNDER_TEMP_ALARM",
    "UNDER_TEMP_WARNING",
)


@pytest.mark.parametrize(
    ("celsius", "amperes", "expected"),
    [
        pytest.param((25, 55, 56, 51, 51), None, [(WARM, True, 120)], id="warm"),
        pytest.param(
            (25, 60, 61, 54, 54, 49, 49),
            None,
            [(HOT, True, 120), (WARM, True, 120), (HOT, False, 240), (WARM, False, 360)],
            id="hot, and cools",
        ),
        pytest.param((-5, -20, -21, -17), None, [(COLD, True, 120)], id="cold"),
        pytest.param((1, 0, -1, -1), (-9, -9, -9, 0), [(FROST, True, 120)], id="charged in frost"),
        pytest.param((1, 0, -1, -1), (9, 9, 9, 9), [], id="discharged in frost"),
        pytest.param((1, 0, -1, -1), None, [], id="frost, and no current known"),
        pytest.param(
            (0, 0, -1, -1),
            (-9, -9, 0, 0),
            [(FROST, True, 60), (FROST, False, 180)],
            id="charging ends",
        ),
    ],
)
def test_cell_temperature_limits_of_data_that_come_each_minute(
    celsius: Sequence[float],
    amperes: Sequence[float] | None,
    expected: list[tuple[str, bool, float]],
) -> None:
    seconds = [60.0 * n for n in range(len(celsius))]

    findings = found(seconds, [3.3] * len(celsius), celsius, amperes=amperes)

    assert [(rule, raised, time) for rule, raised, time, _ in story(findings)] == expected
    assert {each.unit for each in findings} <= {"degC"}


def test_a_finding_names_pack_cell_value_and_limit() -> None:
    (finding,) = found((0, 10, 30), (3.3, 3.6, 3.612))

    assert (finding.pack, finding.cell, finding.unit) == ("A", 2, "V")
    assert (finding.value, finding.limit) == (3.612, 3.6)


def test_what_ends_says_how_far_the_limit_was_passed_also_before_it_was_told() -> None:
    volts = [3.3, 3.68, *[3.66] * 10, *[3.2] * 30]
    every = found(range(len(volts)), volts)

    assert [each.worst for each in every if each.rule == "OVER_VOLT_ALARM"] == [None, (3.68, 3.65)]


def test_a_battery_without_a_known_preset_has_no_limits() -> None:
    assert found((0, 10, 30), (3.3, 3.7, 3.7), limits="none") == []


def rows(count: int) -> list[float]:
    return [float(n) for n in range(count)]


def runaways(
    seconds: Sequence[float], volts: Sequence[float], celsius: Sequence[float]
) -> list[tuple[str, bool, float, float]]:
    findings = found(seconds, volts, celsius)
    return story([each for each in findings if each.rule == "THERMAL_RUNAWAY"])


COOL, SINKING = (3.3,) * 8, (3.3, 3.3, 3.0, 2.7, 2.4, 2.4, 2.4, 2.4)
RISING = (25, 25, 27, 29, 31, 33, 35, 37)


@pytest.mark.parametrize(
    ("seconds", "volts", "celsius", "expected"),
    [
        pytest.param(
            rows(8), SINKING, RISING, [(True, 6, 1)], id="2 degC/s, a quarter of the voltage lost"
        ),
        pytest.param(
            rows(8), (3.3, *[2.0] * 7), RISING, [(True, 6, 1)], id="the voltage went first"
        ),
        pytest.param(
            rows(8), (3.3, np.nan, *[2.0] * 6), RISING, [(True, 6, 1)], id="no voltage at its start"
        ),
        pytest.param(
            rows(8),
            (3.3, 3.3, 2.0, *[np.nan] * 4, 2.0),
            RISING,
            [(True, 7, 1)],
            id="judged where there is a voltage",
        ),
        pytest.param(
            rows(8), COOL, [n + 30 for n in RISING], [(True, 6, 1)], id="at the makers' maximum"
        ),
        pytest.param(rows(8), COOL, RISING, [], id="keeps its voltage"),
        pytest.param(
            rows(9),
            (3.3, 3.3, *[2.0] * 7),
            (25, 25, 35, 35, 45, 45, 55, 55, 65),
            [(True, 6, 1)],
            id="temperatures that are read every other second",
        ),
        pytest.param(
            rows(9),
            (3.3, 3.3, *[2.0] * 7),
            (25, 25, 35, np.nan, 45, np.nan, 55, np.nan, 65),
            [(True, 6, 1)],
            id="temperatures in every other row",
        ),
        pytest.param(
            (0, 1, 2, 3, 5, 6, 7, 8),
            SINKING,
            (25, 25, 27, 29, 33, 35, 37, 39),
            [(True, 6, 1)],
            id="a row lost",
        ),
        pytest.param(
            [0.5 * n for n in range(16)],
            [each for each in SINKING for _ in range(2)],
            [25 + max(0, n - 2) for n in range(16)],
            [(True, 5.5, 1.5)],
            id="two rows a second",
        ),
        pytest.param(
            rows(8), SINKING, (25, 25, 25.9, 26.8, 27.7, 28.6, 29.5, 30.4), [], id="0.9 degC/s"
        ),
        pytest.param(rows(8), SINKING, (25, 25, 27, 29, 31, 31, 31, 31), [], id="too short"),
        pytest.param(rows(8), SINKING, (25, 25, 90, 90, 90, 90, 90, 90), [], id="one step up"),
        pytest.param(
            [2.0 * n for n in range(8)], SINKING, [2 * n for n in RISING], [], id="rows at 2 s"
        ),
    ],
)
def test_thermal_rule(
    seconds: Sequence[float],
    volts: Sequence[float],
    celsius: Sequence[float],
    expected: list[tuple[bool, float, float]],
) -> None:
    assert [each[1:] for each in runaways(seconds, volts, celsius)] == expected


def test_the_voltage_before_a_thermal_runaway_is_that_of_minutes_not_of_its_start() -> None:
    """A short takes the voltage; two minutes later the cell warms."""
    count = 130
    volts = [3.3 if n < 10 else 2.2 for n in range(count)]
    celsius = [25.0 + 2 * max(0, n - 120) for n in range(count)]

    assert [each[1] for each in runaways(rows(count), volts, celsius)] == [True]


def test_a_thermal_runaway_is_over_after_a_minute_of_calm() -> None:
    celsius = [25.0, 25, 27, 29, 31, 33, *[35.0] * 75]
    volts = [3.3, 3.3, *[2.45] * 79]

    assert runaways(rows(81), volts, celsius) == [
        ("THERMAL_RUNAWAY", True, 6, 1),
        ("THERMAL_RUNAWAY", False, 67, 1),
    ]
