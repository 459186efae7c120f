"""The health of a system by local day: what comes in, what is refused, when days are told."""

from dataclasses import replace

import numpy as np
import pytest

from stream_app.core.battery import Battery, BatteryRules, SystemSamples
from stream_app.core.health.indicators import INDICATORS
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import fold_system
from stream_app.core.messages import EndOfData, Heartbeat
from tests.unit.health.battery import (
    ALL,
    BATTERY,
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


def test_every_indicator_is_told_or_the_reason_why_not() -> None:
    watched = watch(Pack(signals=ALL).samples(3.5)).ended()

    assert len(watched.days) == 4
    for day in watched.days:
        assert {*day.values, *day.missing} == set(INDICATORS)
        assert not {*day.values} & {*day.missing}


def test_a_full_set_of_signals_tells_all_but_what_needs_more_days() -> None:
    day = watch(Pack(capacity_ah=266.0, signals=ALL).samples(2.5)).days[1]

    assert {why for name, why in day.missing.items() if "month" in name} == {"too_short"}
    assert {name for name, why in day.missing.items() if why == "missing_signal"} == {
        name for name in INDICATORS if "ac_" in name and name != "ac_coverage_ratio"
    }
    assert {name for name in day.missing if "month" not in name and "ac_" not in name} == {
        f"rte_dc_{each}30d_{of}" for each in ("", "corrected_") for of in ("ratio", "days")
    }


def test_a_signal_that_comes_seldom_has_no_gaps_beside_one_that_comes_often() -> None:
    samples = Pack().samples(1.1)
    seldom = np.where(np.arange(samples.times.size) % 10, np.nan, samples.values["soc_ratio"])
    lost = (samples.times > MIDNIGHT + 9 * HOUR) & (samples.times <= MIDNIGHT + 9 * HOUR + 600_000)
    current = np.where(lost, np.nan, samples.values["current_a"])
    rules = BatteryRules(MINUTE, 30 * MINUTE, signal_gaps_ms={"current_a": 3 * MINUTE})

    day = watch(
        changed(samples, soc_ratio=seldom, current_a=current), replace(BATTERY, rules=rules)
    ).days[0]

    assert sum(day.dwell["soc_ratio"]) == DAY
    assert day.values["current_coverage_ratio"] == pytest.approx(1 - 11 / 1440)


def test_energy_between_rows_two_days_apart_is_in_the_day_without_a_row() -> None:
    times = MIDNIGHT + 12 * HOUR + 2 * DAY * np.arange(8, dtype=np.int64)
    battery = replace(BATTERY, rules=BatteryRules(2 * DAY, 6 * DAY, 6 * DAY))
    power = SystemSamples(times, {"dc_power_w": np.full(8, 2000.0)})

    watched = watch(power, battery).feed(EndOfData(int(times[-1]) + 1))

    assert sum(day.values["dc_discharged_kwh"] for day in watched.days) == 2 * 24 * 14
    assert [day.rows for day in watched.days] == [1, 0] * 7 + [1]
    assert watched.days[1].missing["soc_ratio"] == "missing_signal"


def test_what_does_not_come_is_told_from_what_does() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    given = watch(samples).days[0]
    lowest = np.full(samples.times.size, 3.29)
    fewer = changed(samples, dc_power_w=None, cell_spread_v=None)

    told = watch(changed(fewer, cell_max_v=lowest + 0.012, cell_min_v=lowest)).days[0]

    assert told.values["imbalance_v"] == pytest.approx(0.012)
    for name in ("dc_charged_kwh", "dc_discharged_kwh", "rte_dc_ratio"):
        assert told.values[name] == pytest.approx(given.values[name], rel=1e-6)


@pytest.mark.parametrize(
    ("battery", "name", "why"),
    [
        (replace(BATTERY, commissioned=None), "soh_estimate_ratio", "missing_date"),
        (replace(BATTERY, commissioned=None), "soh_expected_ratio", "missing_date"),
        (replace(BATTERY, efc_before=None), "soh_estimate_ratio", "missing_cycles"),
        (replace(BATTERY, efc_before=None), "soh_expected_ratio", "missing_cycles"),
        (replace(BATTERY, chemistry="nmc"), "soh_expected_ratio", "other_chemistry"),
        (replace(BATTERY, capacity_ah=None), "soh_expected_ratio", "missing_rating"),
        (replace(BATTERY, capacity_ah=None), "soh_ledger_ratio", "missing_rating"),
        (replace(BATTERY, capacity_ah=None), "c_rate_charge_max", "missing_rating"),
        (replace(BATTERY, rules=BatteryRules(HOUR, 3 * HOUR)), "efc", "sample_rate"),
        (replace(BATTERY, rules=BatteryRules(HOUR, 3 * HOUR)), "efc_24h_max", "sample_rate"),
    ],
)
def test_what_the_battery_s_record_cannot_support_says_so(
    battery: Battery, name: str, why: str
) -> None:
    watched = watch(Pack(signals=ALL).samples(1.2), battery).ended()

    assert watched.days[0].missing[name] == why


def test_a_percent_in_place_of_a_ratio_is_refused_and_counted() -> None:
    samples = Pack(signals=ALL).samples(1.2)

    day = watch(changed(samples, soc_ratio=100 * samples.values["soc_ratio"])).days[0]

    assert day.values["refused_values"] == 1440
    assert day.missing["soc_ratio"] == day.missing["efc"] == "out_of_range"
    assert day.missing["soc_drift_ratio"] == "out_of_range"


def test_noise_below_empty_is_empty() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    soc = np.clip(0.3 - np.arange(samples.times.size) / 600, -0.002, None)

    day = watch(changed(samples, soc_ratio=soc)).days[0]

    assert (day.values["soc_ratio"], day.values["refused_values"]) == (0.0, 0.0)


def test_a_lost_soc_makes_no_cycle_and_no_dwell_at_empty() -> None:
    samples = Pack(plan=((0, 0.0), (1, -20.0), (10, 0.0))).samples(1.2)
    soc = samples.values["soc_ratio"].copy()
    soc[100:103] = 0.0
    clean = watch(samples).days[0]

    day = watch(changed(samples, soc_ratio=soc)).days[0]

    assert day.values["soc_doubted_values"] == 3
    assert day.values["efc_day"] == clean.values["efc_day"]
    assert day.values["soc_below_10_s"] == clean.values["soc_below_10_s"]
    assert day.values["soc_ledger_ratio"] == clean.values["soc_ledger_ratio"]


def test_an_end_of_data_gives_open_days_as_they_stand_and_later_rows_revise_them() -> None:
    samples = Pack(signals=ALL).samples(1.5)
    hours = (samples.times - MIDNIGHT) / HOUR
    watched = watch(kept(samples, hours < 18)).ended()
    watched.ended().feed(kept(samples, hours >= 18))

    standing, closed = watched.days
    assert (standing.date, standing.revision, standing.final) == ("2025-04-01", 1, False)
    assert (closed.date, closed.revision, closed.final) == ("2025-04-01", 2, True)
    assert standing.values["discharged_ah"] < closed.values["discharged_ah"]
    assert closed == replace(watch(samples).days[0], revision=2)


def test_an_end_of_data_takes_the_only_row_that_there_is() -> None:
    samples = kept(Pack(signals=ALL).samples(1), np.array([0]))

    day = watch(samples).feed(EndOfData(MIDNIGHT + 1)).days[0]

    assert (day.rows, day.values["soc_ratio"], day.final) == (1, 0.12, False)


def test_an_end_of_data_before_any_row_gives_nothing() -> None:
    assert Watched().feed(EndOfData(MIDNIGHT), Heartbeat(MIDNIGHT)).days == []


def test_rows_before_the_battery_s_record_are_refused_with_the_remedy() -> None:
    found = fold_system(SystemState(), [Pack().samples(0.1), EndOfData(MIDNIGHT), BATTERY])

    assert [refusal.index for refusal in found.refusals] == [0, 1]
    assert "publish its record" in found.refusals[0].reason


def test_a_battery_with_open_days_stays_in_its_zone() -> None:
    watched = watch(Pack().samples(0.1)).feed(replace(BATTERY, zone="Asia/Shanghai"))

    assert "Europe/Berlin" in watched.outputs[-1].refusals[0].reason
    assert watched.state.past.battery == BATTERY


def test_a_late_row_changes_nothing_and_is_counted() -> None:
    samples = Pack(signals=ALL).samples(1.5)
    watched = watch(samples)
    before = list(watched.days)

    watched.feed(kept(samples, np.array([100, 200])))

    assert watched.days == before
    assert [(row.time, row.reason) for row in watched.outputs[-1].late] == [
        (MIDNIGHT + 100 * MINUTE, "late"),
        (MIDNIGHT + 200 * MINUTE, "late"),
    ]


def test_one_wrong_time_far_ahead_closes_no_day() -> None:
    samples = Pack(signals=ALL).samples(0.5)
    times = samples.times.copy()
    times[300] += 40 * DAY

    watched = watch(replace(samples, times=times))

    assert watched.days == []
    assert len(watched.state.present.clock.aside) == 1
    assert watched.state.present.days[0].rows == samples.times.size - 1


def test_values_outside_all_reason_are_no_values() -> None:
    samples = Pack(signals=ALL).samples(1.2)
    soc = samples.values["soc_ratio"].copy()
    soc[200:210] = 6.5535
    current = samples.values["current_a"].copy()
    current[300:302] = np.inf

    wild = watch(changed(samples, soc_ratio=soc, current_a=current))

    assert wild.rules == []
    assert wild.days[0].values["discharged_ah"] == watch(samples).days[0].values["discharged_ah"]


def test_rows_without_any_known_signal_tell_nothing_but_that_they_came() -> None:
    times = MIDNIGHT + np.arange(0, DAY + HOUR, MINUTE, dtype=np.int64)

    day = watch(SystemSamples(times, {"fan": np.ones(times.size)})).days[0]

    assert day.rows == 1440
    assert {name: each for name, each in day.values.items() if each} == {"ignored_values": 1440.0}
    assert {name for name in day.values if "coverage" not in name} == {
        "refused_values",
        "soc_doubted_values",
        "ignored_values",
    }
    assert day.band is None
