"""Rows of several signals: whole numbers, and which of them the clock takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.clock import QUARANTINE_LIMIT
from stream_app.core.rows import (
    NONE,
    REFUSED,
    LateRow,
    RowClock,
    Rows,
    Signal,
    take,
    take_until,
    whole,
)
from tests.property.strategies import cuts

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_743_458_400_000
SIGNALS = (Signal("a", 1e3, 0.0, 10.0), Signal("b", 1.0, -1e18, 1e18))


def rows(minutes: "list[float] | np.ndarray") -> Rows:
    """Rows whose values tell their own time."""
    times = START + (np.array(minutes) * MINUTE).astype(np.int64)
    return Rows(times, np.stack([times, -times], axis=1))


def minutes(times: np.ndarray) -> list[float]:
    return ((times - START) / MINUTE).tolist()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.2344, 1234),
        (0.0005, 0),
        (0.0015, 2),
        (0.0, 0),
        (-0.0, 0),
        (10.0, 10_000),
        (10.001, REFUSED),
        (-0.001, REFUSED),
        (np.nan, NONE),
        (np.inf, REFUSED),
        (-np.inf, REFUSED),
        (1e300, REFUSED),
    ],
)
def test_a_value_is_rounded_to_a_whole_number_or_refused(value: float, expected: int) -> None:
    found = whole(SIGNALS, [(np.array([START]), {"a": np.array([value])})])

    assert found.values.tolist() == [[expected, NONE]]


def test_messages_with_other_signals_become_one_table() -> None:
    first = np.array([1, 2]), {"a": np.array([1.0, np.nan]), "z": np.array([5.0, 5.0])}
    second = np.array([3]), {"b": np.array([-7.0])}

    found = whole(SIGNALS, [first, second])

    assert found.times.tolist() == [1, 2, 3]
    assert found.values.tolist() == [[1000, NONE], [NONE, NONE], [NONE, -7]]
    assert [column.tolist() for column in found.of(1)] == [[2], [3], [-7]]


@pytest.mark.parametrize(
    ("sent", "taken", "late"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], []),
        ([0], [], []),
        ([0, 1, 1, 0, 2], [0, 1, 2], [(1, "late"), (0, "late")]),
        ([0, 1, 900, 2, 3], [0, 1, 2, 3], []),
        ([0, 1, 900, 901, 2], [0, 1, 900, 901], [(2, "late")]),
        ([0, 1, 900, 2, 901, 902], [0, 1, 2, 900, 901, 902], []),
        ([900, 0, 1, 2], [0, 1, 2], []),
        ([0, 1, 61, 121, 181], [0, 1, 61, 121, 181], []),
        ([0, 1, 70, 50, 100], [0, 1, 50, 70, 100], []),
    ],
    ids=[
        "in order",
        "one alone",
        "doubles and older ones",
        "one far ahead waits",
        "a second one confirms it",
        "also later",
        "the first rows need two that agree",
        "just within the skew",
        "the clock gets there",
    ],
)
def test_rows_are_taken_in_rising_order_each_with_its_own_values(
    sent: list[float], taken: list[float], late: list[tuple[float, str]]
) -> None:
    found, refused = take(RowClock(), rows(sent), HOUR)

    assert minutes(found.times) == taken
    assert found.values.tolist() == np.stack([found.times, -found.times], axis=1).tolist()
    assert [((each.time - START) / MINUTE, each.reason) for each in refused] == late


def test_a_row_that_nothing_confirms_is_given_up_as_ahead() -> None:
    state = RowClock()
    take(state, rows([0, 1]), HOUR)
    far = [1000.0 * (place + 1) for place in range(QUARANTINE_LIMIT + 2)]

    _, refused = take(state, rows(far), HOUR)

    assert [(each.time - START) / MINUTE for each in refused] == [1000, 2000]
    assert {each.reason for each in refused} == {"ahead"}
    assert len(state.aside) == QUARANTINE_LIMIT


def test_an_end_of_data_takes_what_waited_before_it() -> None:
    state = RowClock()
    take(state, rows([0, 1, 600, 9000]), HOUR)

    found, refused, until = take_until(state, START + 700 * MINUTE, HOUR)

    assert minutes(found.times) == [600]
    assert found.values[0].tolist() == [found.times[0], -found.times[0]]
    assert (refused, until) == ([], START + 700 * MINUTE)
    assert [row[0] for row in state.aside] == [START + 9000 * MINUTE]


def test_an_end_of_data_far_off_speaks_for_no_more_than_a_day() -> None:
    state = RowClock()
    take(state, rows([0, 1]), HOUR)

    _, _, until = take_until(state, START + 90 * 24 * HOUR, HOUR)

    assert until == START + MINUTE + 24 * HOUR
    late = take(state, rows([600]), HOUR)[1]
    assert late == [LateRow(START + 600 * MINUTE, "late")]


def test_an_end_of_data_without_rows_ends_nothing() -> None:
    assert take_until(RowClock(), START, HOUR)[2] is None


steps = st.sampled_from((1, 1, 1, 5, 30, 59, 61, 0, -1, -40, 700, -700, 5000))


@given(st.lists(steps, min_size=1, max_size=60), st.data())
def test_rows_may_come_in_any_parts(moves: list[int], data: st.DataObject) -> None:
    every = rows(np.cumsum(moves))
    whole_state, state = RowClock(), RowClock()
    expected, refused = take(whole_state, every, HOUR)

    parts = [take(state, every.between(p.start, p.stop), HOUR) for p in data.draw(cuts(len(moves)))]

    assert np.concatenate([rows.times for rows, _ in parts]).tolist() == expected.times.tolist()
    values = np.concatenate([rows.values.reshape(-1, 2) for rows, _ in parts])
    assert values.tolist() == expected.values.tolist()
    assert [row for _, late in parts for row in late] == refused
    assert state == whole_state
    assert (np.diff(expected.times) > 0).all()
    assert expected.times.size + len(refused) + len(state.aside) == len(moves)
