"""A condition begins and ends once it has held, however its rows are cut."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.cells.watch import Change, Course, Delay, Watch, changes


def course(clock: Sequence[int], breaks: Sequence[bool] | None = None) -> Course:
    times = np.array(clock, dtype=np.int64)
    return Course(times, times, np.array(breaks or [False] * times.size, dtype=np.bool_))


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ([1, 1, 1, 0], [Change(2, 0, True, 0)]),
        ([1, 0, 1, 1], []),
        ([0, 1, 1, 1], [Change(3, 0, True, 1)]),
        ([1, 1, 1, -1, -1], [Change(2, 0, True, 0), Change(4, 0, False, 0)]),
        ([1, 1, 1, -1, 0, -1], [Change(2, 0, True, 0)]),
        ([-1, -1, -1, -1], []),
    ],
)
def test_it_must_hold_two_units_to_begin_and_one_to_end(
    side: list[int], expected: list[Change]
) -> None:
    matrix = np.array(side, dtype=np.int8)[:, None]

    assert changes(Watch(), matrix, course(range(len(side))), Delay(2, 1)) == expected


@given(st.data())
def test_rows_in_any_batches_give_the_same(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 30))
    column = st.lists(st.sampled_from((-1, 0, 1, 1)), min_size=size, max_size=size)
    side = np.array([data.draw(column), data.draw(column)], dtype=np.int8).T
    breaks = data.draw(
        st.lists(st.sampled_from((False, False, True)), min_size=size, max_size=size)
    )
    clock = np.cumsum(data.draw(st.lists(st.integers(1, 3), min_size=size, max_size=size)))
    cut = data.draw(st.integers(0, size))
    whole, parts = Watch(), Watch()

    at_once = changes(whole, side, course(clock.tolist(), breaks), Delay(4, 2))

    found = []
    for first, last in ((0, cut), (cut, size)):
        if first < last:
            some = course(clock[first:last].tolist(), breaks[first:last])
            found += [
                each._replace(row=each.row + first)
                for each in changes(parts, side[first:last], some, Delay(4, 2))
            ]
    assert found == at_once
    assert parts == whole
    assert list(parts.pending) == list(whole.pending)
