"""Rows are taken alike however a file is cut, and a slot keeps its last value."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.signals.admission import Admission, Refused, Slotted, joined, one_a_slot

INTERVAL_MS, SKEW_MS = 10, 100
TIMES = st.lists(st.one_of(st.integers(0, 400), st.integers(0, 100_000)), min_size=1, max_size=120)
STEADY = st.lists(st.integers(-3, 30), min_size=1, max_size=200)


def admitted(times: list[int], cuts: list[int]) -> tuple[list[int], list[float], Refused]:
    admission, refused = Admission(INTERVAL_MS, SKEW_MS), Refused()
    edges = [0, *sorted(cut % (len(times) + 1) for cut in cuts), len(times)]
    parts = []
    for low, high in pairwise(edges):
        rows = np.arange(low, high)
        values = rows[np.newaxis].astype(float)
        parts.append(admission.take(np.array(times[low:high], np.int64), values, rows, refused))
    admission.end(refused)
    whole = joined(parts, 1)
    return whole.slots.tolist(), whole.values[0].tolist(), refused


@settings(deadline=None)
@given(times=TIMES, cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_any_cut_gives_the_same_rows_and_refusals(times: list[int], cuts: list[int]) -> None:
    assert admitted(times, cuts) == admitted(times, [])


@settings(deadline=None)
@given(steps=STEADY, cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_any_cut_of_a_trembling_clock_gives_the_same(steps: list[int], cuts: list[int]) -> None:
    times = np.cumsum([1000, *steps]).tolist()

    assert admitted(times, cuts) == admitted(times, list(range(len(times))))


@settings(deadline=None)
@given(times=TIMES)
def test_every_row_is_taken_or_refused_once_and_slots_never_step_back(times: list[int]) -> None:
    slots, rows, refused = admitted(times, [])

    assert sorted([*rows, *(row for row, _ in refused.rows)]) == list(range(len(times)))
    assert slots == sorted(slots)
    for slot, row in zip(slots, rows, strict=True):
        assert -INTERVAL_MS / 2 <= times[int(row)] - slot < INTERVAL_MS / 2


SLOTS = st.lists(
    st.tuples(
        st.integers(0, 6), st.lists(st.sampled_from([np.nan, 1.0, 2.0]), min_size=2, max_size=2)
    ),
    max_size=20,
)


@settings(deadline=None)
@given(rows=SLOTS)
def test_each_column_of_a_slot_keeps_its_last_value(
    rows: list[tuple[int, list[float]]],
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    slots = np.array([slot for slot, _ in rows], np.int64)
    values = np.array([value for _, value in rows]).reshape(-1, 2).T

    found, shared = one_a_slot(Slotted(slots, values))

    last: dict[int, list[float]] = {}
    for slot, pair in rows:
        before = last.get(slot, [np.nan, np.nan])
        last[slot] = [old if np.isnan(new) else new for new, old in zip(pair, before, strict=True)]
    assert found.slots.tolist() == list(last)
    expected = np.array(list(last.values())).reshape(-1, 2).T
    assert np.array_equal(found.values, expected, equal_nan=True)
    assert shared == len(rows) - len(last)
