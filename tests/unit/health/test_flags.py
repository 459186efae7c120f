"""A flag of a battery system is a condition while it is not 0."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.health import snapshot
from stream_app.core.battery import SystemSamples
from stream_app.core.health.flags import FlagChange
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import fold_system
from tests.unit.health.battery import BATTERY, MIDNIGHT, MINUTE, Watched

SMOKE, ERROR = "fa1_SmokeFlag", "fa1_ErrCode"
FLAGGED = replace(BATTERY, signals={SMOKE: "flag", ERROR: "flag", "fa1_Co": "max"})


def samples(first: int, **values: list[float]) -> SystemSamples:
    rows = len(next(iter(values.values())))
    times = MIDNIGHT + MINUTE * np.arange(first, first + rows)
    return SystemSamples(times, {name: np.array(each) for name, each in values.items()})


def told(watched: Watched) -> list[tuple[str, bool, int, int, float]]:
    """Signal, whether it was set, the minutes of the change and of its begin, and the value."""
    return [
        (
            each.signal,
            each.raised,
            (each.time - MIDNIGHT) // MINUTE,
            (each.since - MIDNIGHT) // MINUTE,
            each.value,
        )
        for out in watched.outputs
        for each in out.changes
        if isinstance(each, FlagChange)
    ]


def test_a_flag_stands_from_its_first_value_that_is_not_0_to_the_next_that_is() -> None:
    nan = np.nan
    smoke, error = [0, 1, nan, 1, 0, 0], [nan, 0, 0, 7, 9, nan]

    found = told(
        Watched(FLAGGED).feed(samples(0, **{SMOKE: smoke, ERROR: error, "fa1_Co": [5.0] * 6}))
    )

    assert found == [
        (SMOKE, True, 1, 1, 1.0),
        (ERROR, True, 3, 3, 7.0),
        (SMOKE, False, 4, 1, 0.0),
    ]


def test_a_flag_that_ends_says_its_largest_value() -> None:
    watched = Watched(FLAGGED).feed(samples(0, **{ERROR: [0, 7, 9, 3]}), samples(4, **{ERROR: [0]}))

    changes = [each for out in watched.outputs for each in out.changes]
    assert [each.worst for each in changes] == [None, (9.0, 0.0)]


def test_a_flag_that_is_set_from_the_first_is_told() -> None:
    found = told(Watched(FLAGGED).feed(samples(0, **{SMOKE: [1, 1]})))

    assert found == [(SMOKE, True, 0, 0, 1.0)]


def test_a_flag_ends_with_the_record_that_calls_it_one() -> None:
    watched = Watched(FLAGGED).feed(samples(0, **{SMOKE: [0, 1, 1]}), BATTERY)

    assert told(watched)[-1] == (SMOKE, False, 2, 1, 0.0)
    assert watched.state.present.flags == {}


def test_a_row_that_waits_keeps_its_flags_when_the_record_changes() -> None:
    fewer = replace(FLAGGED, signals={SMOKE: "flag"})
    watched = Watched(FLAGGED).feed(samples(0, **{SMOKE: [0, 0], ERROR: [0, 0]}))
    watched.feed(samples(600, **{SMOKE: [1], ERROR: [3]}), fewer, samples(601, **{SMOKE: [1]}))

    assert told(watched) == [(SMOKE, True, 600, 600, 1.0)]


VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), min_size=30, max_size=30)


@settings(max_examples=50)
@given(smoke=VALUES, error=VALUES, cuts=st.lists(st.integers(1, 29), max_size=6))
def test_flags_do_not_depend_on_how_rows_were_cut(
    smoke: list[float], error: list[float], cuts: list[int]
) -> None:
    def folded(edges: list[int]) -> tuple[list[object], bytes]:
        state = SystemState()
        fold_system(state, [FLAGGED])
        changes: list[object] = []
        for low, high in pairwise(edges):
            part = {SMOKE: smoke[low:high], ERROR: error[low:high]}
            changes += fold_system(state, [samples(low, **part)]).changes
        return changes, snapshot(state.present)

    assert folded([0, *sorted(set(cuts)), 30]) == folded([0, 30])
