"""What is told of a day of a system: energy, dwell, cycles, imbalance, ageing."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stream_app.codec.health import snapshot
from stream_app.core.battery import Battery, BatteryRules
from stream_app.core.health.columns import (
    DWELLS,
    REST_SPREAD,
    SIGNALS,
    SOC_DWELL,
    WIDTH,
    dwell_entries,
)
from tests.unit.health.battery import (
    ALL,
    BATTERY,
    DAILY,
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    Pack,
    Watched,
    changed,
    kept,
    watch,
)

SPRING, AUTUMN = 1_743_289_200_000, 1_761_429_600_000
"""Midnights in Berlin before the clocks change, 2025-03-30 and 2025-10-26."""


@pytest.mark.parametrize(("midnight", "hours"), [(MIDNIGHT, 24), (SPRING, 23), (AUTUMN, 25)])
def test_every_moment_of_a_local_day_is_in_one_bin(midnight: int, hours: int) -> None:
    samples = Pack(plan=((0, -1.1),), signals=ALL).samples(2.2, midnight)

    day = watch(samples).days[0]

    assert day.end - day.start == hours * HOUR
    assert day.values["current_coverage_ratio"] == 1
    for name in ("soc_ratio", "cell_max_c", "cell_mean_c"):
        assert sum(day.dwell[name]) == hours * HOUR
    assert day.values["charged_ah"] == pytest.approx(1.1 * hours)


def test_dwell_is_the_time_in_each_bin() -> None:
    samples = Pack(plan=((0, 0.0),), signals=ALL).samples(1.2)
    hours = (samples.times - MIDNIGHT) / HOUR
    warm = np.where(hours < 6, 34.9, np.where(hours < 7, 45.0, np.where(hours < 9, 35.0, -40.0)))
    soc = np.interp(hours, (0, 2, 4, 6, 24), (0.03, 0.03, 0.95, 0.95, 0.5))

    day = watch(changed(samples, cell_max_c=warm, soc_ratio=soc)).days[0]

    assert (day.values["above_35c_s"], day.values["above_45c_s"]) == (3 * 3600, 3600)
    assert day.values["soc_below_10_s"] == pytest.approx((2 + 0.07 / 0.46) * 3600, abs=60)
    assert day.values["soc_above_90_s"] == pytest.approx((4 + 0.05 / 0.46) * 3600, abs=120)
    assert day.values["cell_temperature_mean_c"] == 25.0
    bins = np.array(day.dwell["cell_max_c"]) / HOUR
    assert {place: hours for place, hours in enumerate(bins.tolist()) if hours} == {
        0: 15.0,
        11: 6.0,
        12: 2.0,
        14: 1.0,
    }


def test_bins_meet_where_their_edges_say_and_columns_do_not_overlap() -> None:
    taken = sorted((each.columns.start, each.columns.stop) for each in DWELLS)

    assert all(a[1] == b[0] for a, b in pairwise(taken))
    assert taken[-1][1] == WIDTH
    assert len(SIGNALS) == REST_SPREAD
    for dwell in DWELLS:
        edges = np.array(dwell.edges(1.0)).astype(np.int64)
        for values, first in ((edges - 1, 0), (edges, 1)):
            signals, ones = np.full_like(values, dwell.signal), np.ones_like(values)
            places, _, amounts = dwell_entries(signals, values, ones, values)
            bins, sums = np.split(places, 2)
            assert (bins - dwell.first).tolist() == list(range(first, first + edges.size))
            assert (sums == dwell.columns.stop - 1).all()
            assert amounts.tolist() == [*ones.tolist(), *values.tolist()]
    assert SOC_DWELL.edges(1e6)[-1] == 0.95


def test_efficiency_of_a_day_counts_what_stays_in_the_battery() -> None:
    # 1000 kWh in and 850 out, and 5 % of 2000 kWh more in the battery than before.
    plan = ((0, 0.0), (2, -100.0), (12, 0.0), (13, 85.0), (23, 0.0))
    samples = Pack(plan=plan, signals=("current_a",)).samples(1.1)
    power = np.where(samples.values["current_a"] < 0, -100e3, 0.0)
    power += np.where(samples.values["current_a"] > 0, 85e3, 0.0)
    soc = 0.5 + 0.05 * np.clip((samples.times - MIDNIGHT) / DAY, 0, 1)
    battery = replace(BATTERY, energy_wh=2e6)

    day = watch(changed(samples, ac_power_w=power, soc_ratio=soc), battery).days[0]

    assert day.values["ac_charged_kwh"] == pytest.approx(1000, rel=0.002)
    assert day.values["ac_discharged_kwh"] == pytest.approx(850, rel=0.002)
    assert day.values["rte_ac_ratio"] == pytest.approx(0.85, abs=5e-4)
    assert day.values["rte_ac_corrected_ratio"] == pytest.approx(0.9473, abs=5e-4)
    assert day.missing["rte_dc_ratio"] == "missing_signal"


@pytest.mark.parametrize(
    ("battery", "plan", "hole", "why"),
    [
        (replace(BATTERY, energy_wh=None), DAILY, (0.0, 0.0), "missing_rating"),
        (BATTERY, ((0, 0.0), (3, -0.2), (4, 0.2), (5, 0.0)), (0.0, 0.0), "too_little"),
        (BATTERY, DAILY, (9.0, 10.0), "gap"),
    ],
)
def test_an_efficiency_needs_a_rating_enough_energy_and_no_gap(
    battery: Battery, plan: tuple[tuple[float, float], ...], hole: tuple[float, float], why: str
) -> None:
    samples = Pack(plan=plan, signals=ALL).samples(1.1)
    hours = (samples.times - MIDNIGHT) / HOUR

    day = watch(kept(samples, (hours < hole[0]) | (hours >= hole[1])), battery).days[0]

    assert day.missing["rte_dc_corrected_ratio"] == why
    assert day.missing.get("rte_dc_ratio") == (None if why == "missing_rating" else why)


def test_efficiency_over_many_days_begins_with_the_first_whole_day() -> None:
    samples = Pack(signals=ALL).samples(9.6)
    power = samples.values["dc_power_w"]
    lossy = changed(samples, dc_power_w=np.where(power < 0, power / 0.9, power))

    days = watch(kept(lossy, lossy.times > MIDNIGHT + 5 * HOUR)).days

    told = {day.date: day.values.get("rte_dc_30d_ratio") for day in days}
    assert [told[f"2025-04-0{n}"] for n in range(1, 8)] == [None] * 7
    assert told["2025-04-08"] == pytest.approx(0.9, abs=1e-3)
    assert {day.missing.get("rte_dc_30d_ratio") for day in days[:7]} == {"too_short"}


def test_efficiency_over_many_days_leaves_a_day_out_whose_charge_is_half_known() -> None:
    samples = Pack(signals=ALL).samples(9.1)
    hours = (samples.times - MIDNIGHT) / HOUR
    power, soc = samples.values["dc_power_w"], samples.values["soc_ratio"]
    hole = 2 * 24 + 10.5
    lossy = changed(
        samples,
        dc_power_w=np.where(power < 0, power / 0.9, power),
        # What stays in the battery from the day on that is left out is no loss of the others.
        soc_ratio=np.where(hours > hole, soc + 0.04, soc),
    )

    days = watch(kept(lossy, (hours < hole) | (hours > hole + 1))).days

    names = "rte_dc_30d_ratio", "rte_dc_corrected_30d_ratio"
    assert days[2].missing["rte_dc_ratio"] == "gap"
    assert [days[6].missing[name] for name in names] == ["gap", "gap"]
    assert [days[8].values[name] for name in names] == pytest.approx([0.9, 0.9], abs=1e-3)
    assert days[7].values["rte_dc_30d_days"] == 7
    assert days[8].values["rte_dc_corrected_30d_days"] == 8


def test_an_efficiency_needs_the_energy_of_a_short_gap_on_its_own_side() -> None:
    samples = Pack(signals=ALL).samples(1.1)
    minutes = (samples.times - MIDNIGHT) / MINUTE
    power = samples.values["dc_power_w"]

    def told(lost: int) -> list[str | None]:
        dc = np.where((minutes > 660) & (minutes < 660 + lost), np.nan, power)
        day = watch(changed(samples, voltage_v=None, dc_power_w=dc, ac_power_w=power)).days[0]
        names = "rte_dc_ratio", "rte_dc_corrected_ratio", "rte_ac_ratio"
        return [day.missing.get(name) for name in names]

    assert told(3) == [None, None, None]
    assert told(10) == ["gap", "gap", None]


def test_the_time_after_the_newest_row_is_no_gap_of_the_efficiency_of_its_day() -> None:
    five = replace(BATTERY, rules=BatteryRules(5 * MINUTE, 15 * MINUTE))
    samples = Pack(signals=ALL, step_ms=5 * MINUTE).samples(1 - 1 / 288)

    (day,) = watch(samples, five).ended().days

    assert day.values["rte_dc_corrected_ratio"] == pytest.approx(1, abs=0.02)


def test_cycles_are_counted_in_the_day_that_closes_them() -> None:
    plan = ((0, 0.0), (1, -50.0), (3, 50.0), (4, -50.0), (6, 50.0), (9, 0.0))
    watched = watch(Pack(plan=plan).samples(3.1))

    first, second, third = watched.days
    assert (first.values["cycles_closed"], first.missing.get("cycle_depth_ratio")) == (1, None)
    assert first.values["cycle_depth_ratio"] == pytest.approx(50 / 280, abs=4e-3)
    assert first.values["efc_day"] == pytest.approx(4 * 100 / 280 / 2, abs=1e-2)
    assert second.values["efc"] == pytest.approx(2 * first.values["efc_day"], abs=1e-2)
    assert third.values["efc"] == pytest.approx(3 * first.values["efc_day"], abs=1e-2)
    for low, high, number in (each for day in watched.days for each in day.cycles):
        assert 0 < high - low <= 1_000_000
        assert number == 1


def test_noise_of_the_soc_is_counted_but_does_not_grow_the_state() -> None:
    samples = Pack(plan=((0, 0.0),)).samples(1.2)
    noise = 0.5 + 0.003 * (np.arange(samples.times.size) % 2 * 2 - 1)

    watched = watch(changed(samples, soc_ratio=noise))

    day = watched.days[0]
    assert day.values["cycles_closed"] > 700
    assert [each[:2] for each in day.cycles] == [(500_000, 500_000)]
    assert day.cycles[0][2] == day.values["cycles_closed"]
    assert day.values["cycle_depth_ratio"] == pytest.approx(0.006)
    assert day.values["cycle_soc_ratio"] == pytest.approx(0.5)
    assert len(snapshot(watched.state.present)) < 3000


def test_rates_are_means_over_a_quarter_of_an_hour_and_the_budget_over_any_24_hours() -> None:
    samples = Pack(plan=((0, 0.0), (20, 140.0), (21, 0.0))).samples(2.2)
    current = samples.values["current_a"].copy()
    hours = (samples.times - MIDNIGHT) / HOUR
    current[(hours >= 25) & (hours < 26)] = -280.0
    current[(hours >= 40) & (hours < 40.05)] = 2800.0

    first, second = watch(changed(samples, current_a=current)).days

    assert first.values["c_rate_discharge_max"] == pytest.approx(0.5, rel=0.001)
    assert first.values["efc_24h_max"] == pytest.approx(0.25, rel=0.02)
    assert second.values["c_rate_charge_max"] == pytest.approx(1.0, rel=0.001)
    assert second.values["c_rate_discharge_max"] == pytest.approx(10 * 2.5 / 15)
    assert second.values["efc_24h_max"] == pytest.approx(0.25 + 0.5 + 0.25, rel=0.02)


def test_imbalance_is_the_mean_spread_at_rest_and_apart_from_ageing() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    spread = np.where(np.abs(samples.values["current_a"]) > 1, 0.09, 0.008)

    told = watch(changed(samples, cell_spread_v=spread)).days[0]
    never = watch(
        changed(samples, current_a=np.where(np.arange(samples.times.size) % 20, 5.0, 0.0))
    ).days[0]
    absent = watch(changed(samples, cell_spread_v=None, cell_max_v=None, cell_min_v=None)).days[0]

    assert told.values["imbalance_v"] == pytest.approx(0.008)
    bottom = watch(Pack(start=0.05, plan=((0, 0.0),), signals=ALL).samples(1.2)).days[0]
    assert bottom.missing["imbalance_v"] == bottom.missing["soh_estimate_ratio"] == "no_flat_rest"
    assert never.missing["imbalance_v"] == never.missing["soh_estimate_ratio"] == "no_rest"
    assert absent.missing["imbalance_v"] == absent.missing["soh_estimate_ratio"] == "missing_signal"


def test_the_four_numbers_of_health_stand_side_by_side() -> None:
    day = watch(Pack(capacity_ah=266.0, signals=ALL).samples(2.2)).days[1]

    efc, age = day.values["efc"], 366 / 365.25
    assert day.values["soh_bms_ratio"] == 0.97
    assert day.values["soh_ledger_ratio"] == pytest.approx(0.95, abs=0.005)
    assert day.values["soh_estimate_ratio"] == pytest.approx(
        1 - (2.5 * age + 0.035 * (20 + efc) + 1.2) / 100
    )
    assert day.band == "nominal"
    assert day.values["imbalance_v"] == pytest.approx(0.012)
    assert 0.95 < day.values["soh_expected_ratio"] < 1


def test_cycles_are_known_from_the_start_where_the_data_begin_with_the_battery() -> None:
    young = replace(BATTERY, commissioned="2025-03-10", efc_before=None)
    samples = Pack(signals=ALL).samples(2.2)

    day = watch(samples, young).days[1]
    worn = watch(samples, replace(BATTERY, efc_before=500.0)).days[1]
    new = watch(samples, replace(BATTERY, efc_before=0.0)).days[1]

    assert day.values["soh_estimate_ratio"] > 0.98
    told = new.values["soh_estimate_ratio"] - worn.values["soh_estimate_ratio"]
    assert told == pytest.approx(500 * 0.035 / 100)
    assert worn.values["efc"] == new.values["efc"]


def test_energy_says_how_much_of_the_day_it_is_and_how_far_it_may_be_wrong() -> None:
    samples = Pack(signals=("soc_ratio",)).samples(1.2)
    power = np.where(np.arange(samples.times.size) < 72, 50e3 + samples.times % 7, np.nan)
    soc = np.where(np.arange(samples.times.size) < 120, samples.values["soc_ratio"], np.nan)

    day = watch(changed(samples, ac_power_w=power, soc_ratio=soc)).days[0]

    assert day.values["ac_coverage_ratio"] == pytest.approx(71 / 1440)
    assert day.values["soc_coverage_ratio"] == pytest.approx(119 / 1440)
    assert day.values["dc_coverage_ratio"] == 0
    assert 0 < day.values["ac_bound_kwh"] < 0.01


def test_a_soc_that_began_in_the_midst_of_the_day_corrects_no_efficiency() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    soc = np.where(np.arange(samples.times.size) < 700, np.nan, samples.values["soc_ratio"])

    day = watch(changed(samples, soc_ratio=soc)).days[0]

    assert day.missing["rte_dc_corrected_ratio"] == "gap"
    assert day.values["rte_dc_ratio"] == pytest.approx(1, abs=0.02)


def test_the_spread_at_full_is_no_imbalance() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    soc = samples.values["soc_ratio"]
    spread = np.where((soc > 0.85) | (soc < 0.2), 0.12, 0.005)

    told = watch(changed(samples, cell_spread_v=spread)).days[0]

    assert told.values["imbalance_v"] == pytest.approx(0.005)


def test_the_rate_of_ageing_is_told_after_a_month_with_its_interval() -> None:
    samples = Pack(signals=("soh_ratio",), step_ms=15 * MINUTE).samples(61)
    days = (samples.times - MIDNIGHT) / DAY
    battery = replace(BATTERY, rules=BatteryRules(15 * MINUTE, 45 * MINUTE))
    soh = np.round(0.98 - days * 0.004 / 30.4375, 4)

    watched = watch(changed(samples, soh_ratio=soh), battery)

    assert watched.days[28].missing["soh_bms_ratio_per_month"] == "too_short"
    last = watched.days[-1].values
    assert last["soh_bms_ratio_per_month"] == pytest.approx(-0.004, rel=0.02)
    assert last["soh_bms_ratio_per_month_low"] <= -0.004 <= last["soh_bms_ratio_per_month_high"]
    assert watched.days[-1].missing["soh_ledger_ratio_per_month"] == "missing_signal"


def test_the_ledger_has_an_ageing_rate_of_its_own() -> None:
    watched = Watched()
    for day in range(40):
        pack = Pack(capacity_ah=266.0 - day * 0.1, step_ms=3 * MINUTE)
        watched.feed(pack.samples(1 - 1 / 480, MIDNIGHT + day * DAY))

    rates = watched.days[-1].values["soh_ledger_ratio_per_month"]

    assert rates == pytest.approx(-0.1 / 280 * 30.4375, rel=0.1)
