"""Faulty cells are found by pack and cell, and clean packs are left in peace."""

from collections import Counter

import numpy as np
import pytest

from stream_app.core.cells.evaluability import evaluability
from stream_app.core.cells.features import FEATURES, columns_of, features
from stream_app.core.cells.limits import REGIMES
from stream_app.core.cells.messages import CellOutputs, CellWindows
from stream_app.core.messages import EndOfData
from tests.cells.generator import HOUR_MS, START_MS, Faults, battery, trace
from tests.cells.strategies import MINUTE, run

FAULTY = Faults(weak=3, drifting=17, hot=30, stuck=44)
OWN_RULES = {
    ("WEAK_CELL", 3),
    ("CELL_VOLTAGE_DRIFT", 17),
    ("HOT_CELL", 30),
    ("CELL_VOLTAGE_STUCK", 44),
}


def folded(
    seed: int, days: float, faults: Faults, interval_s: float = 60.0, *, string: bool = True
) -> CellOutputs:
    data = trace(seed, days, faults, interval_s)
    rows = data.times.size
    batches = [[data.samples(at, at + 1000, string=string)] for at in range(0, rows, 1000)]
    outputs, _ = run([[battery(interval_s)], *batches, [EndOfData(int(data.times[-1]) + 1)]])
    return outputs


@pytest.mark.parametrize("string", [True, False], ids=["with current", "voltages alone"])
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_raised_of_a_clean_pack(seed: int, string: bool) -> None:
    assert folded(seed, 6, Faults(), 300.0, string=string).findings == []


@pytest.mark.parametrize("seed", range(100, 120))
def test_every_faulty_cell_is_named_by_its_own_rule_and_no_other_cell_is(seed: int) -> None:
    outputs = folded(seed, 6, FAULTY, 300.0)

    raised = {(each.rule, each.cell) for each in outputs.findings if each.raised}
    assert raised >= OWN_RULES
    assert {cell for _, cell in raised} <= {3, 17, 30, 44, None}


@pytest.mark.parametrize("interval_s", [60.0, 900.0])
@pytest.mark.parametrize("string", [True, False], ids=["with current", "voltages alone"])
def test_faulty_cells_are_named_at_any_interval_also_without_a_current(
    interval_s: float, string: bool
) -> None:
    outputs = folded(7, 6, FAULTY, interval_s, string=string)

    named = {each.cell for each in outputs.findings if each.raised}
    assert named - {None} == {3, 17, 30, 44}


def test_a_hot_cell_is_found_within_a_quarter_of_an_hour() -> None:
    outputs = folded(1, 2, FAULTY)

    (hot,) = (each for each in outputs.findings if each.rule == "HOT_CELL")
    assert (hot.pack, hot.cell, hot.unit) == ("1", 30, "degC")
    assert 0 <= hot.time - (START_MS + 30 * HOUR_MS) <= HOUR_MS / 4
    assert hot.since == START_MS + 30 * HOUR_MS
    assert hot.value == pytest.approx(4, abs=1)
    assert hot.limit == 3.0


def test_a_cell_is_stuck_since_its_value_stays_and_not_since_that_is_known() -> None:
    outputs = folded(1, 2, FAULTY, 300.0)

    (stuck,) = (each for each in outputs.findings if each.rule == "CELL_VOLTAGE_STUCK")
    assert stuck.since == START_MS + 30 * HOUR_MS < stuck.time


def test_what_ended_says_what_was_worst_since_it_began() -> None:
    data = trace(1, 2, Faults(), 300.0)
    data.temperature_c[300:340, 8] += [5.0] * 20 + [9.0] * 10 + [4.0] * 10
    outputs, _ = run([[battery(300.0), data.samples(0, data.times.size)]])

    begun, ended = outputs.findings
    assert (begun.rule, begun.raised, begun.worst) == ("HOT_CELL", True, None)
    assert ended.worst == (pytest.approx(9, abs=1), 3.0)
    assert ended.value < 2 < begun.value < 7, "at its begin and its end"


def test_a_cell_of_high_resistance_is_raised_once_and_not_twice_a_day() -> None:
    data = trace(3, 6, Faults(), 300.0)
    data.voltage_v[:, 7] -= 0.001 * data.current_a
    outputs, _ = run([[battery(300.0), data.samples(0, data.times.size)]])

    found = Counter((each.rule, each.cell) for each in outputs.findings)
    assert found["CELL_VOLTAGE_DEVIATION", 8] == 1
    assert found["VOLTAGE_IMBALANCE_WARNING", None] == 1
    assert {each.raised for each in outputs.findings} == {True}


def test_critical_cells_are_ranked_by_days_and_say_since_when() -> None:
    outputs = folded(1, 6, FAULTY, 300.0)

    starts = [round((each.start - START_MS) / HOUR_MS) for each in outputs.critical]
    assert starts == [0, 24, 48, 72, 96, 119], "the last day but one has 23 hours"
    table = outputs.critical[-1]
    assert [each.rank for each in table.cells] == list(range(1, len(table.cells) + 1))
    days = [each.concern.days for each in table.cells]
    assert days == sorted(days, reverse=True)
    assert table.cells[0].concern.cell == 3, "the weak cell was so from the first day"
    hot = next(each.concern for each in table.cells if each.concern.rule == "HOT_CELL")
    assert (hot.cell, hot.days, hot.since) == (30, 5, START_MS + 30 * HOUR_MS)
    assert hot.worst >= 4.0 - 0.5


def hours(outputs: CellOutputs) -> CellWindows:
    return [each for each in outputs.windows if each.resolution == "1h" and each.final][-1]


def test_features_set_faulty_cells_apart_and_leave_out_what_is_missing() -> None:
    window = hours(folded(1, 3, FAULTY))

    found = features(columns_of(window.sums))

    assert found.shape == (window.size, 52, len(FEATURES))
    assert np.isfinite(found).all()
    hot = found[-1, :, FEATURES.index("temperature_z")]
    assert hot.argmax() == 29


def slots(outputs: CellOutputs) -> CellWindows:
    return next(each for each in outputs.windows if each.resolution == "5min" and each.final)


def reasons(window: CellWindows, name: str) -> set[str]:
    found: dict[str, list[str]] = evaluability(window.sums, 3 * MINUTE, window.regimes)  # type: ignore[assignment]
    return set(found[name])


def test_each_indicator_says_whether_the_data_can_support_it() -> None:
    minutes = slots(folded(1, 1.5, Faults()))
    alone = slots(folded(1, 1.5, Faults(), string=False))
    seconds = slots(folded(1, 0.1, Faults(), 1.0))

    assert reasons(minutes, "thermal_runaway") == {"sample_rate"}
    assert reasons(seconds, "thermal_runaway") == {"evaluable"}
    assert reasons(minutes, "temperature_rise") == {"evaluable"}
    assert reasons(minutes, "voltage_deviation") == {"evaluable", "regime"}
    assert reasons(minutes, "rest") == {"evaluable"}
    assert reasons(alone, "rest") == {"missing_signal"}
    assert reasons(minutes, "cell_degradation") == {"not_measured"}
    assert set(evaluability(minutes.sums, MINUTE, None)["voltage_limits"]) == {"no_limits"}


def test_a_day_counts_its_windows_by_what_they_can_support() -> None:
    outputs = folded(1, 2.5, Faults(), 300.0)
    days = [each for each in outputs.windows if each.resolution == "1d" and each.final]
    every = [each for each in outputs.windows if each.resolution == "5min" and each.final]
    told = [counts for each in every for counts in each.evaluable or ()]
    told_days = [counts for each in days for counts in each.evaluable or ()]

    assert len(told) == sum(each.size for each in every)
    assert sum(each.size for each in days) == len(told_days) > 0
    start = int(days[0].starts[0])
    inside = [
        counts
        for each in every
        for start_of_day, counts in zip(each.days.tolist(), each.evaluable or (), strict=True)
        if start_of_day == start
    ]
    for name, counts in told_days[0].items():
        assert counts == Counter(reason for each in inside for reason in each[name])


def test_a_pack_rests_only_where_its_current_says_so() -> None:
    minutes = slots(folded(1, 1.5, Faults()))
    alone = slots(folded(1, 1.5, Faults(), string=False))

    def seen(window: CellWindows) -> set[str]:
        assert window.regimes is not None
        return {REGIMES[each] for each in window.regimes.tolist()}

    assert seen(minutes) == {"plateau", "steep_rest", "steep"}
    assert seen(alone) <= {"plateau", "steep"}
