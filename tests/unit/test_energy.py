"""Power samples to energy: the published figures, zero crossings, gaps, slots."""

import numpy as np
import pytest

from stream_app.core.calendar import MINUTE_MS, calendar
from stream_app.core.energy import (
    ABOVE,
    BELOW,
    CHARGED,
    DISCHARGED,
    Ints,
    Pieces,
    held,
    kwh,
    ledger,
    pieces,
)
from stream_app.core.topology import Method

START = 1_743_465_600_000
"""2025-04-01 UTC, an edge of a slot."""
NEVER = 366 * 86_400_000

STAIRS_MIN = (0, 20, 30, 40, 50, 60)
STAIRS_KW = (0.0, 10.0, 30.0, 5.0, 5.0, 0.0)


def cut(
    at_s: tuple[float, ...],
    power_kw: tuple[float, ...],
    method: Method = "trapezoid",
    max_gap_s: int = 86_400,
    hold_s: int = 0,
) -> Pieces:
    times = START + np.rint(np.array(at_s) * 1000).astype(np.int64)
    slots = calendar("UTC").edges("5min", int(times[0]), int(times[-1]))
    power = np.array(power_kw) * 1000
    return pieces(times, power, slots, method, max_gap_s * 1000, hold_s * 1000)


def energy_kwh(parts: Pieces, share: float = 1.0) -> tuple[float, float]:
    rows = ledger(parts, share)
    return kwh(int(rows[DISCHARGED].sum())), kwh(int(rows[CHARGED].sum()))


def running_kwh(method: Method, power_kw: tuple[float, ...]) -> list[float]:
    at_s = tuple(60.0 * minute for minute in STAIRS_MIN)
    return [
        energy_kwh(cut(at_s[:count], power_kw[:count], method))[0]
        for count in range(2, len(at_s) + 1)
    ]


def test_left_holds_each_sample_until_the_next() -> None:
    expected = [0, 1.67, 6.67, 7.5, 8.33]

    assert running_kwh("left", STAIRS_KW) == pytest.approx(expected, abs=0.005)


def test_right_is_left_of_the_samples_moved_by_one() -> None:
    expected = [3.33, 8.33, 9.17, 10, 10]

    assert running_kwh("left", (*STAIRS_KW[1:], 0.0)) == pytest.approx(expected, abs=0.005)


def test_trapezoid_runs_straight_between_samples() -> None:
    expected = [1.67, 5, 7.92, 8.75, 9.17]

    assert running_kwh("trapezoid", STAIRS_KW) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("p0", "p1", "out", "into"),
    [
        (100.0, -50.0, 2.7778, 0.6944),
        (-50.0, 100.0, 2.7778, 0.6944),
        (60.0, -60.0, 1.25, 1.25),
        (100.0, 0.0, 4.1667, 0.0),
        (0.0, -50.0, 0.0, 2.0833),
        (0.0, 0.0, 0.0, 0.0),
    ],
)
def test_an_interval_is_split_at_the_zero_crossing(
    p0: float, p1: float, out: float, into: float
) -> None:
    assert energy_kwh(cut((0, 300), (p0, p1))) == pytest.approx((out, into), abs=5e-5)


def test_the_smallest_powers_of_either_sign_have_no_energy() -> None:
    assert energy_kwh(cut((0, 300), (5e-327, -5e-327))) == (0.0, 0.0)


def test_clamping_before_integrating_would_be_wrong_by_half_and_double() -> None:
    out, into = energy_kwh(cut((0, 300), (100.0, -50.0)))
    clamped_out, clamped_in = 100 * 300 / 3600 / 2, 50 * 300 / 3600 / 2

    assert out - into == pytest.approx(2.0833, abs=5e-5)
    assert clamped_out / out == pytest.approx(1.5)
    assert clamped_in / into == pytest.approx(3.0)


def test_a_crossing_is_split_also_where_a_slot_edge_cuts_the_interval() -> None:
    whole = energy_kwh(cut((0, 300), (100.0, -50.0)))

    across = energy_kwh(cut((150, 450), (100.0, -50.0)))

    assert across == pytest.approx(whole, abs=1e-8)


def test_energy_of_a_slot_is_of_its_seconds_not_of_its_samples() -> None:
    parts = cut(tuple(range(-1, 602)), (1.0,) * 603)

    rows = ledger(parts, 1.0)

    assert by_slot(parts, rows) == [1_000_000, 300_000_000, 300_000_000, 1_000_000]


def by_slot(parts: Pieces, rows: Ints) -> list[int]:
    slot = (parts.start - START) // (5 * MINUTE_MS)
    return [int(rows[DISCHARGED][slot == each].sum()) for each in np.unique(slot)]


def test_an_interval_across_a_slot_edge_is_cut_there() -> None:
    parts = cut((240, 420), (0.0, 18.0))

    assert ((parts.start - START) / 1000).tolist() == [240, 300]
    assert (parts.length / 1000).tolist() == [60, 120]
    assert parts.p1.tolist() == [6000, 18000]
    assert ledger(parts, 1.0)[DISCHARGED].tolist() == [180_000_000, 1_440_000_000]


def test_a_step_after_a_gap_draws_no_triangle_across_it() -> None:
    samples = ((0, 3600, 7200, 7200 + 86_400), (0.0, 0.0, 0.0, 400.0))

    parts = cut(*samples, max_gap_s=3600)

    assert energy_kwh(parts) == (0.0, 0.0)
    assert int(parts.length.sum()) == 7_200_000


def test_with_left_a_sample_before_a_gap_holds_for_the_nominal_interval() -> None:
    parts = cut((0, 900, 36_000), (100.0, 40.0, 7.0), "left", max_gap_s=2700, hold_s=900)

    assert energy_kwh(parts) == pytest.approx((25 + 10, 0))
    assert int(parts.length.sum()) == 1_800_000


@pytest.mark.parametrize(("gap_s", "known_s"), [(2700, 2700), (2700.001, 0)])
def test_an_interval_as_long_as_max_gap_is_known_and_a_longer_one_is_not(
    gap_s: float, known_s: float
) -> None:
    assert cut((0, gap_s), (5.0, 5.0), max_gap_s=2700).length.sum() == known_s * 1000


def test_the_last_sample_of_the_data_is_held_for_the_nominal_interval() -> None:
    slots = calendar("UTC").edges("5min", START, START + NEVER // 366)

    parts = held(START + 60_000, -8000.0, slots, 900_000)

    assert energy_kwh(parts) == pytest.approx((0, 2))
    assert (parts.length / 60_000).tolist() == [4, 5, 5, 1]


@pytest.mark.parametrize("share", [1 / 3, 0.5, 0.4, 1.0, 0.0])
def test_an_enclosure_has_its_share(share: float) -> None:
    out, into = energy_kwh(cut((0, 300), (100.0, -50.0)), share)

    assert (out, into) == pytest.approx((2.7777778 * share, 0.6944444 * share), abs=1e-7)


def test_half_the_difference_of_left_and_right_bounds_the_error_of_a_monotone_interval() -> None:
    rows = ledger(cut((0, 200), (10.0, 30.0)), 1.0)[:, 0]

    left, right = 10_000 * 200_000, 30_000 * 200_000

    assert rows[ABOVE] == rows[BELOW] == abs(left - right) / 2


def test_left_may_be_off_by_all_of_the_rise_but_on_one_side_only() -> None:
    rows = ledger(cut((0, 200), (10.0, 30.0), "left"), 1.0)[:, 0]

    assert (int(rows[ABOVE]), int(rows[BELOW])) == (20_000 * 200_000, 0)


@pytest.mark.parametrize("count", [1, 2])
def test_few_samples_have_few_intervals(count: int) -> None:
    parts = cut((0, 60)[:count], (1.0, 1.0)[:count])

    assert parts.start.size == count - 1
    assert ledger(parts, 1.0).shape == (4, count - 1)
    assert int(ledger(parts, 1.0)[CHARGED].sum()) == 0
