"""A condition begins and ends once it has held, however its rows are cut."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.watch import (
    NO_VALUE,
    Change,
    Course,
    Delay,
    Measure,
    Sides,
    Watch,
    Worst,
    changes,
)


def course(clock: Sequence[int]) -> Course:
    times = np.array(clock, dtype=np.int64)
    return Course(times, times, max_gap=3)


def measure(side: Sides, limit: float = 0.0) -> Measure:
    """As far beyond its limit as the number of the row."""
    rows = np.arange(1.0, len(side) + 1)[:, None]
    return Measure(rows + limit + 0.0 * side, np.full(side.shape, limit))


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ([1, 1, 1, 0], [Change(2, 0, True, 0)]),
        ([1, 0, 1, 1], []),
        ([0, 1, 1, 1], [Change(3, 0, True, 1)]),
        ([1, 1, 1, -1, -1], [Change(2, 0, True, 0), Change(4, 0, False, 0, Worst(3.0, 0.0))]),
        ([1, 1, 1, -1, 0, -1], [Change(2, 0, True, 0)]),
        ([-1, -1, -1, -1], []),
    ],
)
def test_it_must_hold_two_units_to_begin_and_one_to_end(
    side: list[int], expected: list[Change]
) -> None:
    matrix = np.array(side, dtype=np.int8)[:, None]

    assert (
        changes(Watch(), matrix, course(range(len(side))), Delay(2, 1), measure(matrix)) == expected
    )


@pytest.mark.parametrize(
    ("clock", "side", "expected"),
    [
        ([0, 1, 2], [1, NO_VALUE, 1], [Change(2, 0, True, 0)]),
        ([0, 1, 2, 3, 4], [NO_VALUE, 1, NO_VALUE, NO_VALUE, 1], [Change(4, 0, True, 1)]),
        ([0, 2, 4, 6, 7], [1, NO_VALUE, 1, 1, 1], [Change(3, 0, True, 4)]),
        ([0, 2, 3, 4], [1, 1, NO_VALUE, -1], [Change(1, 0, True, 0)]),
    ],
    ids=["between", "twice", "its own gap", "standing"],
)
def test_a_row_without_a_value_is_as_if_it_had_not_come(
    clock: list[int], side: list[int], expected: list[Change]
) -> None:
    matrix = np.array(side, dtype=np.int8)[:, None]

    assert changes(Watch(), matrix, course(clock), Delay(2, 1), measure(matrix)) == expected


@given(st.data())
def test_rows_in_any_batches_give_the_same(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 30))
    column = st.lists(st.sampled_from((-1, 0, 1, 1, NO_VALUE)), min_size=size, max_size=size)
    side = np.array([data.draw(column), data.draw(column)], dtype=np.int8).T
    steps = st.sampled_from((1, 1, 2, 3, 4))
    clock = np.cumsum(data.draw(st.lists(steps, min_size=size, max_size=size)))
    cut = data.draw(st.integers(0, size))
    whole, parts = Watch(), Watch()

    drawn = st.lists(st.sampled_from((-3.0, 1.0, 2.0, 3.0)), min_size=size, max_size=size)
    seen = Measure(np.array([data.draw(drawn), data.draw(drawn)]).T, np.full(side.shape, -1.0))

    at_once = changes(whole, side, course(clock.tolist()), Delay(4, 2), seen)

    found = []
    for first, last in ((0, cut), (cut, size)):
        if first < last:
            some = course(clock[first:last].tolist())
            part = Measure(*(each[first:last] for each in seen))
            found += [
                each._replace(row=each.row + first)
                for each in changes(parts, side[first:last], some, Delay(4, 2), part)
            ]
    assert found == at_once
    assert parts == whole
    assert list(parts.pending) == list(whole.pending)


@pytest.mark.parametrize(
    ("side", "values", "worst"),
    [
        ([1, 1, 1, -1, -1], [4, 7, 5, 2, 1], 7),
        ([1, 1, 1, 0, 1, -1, -1], [4, 5, 4, 2, 9, 2, 1], 9),
        ([1, 0, 1, 1, 1, -1, -1], [9, 2, 4, 5, 4, 2, 1], 5),
        ([1, 1, 1, -1, 0, -1, -1], [4, 6, 5, -9, 2, 1, 1], 6),
    ],
    ids=["before it began", "while it stands", "not what passed before", "not what is back"],
)
def test_what_ends_says_what_was_worst_since_it_began(
    side: list[int], values: list[int], worst: int
) -> None:
    matrix, limit = np.array(side, dtype=np.int8)[:, None], 3.0
    seen = Measure(np.array(values, dtype=float)[:, None], np.full(matrix.shape, limit))

    found = changes(Watch(), matrix, course(range(len(side))), Delay(2, 1), seen)

    assert [each.worst for each in found] == [None, Worst(worst, limit)]
