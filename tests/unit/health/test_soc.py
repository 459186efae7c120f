"""The BMS's SOC against the charge ledger: anchors, drift, jumps, frozen values, capacity."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_app.core.battery import BatteryRules, SystemSamples
from stream_app.core.charge.anchors import capacity_between
from stream_app.core.charge.ledger import COUNTERS, GAPS, NET, UC_PER_AH, Anchor
from stream_app.core.charge.ocv import LFP, NMC
from stream_app.core.charge.rules import HealthRules
from tests.unit.health.battery import (
    ALL,
    BATTERY,
    DAILY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    Pack,
    Watched,
    changed,
    kept,
    watch,
)


def counters(net_ah: float, gaps: int = 0) -> list[int]:
    found = [0] * COUNTERS
    found[NET], found[GAPS] = round(net_ah * UC_PER_AH), gaps
    return found


@pytest.mark.parametrize(
    ("soc", "net_ah", "gaps", "capacity_ah"),
    [
        ((900_000, 300_000), 159.6, 0, 266.0),
        ((100_000, 700_000), -159.6, 0, 266.0),
        ((900_000, 500_000), 112.0, 0, 280.0),
        ((900_000, 500_001), 112.0, 0, None),
        ((900_000, 300_000), 159.6, 1, None),
        ((900_000, 300_000), -159.6, 0, None),
        ((900_000, 300_000), 0.0, 0, None),
    ],
    ids=[
        "published figure",
        "the same by charging",
        "least change of SOC",
        "too little change of SOC",
        "a gap in between",
        "charge against SOC",
        "no charge at all",
    ],
)
def test_capacity_is_the_charge_between_two_rests_over_the_change_of_soc(
    soc: tuple[int, int], net_ah: float, gaps: int, capacity_ah: float | None
) -> None:
    first = Anchor(0, "rest", soc[0], 10_000, counters(0.0))
    last = Anchor(HOUR, "rest", soc[1], 10_000, counters(net_ah, gaps))

    found = capacity_between(first, last, HealthRules())

    assert (found and found.charge / UC_PER_AH) == capacity_ah
    if found:
        assert found.error >= found.charge * 2 * 10_000 // abs(soc[0] - soc[1])


def test_a_battery_that_has_lost_capacity_is_found_out_within_the_stated_error() -> None:
    pack = Pack(capacity_ah=266.0)

    day = watch(pack.samples(1.5)).days[0]

    told = day.values["soh_ledger_ratio"]
    assert told == pytest.approx(0.95, abs=0.005)
    assert abs(told - 0.95) < day.values["soh_ledger_error_ratio"] < 0.12
    assert day.values["capacity_ah"] == pytest.approx(266, abs=1.4)


def counted(capacity_ah: float, by_ah: float, offset: float = 0.0) -> SystemSamples:
    """A battery between 12 and 98 %, whose BMS counts as if it had another capacity."""
    rate = 0.86 * capacity_ah / 4
    plan = ((0, 0.0), (6, -rate), (8, 0.0), (10, -rate), (12, 0.0), (16, rate), (20, 0.0))
    samples = Pack(capacity_ah=capacity_ah, plan=plan).samples(1.5)
    moved = samples.values["soc_ratio"] - 0.12
    return changed(samples, soc_ratio=0.12 + offset + moved * capacity_ah / by_ah)


def test_a_bms_that_counts_with_the_nameplate_cannot_hide_a_loss_of_capacity() -> None:
    day = watch(counted(210.0, by_ah=280.0)).days[0]

    assert day.values["soh_ledger_ratio"] == pytest.approx(0.75, abs=0.01)
    assert day.values["soh_ledger_error_ratio"] < 0.1


def test_a_soc_that_is_too_high_all_the_time_drifts_from_what_the_voltage_says() -> None:
    watched = watch(counted(280.0, by_ah=280.0, offset=0.1))

    begins = next(each for out in watched.outputs for each in out.changes)
    assert (begins.rule, begins.raised) == ("SOC_DRIFT", True)
    assert begins.value == pytest.approx(0.1, abs=0.005)
    assert watched.days[0].values["soc_drift_ratio"] == pytest.approx(0.1, abs=0.005)


def test_without_cell_voltages_no_rest_tells_the_charge() -> None:
    day = watch(Pack(signals=("soc_ratio", "current_a")).samples(1.2)).days[0]

    for name in ("soc_ledger_ratio", "soc_drift_ratio", "soh_ledger_ratio", "capacity_ah"):
        assert day.missing[name] == "no_voltage"


@pytest.mark.parametrize("medians", [True, False], ids=["medians of packs", "extremes alone"])
def test_one_weak_cell_hides_the_charge_from_extremes_and_not_from_medians(medians: bool) -> None:
    samples = Pack(capacity_ah=266.0).samples(1.5)
    middle = (samples.values["cell_max_v"] + samples.values["cell_min_v"]) / 2
    known = {"pack_median_max_v": middle + 0.001, "pack_median_min_v": middle - 0.001}
    weak = changed(samples, cell_min_v=samples.values["cell_min_v"] - 0.2)

    day = watch(changed(weak, **(known if medians else {}))).days[0]

    if medians:
        error = day.values["soh_ledger_error_ratio"]
        assert day.values["soh_ledger_ratio"] == pytest.approx(0.95, abs=error)
        assert error < 0.12
    else:
        assert day.missing["soh_ledger_ratio"] == "no_anchor"


def test_packs_that_differ_widen_the_error_of_an_anchor() -> None:
    samples = Pack(capacity_ah=266.0).samples(1.5)
    middle = (samples.values["cell_max_v"] + samples.values["cell_min_v"]) / 2

    def error(apart: float) -> float:
        known = {"pack_median_max_v": middle + apart, "pack_median_min_v": middle - apart}
        return watch(changed(samples, **known)).days[0].values["soh_ledger_error_ratio"]

    assert error(0.004) > error(0.002) > error(0.0)


@pytest.mark.parametrize("lowest", [0.0, 3.05])
def test_a_voltage_that_fell_out_at_a_rest_is_no_anchor(lowest: float) -> None:
    samples = Pack().samples(1.2)
    volts = samples.values["cell_min_v"].copy()
    volts[30] = lowest

    day = watch(changed(samples, cell_min_v=volts)).days[0]

    assert abs(day.values["soc_drift_ratio"]) < 0.002


def test_a_soc_of_zero_for_a_moment_is_no_anchor_and_no_drift() -> None:
    samples = Pack(plan=((0, 0.0), (4, -31.5), (8, 0.0), (10, 31.5), (14, 0.0))).samples(1.2)
    soc = samples.values["soc_ratio"].copy()
    soc[9 * 60] = 0.0

    watched = watch(changed(samples, soc_ratio=soc))

    assert watched.rules == [("SOC_JUMP", True), ("SOC_JUMP", False)]
    assert watched.days[0].missing["soh_ledger_ratio"] == "no_anchor"
    assert watched.days[0].values["soc_drift_ratio"] == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize(("soc", "current"), [(1.0, -6.0), (0.0, 3.0)], ids=["full", "empty"])
def test_charge_into_an_end_of_the_soc_is_not_frozen_but_charge_out_of_it_is(
    soc: float, current: float
) -> None:
    samples = Pack(plan=((0, current), (16, -10 * current))).samples(0.99)

    watched = watch(changed(samples, soc_ratio=np.full(samples.times.size, soc)))

    frozen = [each for out in watched.outputs for each in out.changes if "FROZEN" in each.rule]
    assert [each.raised for each in frozen] == [True]
    # Of what lies before 16 h nothing counts.
    hours = 0.03 * 280 / abs(10 * current)
    assert 16 + hours < (frozen[0].time - MIDNIGHT) / HOUR < 16 + 1.3 * hours


def test_what_a_measured_capacity_may_be_wrong_by_is_in_the_bound_of_the_drift() -> None:
    samples = Pack(capacity_ah=266.0, plan=(*DAILY[:4], (12, 0.0), (16, 57.5))).samples(0.8)
    day = watch(samples).ended().days[0]

    error = day.values["soh_ledger_error_ratio"] / day.values["soh_ledger_ratio"]
    moved = 57.5 * 3.2 / 266
    assert error > 0.05
    assert day.values["soc_drift_bound_ratio"] > moved * error + 0.03


def test_a_good_bms_has_no_findings_and_drifts_within_its_bound() -> None:
    watched = watch(Pack().samples(10.5))

    assert watched.rules == []
    for day in watched.days:
        assert abs(day.values["soc_drift_ratio"]) < 2e-3 < day.values["soc_drift_bound_ratio"]
        assert day.values["soc_ledger_ratio"] == pytest.approx(day.values["soc_ratio"], abs=2e-3)
        assert day.values["anchor_age_s"] < 24 * 3600


@pytest.mark.parametrize("step_ms", [MINUTE, 5 * MINUTE, 15 * MINUTE])
@pytest.mark.parametrize("seed", [1, 2])
def test_sensors_as_good_as_their_class_give_no_findings(step_ms: int, seed: int) -> None:
    rules = BatteryRules(interval_ms=step_ms, max_gap_ms=3 * step_ms)
    chance = np.random.default_rng(seed)
    samples = Pack(capacity_ah=275.0, step_ms=step_ms).samples(30)
    current = samples.values["current_a"] * chance.uniform(0.996, 1.004)
    current += chance.uniform(-0.3, 0.3) + chance.normal(0, 0.1, current.size)
    shown = np.round(samples.values["soc_ratio"], 2)

    watched = watch(
        changed(samples, soc_ratio=shown, current_a=current), replace(BATTERY, rules=rules)
    )

    assert watched.rules == []
    assert len(watched.days) == 29


@pytest.mark.parametrize("soh", [0.8, np.nan, 0.0, 1.3])
def test_until_a_capacity_is_measured_the_bms_s_soh_tells_it_where_it_can_be_true(
    soh: float,
) -> None:
    samples = Pack(capacity_ah=224.0, start=0.15, plan=((0, 0.0), (8, -50.0), (10, 0.0)))
    rows = changed(samples.samples(0.6), soh_ratio=np.full(samples.samples(0.6).times.size, soh))

    day = watch(rows).ended().days[0]

    expected = 0.0 if soh == 0.8 else 100 / 224 - 100 / 280
    assert day.values["soc_drift_ratio"] == pytest.approx(expected, abs=2e-3)


def test_a_capacity_that_cannot_be_true_is_told_but_judges_nothing() -> None:
    samples = Pack(capacity_ah=266.0).samples(1.4)
    current = samples.values["current_a"] / 4

    watched = watch(changed(samples, current_a=current))

    assert watched.state.present.soc.capacity is not None
    assert watched.days[0].values["soh_ledger_ratio"] < 0.5
    assert watched.state.present.soc.anchor is not None
    assert watched.state.present.soc.anchor.capacity == 280 * UC_PER_AH


def test_the_bound_grows_with_the_time_since_the_anchor_until_the_next_one() -> None:
    samples = Pack(plan=((0, 0.0), (8, -50.0), (11, 5.0))).samples(0.99)
    parts = np.array_split(np.arange(samples.times.size), 12)
    watched = watch(kept(samples, np.concatenate(parts[:4])))
    ages, bounds = [], []
    for part in parts[4:]:
        watched.feed(kept(samples, part)).ended()
        ages.append(watched.days[-1].values["anchor_age_s"])
        bounds.append(watched.days[-1].values["soc_drift_bound_ratio"])

    assert ages == sorted(ages)
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0]


def test_a_soc_that_runs_away_from_the_charge_drifts_until_the_next_anchor() -> None:
    samples = Pack(plan=((0, 0.0), (8, -5.0), (20, 0.0))).samples(1.6)
    soc = samples.values["soc_ratio"].copy()
    since = (samples.times - MIDNIGHT) / HOUR
    soc += np.clip((since - 8) * 0.02, 0, 0.3)

    watched = watch(changed(samples, soc_ratio=soc))

    (begins,) = [each for out in watched.outputs for each in out.changes]
    assert (begins.rule, begins.raised) == ("SOC_DRIFT", True)
    assert begins.value > begins.limit > 0.01
    assert 9 < (begins.time - MIDNIGHT) / HOUR < 16
    assert watched.days[0].values["soc_drift_ratio"] == pytest.approx(0.3, abs=0.01)


def test_a_jump_that_no_charge_explains_is_found_and_ends_with_the_next_row() -> None:
    samples = Pack().samples(1)
    soc = samples.values["soc_ratio"].copy()
    soc[17 * 60 :] -= 0.04

    watched = watch(changed(samples, soc_ratio=soc))

    jumps = [each for out in watched.outputs for each in out.changes if each.rule == "SOC_JUMP"]
    assert [(each.raised, (each.time - MIDNIGHT) / HOUR) for each in jumps] == [
        (True, 17.0),
        (False, 17 + 1 / 60),
    ]
    assert jumps[0].value == pytest.approx(-0.04, abs=1e-3)
    assert jumps[1].since == jumps[0].time
    assert jumps[1].worst == (jumps[0].value, jumps[0].limit)


def test_a_change_of_soc_across_a_gap_is_no_jump() -> None:
    samples = Pack().samples(1)
    hour = (samples.times - MIDNIGHT) / HOUR

    watched = watch(kept(samples, (hour < 9) | (hour > 11)))

    assert watched.rules == [("STALE_DATA", True), ("STALE_DATA", False)]


def test_a_soc_that_stands_still_while_current_flows_is_frozen() -> None:
    samples = Pack().samples(1)
    soc = samples.values["soc_ratio"].copy()
    soc[10 * 60 : 12 * 60] = soc[10 * 60]

    watched = watch(changed(samples, soc_ratio=soc))

    found = [each for out in watched.outputs for each in out.changes if each.rule == "SOC_FROZEN"]
    assert [each.raised for each in found] == [True, False]
    begins = (found[0].time - MIDNIGHT) / HOUR
    assert begins == pytest.approx(10 + 0.03 * 280 / 57.5, abs=0.1)
    assert (found[1].time - MIDNIGHT) / HOUR == 12


def test_a_frozen_soc_stays_found_until_it_moves_however_long_the_battery_rests() -> None:
    samples = Pack(plan=((0, -20.0), (4, 0.4), (20, -20.0))).samples(1)
    soc = samples.values["soc_ratio"].copy()
    soc[2 * 60 : 22 * 60] = soc[2 * 60]

    watched = watch(changed(samples, soc_ratio=soc))

    frozen = [raised for rule, raised in watched.rules if rule == "SOC_FROZEN"]
    assert frozen == [True, False]


def test_a_drift_about_its_bound_does_not_chatter() -> None:
    samples = Pack(plan=((0, 0.0),)).samples(0.2)
    bound = watch(samples).ended().days[-1].values["soc_drift_bound_ratio"]
    about = np.where(np.arange(samples.times.size) % 2, 0.9, 1.1) * bound
    soc = samples.values["soc_ratio"] + about

    watched = watch(changed(samples, soc_ratio=soc))

    assert watched.rules[:1] == [("SOC_DRIFT", True)]
    assert len(watched.rules) <= 2


SHALLOW = ((0, 0.0), (6, -40.0), (8, 0.0), (12, 40.0), (14, 0.0))
"""A rest outside the plateau each night, none at the top: one anchor a day."""


@pytest.mark.parametrize("offset", [0.07, 0.08, 0.095])
@pytest.mark.parametrize("rows", [None, 37], ids=["all rows at once", "37 rows at a time"])
def test_a_drift_stands_while_the_bms_is_as_wrong_as_before(
    offset: float, rows: int | None
) -> None:
    samples = Pack(plan=SHALLOW).samples(4)
    after = (samples.times - MIDNIGHT) / HOUR > 10
    shown = changed(samples, soc_ratio=samples.values["soc_ratio"] + offset * after)

    watched = Watched()
    every = np.arange(samples.times.size)
    for part in np.split(every, every[:: rows or every.size][1:]):
        watched.feed(kept(shown, part))

    assert [rule for rule in watched.rules if rule[0] == "SOC_DRIFT"] == [("SOC_DRIFT", True)]
    assert watched.state.present.soc.beyond is not None


def test_a_drift_ends_once_an_anchor_measures_it_within_its_bound() -> None:
    samples = Pack(plan=SHALLOW).samples(4)
    hours = (samples.times - MIDNIGHT) / HOUR
    wrong = (hours > 10) & (hours < 42)
    shown = changed(samples, soc_ratio=samples.values["soc_ratio"] + 0.15 * wrong)

    watched = watch(shown)

    begins, ends = (
        each for out in watched.outputs for each in out.changes if each.rule == "SOC_DRIFT"
    )
    assert (begins.raised, ends.raised, ends.judged) == (True, False, True)
    assert 42 <= (ends.time - MIDNIGHT) / HOUR < 96
    assert abs(ends.value) < 0.8 * begins.limit
    assert ends.worst is not None
    assert abs(ends.worst.value) - ends.worst.limit >= abs(begins.value) - begins.limit > 0
    assert watched.state.present.soc.beyond is None


def test_a_gap_is_no_end_of_a_drift() -> None:
    samples = Pack(plan=SHALLOW).samples(3)
    hours = (samples.times - MIDNIGHT) / HOUR
    current = samples.values["current_a"].copy()
    current[(hours > 13) & (hours < 15)] = np.nan
    shown = samples.values["soc_ratio"] + 0.15

    watched = watch(changed(samples, soc_ratio=shown, current_a=current))

    assert [rule for rule in watched.rules if rule[0] == "SOC_DRIFT"] == [("SOC_DRIFT", True)]


@pytest.mark.parametrize("lost", [{"chemistry": "other"}, {"capacity_ah": None}])
def test_a_drift_that_no_anchor_will_measure_again_ends_and_says_so(
    lost: dict[str, Any],
) -> None:
    samples = Pack(plan=((0, 0.0),)).samples(1)
    shown = changed(samples, soc_ratio=samples.values["soc_ratio"] + 0.15)
    half = np.arange(samples.times.size) < 12 * 60

    watched = watch(kept(shown, half)).feed(replace(BATTERY, **lost), kept(shown, ~half))

    begins, ends = (each for out in watched.outputs for each in out.changes)
    assert (begins.raised, begins.judged) == (True, True)
    assert (ends.raised, ends.judged, ends.since) == (False, False, begins.time)


def test_a_soc_that_stands_still_at_rest_is_not_frozen() -> None:
    samples = Pack(plan=((0, 0.4),)).samples(3)

    watched = watch(changed(samples, soc_ratio=np.full(samples.times.size, 0.5)))

    assert ("SOC_FROZEN", True) not in watched.rules


@pytest.mark.parametrize(
    ("chemistry", "start", "plan", "missing"),
    [
        ("lfp", 0.12, DAILY, None),
        ("lfp", 0.5, ((0, 0.0),), "no_anchor"),
        ("nmc", 0.5, ((0, 0.0),), None),
        ("other", 0.12, ((0, 0.0),), "other_chemistry"),
        ("lfp", 0.12, ((0, 2.0), (12, -2.0)), "no_anchor"),
        ("lfp", 0.12, tuple((k / 2, 2.0 * (k % 2)) for k in range(48)), "no_anchor"),
        ("lfp", 0.2, ((0, -20.0), (12, 15.0)), None),
        ("lfp", 0.06, ((0, 20.0), (1, -5.0), (6, 0.0)), None),
    ],
    ids=[
        "rest outside the plateau",
        "rest on the plateau",
        "no plateau",
        "unknown chemistry",
        "never at rest",
        "rests too short",
        "full",
        "empty",
    ],
)
def test_an_anchor_needs_a_rest_where_the_voltage_tells_the_charge_or_an_end(
    chemistry: str, start: float, plan: tuple[tuple[float, float], ...], missing: str | None
) -> None:
    battery = replace(BATTERY, chemistry=chemistry)  # type: ignore[arg-type]
    curve = NMC if chemistry == "nmc" else LFP
    samples = Pack(start=start, plan=plan, curve=curve).samples(1.2)
    soc = np.clip(samples.values["soc_ratio"], 0, 1)

    day = watch(changed(samples, soc_ratio=soc), battery).days[0]

    assert day.missing.get("soc_ledger_ratio") == missing


def test_after_a_gap_in_the_current_the_ledger_says_nothing_until_the_next_anchor() -> None:
    samples = Pack(plan=((0, 0.0), (8, -50.0), (12, 0.0), (16, 25.0))).samples(1.1)
    current = samples.values["current_a"].copy()
    hours = (samples.times - MIDNIGHT) / HOUR
    current[(hours > 17) & (hours < 18)] = np.nan

    before, after = watch(changed(samples, current_a=current)).ended().days

    assert before.missing["soc_ledger_ratio"] == "gap"
    assert before.values["soc_ratio"] > 0
    assert before.values["current_coverage_ratio"] == pytest.approx(23 / 24, abs=0.01)
    assert after.values["soc_ledger_ratio"] == pytest.approx(after.values["soc_ratio"], abs=2e-3)


def test_without_a_current_the_charge_comes_from_power_and_voltage() -> None:
    signals = ("soc_ratio", "dc_power_w", "voltage_v", "cell_max_v", "cell_min_v")
    with_current = watch(Pack(266.0).samples(1.5)).days[0]

    without = watch(Pack(266.0, signals=signals).samples(1.5)).days[0]

    for name in ("charged_ah", "discharged_ah", "soh_ledger_ratio"):
        assert without.values[name] == pytest.approx(with_current.values[name], abs=1e-6)


@pytest.mark.parametrize(
    ("signals", "capacity_ah", "missing"),
    [
        (("soc_ratio",), 280.0, "missing_signal"),
        (("current_a",), 280.0, "missing_signal"),
        (("soc_ratio", "current_a"), None, "missing_rating"),
    ],
)
def test_a_ledger_needs_soc_current_and_a_rating(
    signals: tuple[str, ...], capacity_ah: float | None, missing: str
) -> None:
    battery = replace(BATTERY, capacity_ah=capacity_ah)

    watched = watch(Pack(signals=signals).samples(1.2), battery)

    assert watched.days[0].missing["soc_drift_ratio"] == missing
    assert watched.rules == []


def test_a_rest_begins_again_after_a_gap() -> None:
    rules = BatteryRules(rest_ms=4 * HOUR, max_gap_ms=3 * MINUTE)
    samples = Pack(plan=((0, 0.0), (7, 20.0), (8, -10.0))).samples(1.1)
    hours = (samples.times - MIDNIGHT) / HOUR
    holed = kept(samples, (hours < 3) | (hours > 3.5))

    whole = watch(samples, replace(BATTERY, rules=rules)).days[0]
    cut = watch(holed, replace(BATTERY, rules=rules)).days[0]

    assert whole.missing.get("soc_ledger_ratio") is None
    assert cut.missing["soc_ledger_ratio"] == "no_anchor"


@pytest.mark.parametrize("rows", [None, 37], ids=["all rows at once", "37 rows at a time"])
@pytest.mark.parametrize(
    ("lasts_min", "efficiency", "efc", "imbalance"),
    [
        (0, [None] * 3, [None] * 3, [None] * 3),
        (10, [None, "soc_jump", None], [None, "soc_jump", None], [None, "soc_jump", None]),
        (
            9_999,
            [None, "soc_jump", "soc_drift"],
            [None, "soc_jump", None],
            [None, "soc_jump", "soc_drift"],
        ),
    ],
    ids=["a SOC that is right", "one that leaps and comes back", "one that stays wrong"],
)
def test_what_hangs_on_a_soc_that_is_known_to_be_wrong_says_so(
    lasts_min: int,
    efficiency: list[str | None],
    efc: list[str | None],
    imbalance: list[str | None],
    rows: int | None,
) -> None:
    samples = Pack(step_ms=5 * MINUTE, signals=ALL).samples(3.2)
    since = (samples.times - MIDNIGHT) / MINUTE - 33 * 60
    wrong = np.where((since >= 0) & (since < lasts_min), 0.15, 0.0)
    shown = changed(samples, soc_ratio=samples.values["soc_ratio"] + wrong)

    watched = Watched(replace(BATTERY, rules=BatteryRules(max_gap_ms=15 * MINUTE)))
    every = np.arange(samples.times.size)
    for part in np.split(every, every[:: rows or every.size][1:]):
        watched.feed(kept(shown, part))

    told = [day.missing for day in watched.days]
    assert [each.get("rte_dc_corrected_ratio") for each in told] == efficiency
    assert [each.get("efc_day") for each in told] == efc
    assert [each.get("imbalance_v") for each in told] == imbalance
