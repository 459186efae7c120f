"""State of health: the published figures, the bands at their edges, trends through bad days."""

import numpy as np
import pytest

from stream_app.core.health.efficiency import corrected, naive
from stream_app.core.health.soh import (
    Use,
    anode_v,
    band,
    estimate,
    expected_lfp,
    resolution,
    trend,
)


@pytest.mark.parametrize(
    ("years", "cycles", "imbalance_mv", "percent"),
    [
        (2, 400, 60, 75.0),
        (0, 0, 0, 100.0),
        (10, 1000, 150, 55.0),
        (0, 0, 19, 98.1),
        (0, 0, 20, 98.0),
        (0, 0, 49, 95.1),
        (0, 0, 50, 95.0),
        (0, 0, 99, 90.1),
        (0, 0, 100, 90.0),
        (100, 1e6, 1e6, 55.0),
    ],
)
def test_the_estimate_takes_age_cycles_and_imbalance_from_100(
    years: float, cycles: float, imbalance_mv: float, percent: float
) -> None:
    found = estimate(years, cycles, imbalance_mv)

    assert found.percent == pytest.approx(percent)
    assert found.percent == pytest.approx(100 - found.calendar - found.cycles - found.imbalance)


@pytest.mark.parametrize(
    ("percent", "name"),
    [
        (100.0, "excellent"),
        (99.0, "excellent"),
        (98.99, "optimal"),
        (98.0, "optimal"),
        (97.9, "nominal"),
        (95.0, "nominal"),
        (94.9, "degraded"),
        (90.0, "degraded"),
        (89.9, "compromised"),
        (85.0, "compromised"),
        (84.9, "critical"),
        (80.0, "critical"),
        (79.9, "end_of_life"),
        (20.0, "end_of_life"),
    ],
)
def test_a_band_begins_at_its_least_value(percent: float, name: str) -> None:
    assert band(percent) == name


def test_a_year_of_daily_cycles_leaves_an_lfp_cell_what_blast_says() -> None:
    use = Use(temperature_k=298.15, soc=0.5, depth=0.8, c_rate=0.25)

    assert anode_v(0.5) == pytest.approx(0.123304, abs=5e-7)
    assert expected_lfp(365, 365, use) == pytest.approx(0.968860, abs=5e-7)
    assert expected_lfp(0, 0, use) == 1.0


def test_a_straight_decline_is_its_slope_with_no_doubt() -> None:
    days = np.arange(0.0, 365.25)

    found = trend(days, 100 - days * 2 / 365.25)

    assert found.a_month == pytest.approx(-2 / 12)
    assert found.low == pytest.approx(found.high)


def test_days_that_are_wrong_do_not_move_the_trend() -> None:
    chance = np.random.default_rng(7)
    days = np.arange(0.0, 120.0)
    values = 99 - days * 0.01 + chance.normal(0, 0.05, days.size)
    values[::10] = 0.0

    found = trend(days, values)

    assert found.low < -0.01 * 365.25 / 12 < found.high
    assert found.low < found.a_month < found.high
    assert found.a_month == pytest.approx(-0.304, abs=0.05)


def test_the_interval_holds_the_true_slope_about_as_often_as_it_says() -> None:
    days = np.arange(0.0, 60.0)
    chance = np.random.default_rng(11)

    trends = [trend(days, chance.normal(0, 1, days.size)) for _ in range(300)]

    held = sum(each.low <= 0 <= each.high for each in trends) / len(trends)
    assert 0.92 <= held <= 0.99


def test_values_that_never_change_have_no_slope_and_no_doubt() -> None:
    found = trend(np.array([0.0, 3.0, 9.0]), np.array([98.0, 98.0, 98.0]))

    assert (found.a_month, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_step_in_which_a_soh_is_told_hides_what_it_may_have_lost() -> None:
    days = np.arange(365.0)
    step = np.where(days < 300, 1.0, 0.99)
    month = 365.25 / 12 / 364

    for values, hidden in ((step, 0.01), (np.ones(365), 0.01), (0.98 + step / 50, 0.0002)):
        found = trend(days, values, resolution(values))
        assert (found.low, found.high) == pytest.approx((-hidden * month, hidden * month), abs=1e-9)


def test_two_days_have_a_slope_between_them() -> None:
    assert trend(np.array([0.0, 1.0]), np.array([1.0, 0.0])).a_month == -365.25 / 12


def test_efficiency_counts_what_stays_in_the_battery() -> None:
    assert naive(1000, 850) == 0.85
    assert corrected(1000, 850, 0.05 * 2000) == pytest.approx(0.9473, abs=5e-5)
    assert corrected(1000, 850, 0) == pytest.approx(0.85)
