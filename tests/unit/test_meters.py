"""Meters: daily energy from power and from counters, and whether they agree."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from stream_app.core.battery import MeterPoint, MeterSamples
from stream_app.core.messages import EndOfData, Heartbeat
from stream_app.core.meters import MeterDay, MeterState, fold_meter

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_743_458_400_000
"""2025-04-01 in Berlin."""
SPRING, AUTUMN = 1_743_289_200_000, 1_761_429_600_000
"""Midnights in Berlin before the clocks change, 2025-03-30 and 2025-10-26."""
POINT = MeterPoint("site", "m1", "Europe/Berlin")
PLACES = "counter", "unplaced"
QUARTERS = np.arange(0, DAY + HOUR + 1, 15 * MINUTE, dtype=np.int64)


def day_of(
    times: np.ndarray, point: MeterPoint = POINT, **signals: np.ndarray
) -> tuple[MeterDay, ...]:
    return fold_meter(MeterState(), [point, MeterSamples(times, signals)]).days


def only(days: Sequence[MeterDay]) -> MeterDay:
    (day,) = days
    return day


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [(MIDNIGHT, 24), (SPRING, 23), (AUTUMN, 25)],
    ids=["", "spring", "autumn"],
)
def test_a_steady_megawatt_gives_as_many_mwh_as_the_day_has_hours(
    midnight: int, hours: int
) -> None:
    times = midnight + np.arange(0, hours * HOUR + 3 * HOUR, 15 * MINUTE, dtype=np.int64)
    hour = (times - midnight) / HOUR

    day = only(day_of(times, power_w=np.full(times.size, 1e6), export_wh=hour * 1e6))

    assert day.values["export_kwh"] == hours * 1000
    assert day.values["export_counter_kwh"] == hours * 1000
    assert day.values["import_kwh"] == 0
    assert day.values["export_counter_coverage_ratio"] == 1
    assert day.values["power_coverage_ratio"] == 1
    assert day.verdicts == {"export": "agrees"}
    assert day.missing["import_counter_kwh"] == "missing_signal"
    assert (day.revision, day.final) == (1, True)


def test_power_splits_into_import_and_export_at_zero() -> None:
    times = MIDNIGHT + np.array([0, 300_000, DAY + HOUR, DAY + 2 * HOUR], dtype=np.int64)

    day = only(day_of(times, power_w=np.array([100_000.0, -50_000.0, 0.0, 0.0])))

    assert day.values["export_kwh"] == pytest.approx(2.7778, abs=5e-5)
    assert day.values["import_kwh"] == pytest.approx(0.6944, abs=5e-5)
    assert day.missing["import_difference_kwh"] == "missing_signal"


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "agrees"), (1.009, "agrees"), (1.05, "differs"), (0.9, "differs")]
)
def test_a_counter_off_by_more_than_both_meters_may_be_differs(factor: float, verdict: str) -> None:
    times = MIDNIGHT + np.arange(0, DAY + HOUR, MINUTE, dtype=np.int64)
    counter = (times - MIDNIGHT) / HOUR * 50_000 * factor

    day = only(day_of(times, power_w=np.full(times.size, -50_000.0), import_wh=counter))

    assert day.verdicts == {"import": verdict}
    assert day.values["import_difference_kwh"] == pytest.approx(1200 * (1 - factor), abs=0.01)
    assert day.values["import_difference_bound_kwh"] == pytest.approx(12 * max(factor, 1), rel=0.2)


def test_a_coarse_counter_is_allowed_a_step_at_both_ends() -> None:
    times = MIDNIGHT + np.arange(0, DAY + HOUR, MINUTE, dtype=np.int64)
    exact = (times - MIDNIGHT) / HOUR * 300.0

    day = only(day_of(times, power_w=np.full(times.size, 300.0), export_wh=exact // 1000 * 1000))

    assert day.verdicts == {"export": "agrees"}
    assert day.values["export_difference_bound_kwh"] > 2


def test_a_coarse_digit_is_known_from_all_rises_and_not_from_the_energy_of_an_interval() -> None:
    """At a steady load every rise is the same, so the smallest one says nothing of the digit."""
    times = MIDNIGHT + QUARTERS
    counter = np.arange(times.size) * 24_300.0

    day = only(day_of(times, power_w=np.full(times.size, -100_000.0), import_wh=counter))

    assert day.values["import_difference_kwh"] == pytest.approx(67.2)
    assert day.verdicts == {"import": "differs"}


@pytest.mark.parametrize("readings", [2, 3])
def test_readings_that_no_meter_could_reach_are_no_energy(readings: int) -> None:
    times = MIDNIGHT + QUARTERS
    counter = np.arange(times.size) * 25_000.0
    counter[40 : 40 + readings] = 5e9

    day = only(day_of(times, import_wh=counter))

    assert day.values["import_glitches"] == 1
    assert 2400 - 25 * (readings + 1) <= day.values["import_counter_kwh"] < 2400


@pytest.mark.parametrize(
    ("rating_w", "power_w", "unplaced"),
    [(500e3, None, 5_000), (None, -100e3, 5_000), (None, None, 0), (50e6, -100e3, 0)],
    ids=["beyond its rating", "beyond what it has shown", "nothing is known", "within its rating"],
)
def test_a_rise_that_this_meter_cannot_carry_is_energy_of_no_day(
    rating_w: float | None, power_w: float | None, unplaced: float
) -> None:
    """25 kWh each quarter of an hour, and 5 MWh at once."""
    times = MIDNIGHT + QUARTERS
    counter = np.arange(times.size) * 25_000.0
    counter[40:] += 5e6 - 25e3
    power = {} if power_w is None else {"power_w": np.full(times.size, power_w)}

    point = replace(POINT, rating_w=rating_w)
    day = only(day_of(times, point, import_wh=counter, **power))

    assert day.values["import_unplaced_kwh"] == unplaced
    assert day.values["import_counter_kwh"] == 2375 + 5000 - unplaced
    assert day.values["import_glitches"] == 0


def test_a_counter_that_is_read_seldom_has_no_gaps_beside_a_power_that_is_read_often() -> None:
    times = MIDNIGHT - HOUR + np.arange(0, DAY + 2 * HOUR + 1, MINUTE, dtype=np.int64)
    counter = np.where(np.arange(times.size) % 20 == 7, (times - MIDNIGHT) / HOUR * 1e5, np.nan)
    point = replace(POINT, max_gap_ms=3 * MINUTE, signal_gaps_ms={"import_wh": HOUR})
    signals = {"power_w": np.full(times.size, -1e5), "import_wh": counter + 1e6}

    _, day = day_of(times, point, **signals)
    gaps = day_of(times, replace(point, signal_gaps_ms={}), **signals)[-1]

    assert day.values["import_counter_kwh"] == pytest.approx(2400)
    assert day.values["power_coverage_ratio"] == 1.0
    assert day.verdicts == {"import": "agrees"}
    assert gaps.values["import_counter_kwh"] < 2400


def test_a_counter_that_jumps_without_end_never_gives_negative_energy() -> None:
    times = MIDNIGHT + np.arange(0, 2 * DAY, MINUTE, dtype=np.int64)
    counter = np.tile([0.0, 1.0, 2.0, 1e12 - 1, 1e12, 1e12], times.size // 6)

    day = day_of(times, import_wh=counter)[0]

    assert 0 <= day.values["import_counter_kwh"] < 10


def test_a_meter_that_is_read_every_other_day_loses_no_energy() -> None:
    times = MIDNIGHT + HOUR + 2 * DAY * np.arange(12, dtype=np.int64)
    point = MeterPoint("site", "m1", "Europe/Berlin", 2 * DAY, 6 * DAY, 6 * DAY)
    values = {"import_wh": np.arange(12) * 96e3, "power_w": np.full(12, -2000.0)}

    days = fold_meter(
        MeterState(), [point, MeterSamples(times, values), EndOfData(int(times[-1]) + 1)]
    ).days

    assert sum(day.values["import_kwh"] for day in days) == pytest.approx(96 * 11)
    told = (day.values.get(f"import_{each}_kwh", 0) for day in days for each in PLACES)
    assert sum(told) == pytest.approx(96 * 11)
    assert {day.rows for day in days} == {0, 1}


def test_what_a_counter_rose_over_midnight_is_shared_by_time() -> None:
    times = MIDNIGHT + np.array([-10, 20, 40, 60], dtype=np.int64) * MINUTE
    samples = MeterSamples(times, {"export_wh": np.array([0.0, 3000, 4000, 4000])})

    days = fold_meter(MeterState(), [POINT, samples, EndOfData(int(times[-1]) + 1)]).days

    told = {day.date: day.values["export_counter_kwh"] for day in days}
    assert told == {"2025-03-31": 1.0, "2025-04-01": 3.0}


def test_energy_that_no_day_can_be_told_of_is_told_apart() -> None:
    hours = np.array([-4.5, -4, -3.5, 4, 4.5, 24.5, 25])
    times = MIDNIGHT + (hours * HOUR).astype(np.int64)
    values = np.array([0.0, 1000, 1500, 9000, 9500, 9500, 9500])

    before, after = day_of(times, export_wh=values)

    # Nothing had confirmed the last reading of the evening when its day was complete.
    assert before.values["export_counter_kwh"] == 1.0
    assert after.values["export_counter_kwh"] == 0.5
    assert after.values["export_unplaced_kwh"] == 8.0


def test_a_reset_in_the_day_costs_no_energy_but_what_fell() -> None:
    times = MIDNIGHT + QUARTERS[:-1]
    counter = np.arange(times.size) * 100.0 + 5e6
    counter[50:] = np.arange(times.size - 50) * 100.0

    day = only(day_of(times, export_wh=counter))

    assert (day.values["export_resets"], day.values["export_glitches"]) == (1, 0)
    assert day.values["export_counter_kwh"] == pytest.approx(9.5)


def test_power_that_is_not_known_all_day_is_not_compared() -> None:
    times = np.concatenate([MIDNIGHT + QUARTERS[:40], MIDNIGHT + QUARTERS[60:]])
    counter = (times - MIDNIGHT) / HOUR * 1000

    day = only(day_of(times, power_w=np.full(times.size, 1000.0), export_wh=counter))

    assert day.missing["export_difference_kwh"] == "gap"
    assert day.verdicts == {}
    assert day.values["export_counter_kwh"] == 24.0
    assert day.values["export_kwh"] == pytest.approx(24.0 - 5.25)


def test_the_mean_power_factor_is_weighed_by_time() -> None:
    times = MIDNIGHT + np.array([0, 10, 40, 24 * 60 + 60, 24 * 60 + 75]) * MINUTE

    day = only(day_of(times, power_factor=np.array([1.0, 0.6, 0.0, 0.0, 0.0])))

    assert day.values["power_factor_mean"] == pytest.approx(0.7)


def test_an_end_of_data_gives_the_day_as_it_stands_and_later_rows_revise_it() -> None:
    state, times = MeterState(), MIDNIGHT + QUARTERS
    counter = np.arange(times.size) * 100.0

    def feed(first: int, last: int) -> MeterSamples:
        return MeterSamples(times[first:last], {"export_wh": counter[first:last]})

    standing = only(fold_meter(state, [POINT, feed(0, 10), EndOfData(int(times[9]) + 1)]).days)
    again = fold_meter(state, [EndOfData(int(times[9]) + 1)]).days
    closed = only(fold_meter(state, [feed(10, times.size)]).days)

    assert (standing.revision, standing.final) == (1, False)
    assert standing.values["export_counter_kwh"] == pytest.approx(0.9)
    assert again == ()
    assert (closed.revision, closed.final) == (2, True)
    assert closed.values["export_counter_kwh"] == pytest.approx(9.6)


def test_samples_before_the_record_of_their_meter_are_refused() -> None:
    found = fold_meter(MeterState(), [MeterSamples(MIDNIGHT + QUARTERS, {}), Heartbeat(0), POINT])

    assert [refusal.index for refusal in found.refusals] == [0, 1]
    assert "publish its record" in found.refusals[0].reason


def test_a_meter_with_an_open_day_stays_in_its_zone() -> None:
    other = MeterPoint("site", "m1", "Asia/Shanghai")
    found = fold_meter(MeterState(), [POINT, MeterSamples(MIDNIGHT + QUARTERS, {}), other])

    assert "Europe/Berlin" in found.refusals[0].reason


def test_rows_out_of_order_and_far_ahead_are_counted_with_their_reason() -> None:
    times = MIDNIGHT + np.array([0, 15, 30, 15, 30, 90 * 24 * 60, 45, 40 * 24 * 60]) * MINUTE

    found = fold_meter(MeterState(), [POINT, MeterSamples(times, {"export_wh": times * 0.0})])

    assert [(row.time - MIDNIGHT) // MINUTE for row in found.late] == [15, 30]
    assert {row.reason for row in found.late} == {"late"}
    assert found.rows == 8


def test_what_a_counter_showed_last_opens_no_day_again_that_is_complete() -> None:
    """Its newest reading waits for the next one, while the power has gone on for half a day."""
    read_at = MIDNIGHT + np.array([20, 21, 22], dtype=np.int64) * HOUR
    times = MIDNIGHT + np.arange(20, 36, dtype=np.int64) * HOUR
    counter = np.where(np.isin(times, read_at), (times - MIDNIGHT) / HOUR * 1e6, np.nan)
    state, power = MeterState(), np.full(times.size, 1e6)
    messages = [
        replace(POINT, max_gap_ms=HOUR),
        MeterSamples(times, {"power_w": power, "export_wh": counter}),
        EndOfData(int(times[-1])),
    ]

    first, second = fold_meter(state, messages).days

    assert (first.date, first.final) == ("2025-04-01", True)
    assert (second.date, second.final) == ("2025-04-02", False)
    assert second.values["export_unplaced_kwh"] == 1000
