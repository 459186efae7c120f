"""Rows are taken alike however a file is cut, and no slot hides an event."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.signals.admission import Admission, Refused, Slotted, Taken, joined, one_a_time
from replay.signals.ordering import Ordering

INTERVAL_MS, SKEW_MS, LOOK_AHEAD = 10, 100, 10
TIMES = st.lists(st.one_of(st.integers(0, 400), st.integers(0, 100_000)), min_size=1, max_size=120)
STEADY = st.lists(st.integers(-3, 30), min_size=1, max_size=200)
JUMPY = st.lists(st.sampled_from([-90, -20, -10, 0, 10, 10, 10, 20, 80]), max_size=200)


def admitted(
    times: list[int], cuts: list[int], waits: bool = False
) -> tuple[list[int], list[float], list[tuple[int, str]], list[int]]:
    """Slots and numbers of rows as they come, those refused by reason, and those moved."""
    admission, refused, moved = Admission(SKEW_MS), Refused(), list[int]()
    ordering = Ordering(INTERVAL_MS, 1, LOOK_AHEAD, waits)
    edges = [0, *sorted(cut % (len(times) + 1) for cut in cuts), len(times)]
    parts = []
    for low, high in pairwise(edges):
        rows = np.arange(low, high)
        given_rows = Taken(np.array(times[low:high], np.int64), rows[np.newaxis] * 1.0, rows)
        for part in admission.take(given_rows, refused):
            parts += ordering.take(part, refused, moved)
    for part in admission.end(refused):
        parts += ordering.take(part, refused, moved)
    whole = joined([*parts, ordering.end()], 1)
    told = sorted(refused.rows, key=lambda each: each[1])
    return whole.slots.tolist(), whole.values[0].tolist(), told, moved


@given(times=TIMES, cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_any_cut_gives_the_same_rows_and_refusals(times: list[int], cuts: list[int]) -> None:
    assert admitted(times, cuts) == admitted(times, [])


@given(steps=STEADY, cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_any_cut_of_a_trembling_clock_gives_the_same(steps: list[int], cuts: list[int]) -> None:
    times = np.cumsum([1000, *steps]).tolist()

    assert admitted(times, cuts) == admitted(times, list(range(len(times))))


@given(steps=JUMPY, cuts=st.lists(st.integers(0, 1000), max_size=5), waits=st.booleans())
def test_any_cut_of_rows_out_of_order_gives_the_same(
    steps: list[int], cuts: list[int], waits: bool
) -> None:
    times = np.cumsum([10_000, *steps]).tolist()

    assert admitted(times, cuts, waits) == admitted(times, list(range(len(times))), waits)


@given(
    before=st.integers(0, 20),
    stretch=st.permutations(range(LOOK_AHEAD)),
    after=st.integers(2, 20),
    waits=st.booleans(),
)
def test_rows_in_any_order_are_put_right_within_the_look_ahead(
    before: int, stretch: list[int], after: int, waits: bool
) -> None:
    end = before + LOOK_AHEAD
    order = [*range(before), *(before + row for row in stretch), *range(end, end + after)]
    times = [row * INTERVAL_MS for row in order]

    slots, _, refused, moved = admitted(times, [], waits or not before)

    assert slots == sorted(times)
    assert refused == []
    assert not moved or order != sorted(order)


@given(times=TIMES)
def test_every_row_is_taken_or_refused_once_and_slots_never_step_back(times: list[int]) -> None:
    slots, rows, refused, _ = admitted(times, [])

    assert sorted([*rows, *(row for row, _ in refused)]) == list(range(len(times)))
    assert slots == sorted(slots)
    for slot, row in zip(slots, rows, strict=True):
        assert -INTERVAL_MS / 2 <= times[int(row)] - slot < INTERVAL_MS / 2


VALUES = st.lists(st.sampled_from([np.nan, 1.0, 2.0, 3.0]), min_size=2, max_size=2)
ROWS = st.lists(st.tuples(st.integers(0, 60), VALUES), max_size=20)


def crowded(rows: list[tuple[int, list[float]]]) -> Slotted:
    """Rows in slots of ten, in any order within one."""
    rows = sorted(rows, key=lambda row: (row[0] + 5) // 10)
    times = np.array([time for time, _ in rows], np.int64)
    values = np.array([value for _, value in rows]).reshape(-1, 2).T
    return Slotted((times + 5) // 10 * 10, times, values)


@given(rows=ROWS)
def test_a_slot_of_flags_keeps_the_highest(rows: list[tuple[int, list[float]]]) -> None:
    given_rows = crowded(rows)

    found, shared = one_a_time(given_rows, np.array([True, True]), apart=False)

    assert found.slots.tolist() == sorted(set(given_rows.slots.tolist()))
    for place, slot in enumerate(found.slots):
        of_slot = given_rows.values[:, given_rows.slots == slot]
        assert np.array_equal(found.values[:, place], np.fmax.reduce(of_slot, 1), equal_nan=True)
    assert shared == len(rows) - found.slots.size


@given(rows=ROWS)
def test_of_rows_apart_each_different_value_of_a_time_is_there(
    rows: list[tuple[int, list[float]]],
) -> None:
    given_rows = crowded(rows)

    found, shared = one_a_time(given_rows, np.array([True, True]), apart=True)

    assert (np.diff(found.slots) > 0).all()
    assert shared == len(rows) - found.slots.size
    for column in (0, 1):
        before = given_rows.values[column]
        for slot in set(given_rows.slots.tolist()):
            inside = np.abs(found.slots - slot) <= 5
            kept = found.values[column][inside]
            assert not np.isfinite(before[given_rows.slots == slot]).any() or (
                np.nanmax(before[given_rows.slots == slot]) <= np.nanmax(kept)
            )


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([3.3], 3.3),
        ([3.3, 3.3, 3.9, 3.3], 3.9),
        ([3.3, 2.1, 3.3], 2.1),
        ([3.3, 3.4], 3.4),
        ([3.4, 3.3], 3.3),
        ([3.4, np.nan], 3.4),
        ([np.nan, np.nan], None),
    ],
)
def test_of_values_in_a_slot_the_rare_one_counts_and_of_equals_the_last(
    values: list[float], kept: float | None
) -> None:
    times = np.arange(len(values))
    rows = Slotted(np.zeros_like(times), times, np.array([values]))

    found, _ = one_a_time(rows, np.array([False]), apart=False)

    assert found.values.tolist() == [[kept]] or (kept is None and np.isnan(found.values).all())
