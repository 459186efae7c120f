"""A system without packs is judged by the extremes of its cells that it tells."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.health import snapshot
from stream_app.core.battery import SystemSamples
from stream_app.core.cells.evaluability import Indicator
from stream_app.core.cells.limits import LFP
from stream_app.core.health.extremes import LimitChange, evaluable_limits
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import fold_system
from tests.unit.health.battery import BATTERY, MIDNIGHT, MINUTE, Watched

RACK = replace(BATTERY, packs={})
HIGH, LOW, WARM = "cell_max_v", "cell_min_v", "cell_max_c"


def samples(first: int, **values: list[float]) -> SystemSamples:
    rows = len(next(iter(values.values())))
    times = MIDNIGHT + MINUTE * np.arange(first, first + rows)
    return SystemSamples(times, {name: np.array(each) for name, each in values.items()})


def told(watched: Watched) -> list[tuple[str, str, bool, int, int, float, float, bool]]:
    """Signal, rule, whether it began, minutes of change and begin, value, limit, judged."""
    return [
        (
            each.signal,
            each.rule,
            each.raised,
            (each.time - MIDNIGHT) // MINUTE,
            (each.since - MIDNIGHT) // MINUTE,
            each.value,
            each.limit,
            each.judged,
        )
        for out in watched.outputs
        for each in out.changes
        if isinstance(each, LimitChange)
    ]


@pytest.mark.parametrize(
    ("signal", "values", "rule", "begun", "ended"),
    [
        (HIGH, [3.3, 3.61, 3.62, 3.5, 3.51], "OVER_VOLT_WARNING", (3.62, 3.6), (3.51, 3.52)),
        (LOW, [3.3, 2.55, 2.5, 2.9, 3.0], "UNDER_VOLT_WARNING", (2.5, 2.6), (3.0, 2.8)),
        (WARM, [30, 56, 57, 40, 41], "OVER_TEMP_WARNING", (57.0, 55.0), (41.0, 50.0)),
    ],
)
def test_a_limit_of_cells_is_judged_by_the_extreme_that_it_is_of(
    signal: str,
    values: list[float],
    rule: str,
    begun: tuple[float, float],
    ended: tuple[float, float],
) -> None:
    found = told(Watched(RACK).feed(samples(0, **{signal: values})))

    assert found == [
        (signal, rule, True, 2, 1, *begun, True),
        (signal, rule, False, 4, 1, *ended, True),
    ]


def test_an_alarm_and_its_warning_stand_together() -> None:
    found = told(Watched(RACK).feed(samples(0, **{LOW: [2.1, 2.1], WARM: [75, 75]})))

    assert sorted(each[1] for each in found) == [
        "OVER_TEMP_ALARM",
        "OVER_TEMP_WARNING",
        "UNDER_VOLT_ALARM",
        "UNDER_VOLT_WARNING",
    ]


@pytest.mark.parametrize("battery", [BATTERY, replace(RACK, limits="none")])
def test_nothing_is_judged_of_a_system_with_packs_or_without_limits(battery: object) -> None:
    assert told(Watched(battery).feed(samples(0, **{HIGH: [3.9] * 9}))) == []  # type: ignore[arg-type]


def test_what_stands_ends_unjudged_where_the_limits_are_others() -> None:
    watched = Watched(RACK).feed(samples(0, **{HIGH: [3.62] * 3}))
    watched.feed(replace(RACK, own_limits={"over_volt_warning_v": 3.63}))

    assert told(watched)[-1] == (HIGH, "OVER_VOLT_WARNING", False, 2, 0, 3.62, 3.6, False)
    assert watched.state.present.limits == {}


def test_what_stands_stays_where_a_record_comes_again() -> None:
    watched = Watched(RACK).feed(samples(0, **{HIGH: [3.62] * 3}), RACK)

    assert [each[2] for each in told(watched)] == [True]


def test_what_can_be_told_goes_by_the_signals_that_came() -> None:
    found = evaluable_limits(RACK, [HIGH, WARM])

    assert {each: why for each, why in found.items() if why != "no_cells"} == {
        "over_volt": "evaluable",
        "under_volt": "missing_signal",
        "over_temp": "evaluable",
        "under_temp": "missing_signal",
    }
    assert set(evaluable_limits(replace(RACK, limits="none"), [HIGH]).values()) == {
        "no_limits",
        "no_cells",
    }
    assert {each for each in found if found[each] == "no_cells"} < set(get_args(Indicator))


def test_the_rules_that_are_judged_are_those_of_cells() -> None:
    values = {HIGH: [3.9] * 2, LOW: [2.1] * 2, WARM: [75.0] * 2}
    found = {each[1] for each in told(Watched(RACK).feed(samples(0, **values)))}

    assert found == {each.rule for each in LFP.thresholds if "UNDER_TEMP" not in each.rule}


VALUES = st.lists(
    st.sampled_from([3.3, 3.55, 3.61, 3.66, 2.7, 2.5, 2.3, -1.0, np.nan]), min_size=30, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(high=VALUES, low=VALUES, cuts=st.lists(st.integers(1, 29), max_size=6))
def test_limits_do_not_depend_on_how_rows_were_cut(
    high: list[float], low: list[float], cuts: list[int]
) -> None:
    def folded(edges: list[int]) -> tuple[list[object], bytes]:
        state = SystemState()
        fold_system(state, [RACK])
        changes: list[object] = []
        for first, last in pairwise(edges):
            part = {HIGH: high[first:last], LOW: low[first:last]}
            changes += fold_system(state, [samples(first, **part)]).changes
        return changes, snapshot(state.present)

    assert folded([0, *sorted(set(cuts)), 30]) == folded([0, 30])
