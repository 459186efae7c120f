"""Energy counters: which readings count, what a fall means."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.counters import MOST_W, Counter, Step, standing
from stream_app.core.counters import read as read_within
from stream_app.core.energy import Ints
from tests.property.strategies import cuts

readings = st.lists(st.integers(0, 8), min_size=1, max_size=25)


def read(counter: Counter, times: Ints, values: Ints) -> list[Step]:
    """Take readings of a meter of which nothing is known."""
    return read_within(counter, times, values, np.full(times.size, MOST_W))


def taken(values: Sequence[int]) -> tuple[list[Step], Counter]:
    """One reading a second, from 1 s on."""
    counter = Counter()
    times = np.arange(1, len(values) + 1, dtype=np.int64) * 1000
    return read(counter, times, np.array(values, dtype=np.int64)), counter


@pytest.mark.parametrize(
    ("values", "energy", "resets", "glitches"),
    [
        ((5,), 0, 0, 0),
        ((5, 7), 2, 0, 0),
        ((5, 7, 7, 9), 4, 0, 0),
        ((5, 7, 9, 3), 4, 0, 0),
        ((5, 7, 9, 3, 3, 3), 4, 0, 0),
        ((50, 70, 90, 3, 4, 6), 43, 1, 0),
        ((50, 70, 90, 3, 2, 4, 6), 44, 1, 0),
        ((50, 70, 90, 0, 95, 96), 46, 0, 1),
        ((50, 70, 90, 0, 90, 96), 46, 0, 1),
        ((50, 70, 90, 0, 0, 91), 41, 0, 1),
        ((50, 70, 9999, 71, 72), 22, 0, 1),
        ((50, 70, 9999, 70, 72), 22, 0, 1),
        ((50, 70, 5, 6, 70, 71), 20 + 66, 1, 0),
    ],
    ids=[
        "one reading tells nothing",
        "the newest reading stands",
        "standing still is no fall",
        "a fall alone says nothing yet",
        "nor does staying down",
        "a second reading that rises makes it a reset",
        "it rises from the lowest",
        "a counter that comes back had a glitch",
        "also to where it was",
        "a glitch may last",
        "a reading above all others is a glitch, and its energy does not count",
        "also where the counter stood still",
        "a reset counts what rises from there",
    ],
)
def test_energy_is_what_the_believed_readings_rose(
    values: tuple[int, ...], energy: int, resets: int, glitches: int
) -> None:
    steps, counter = taken(values)
    last = standing(counter, MOST_W)

    kinds = [step.kind for step in steps]
    assert sum(step.energy for step in steps) + (last.energy if last else 0) == energy
    assert (kinds.count("reset"), kinds.count("glitch")) == (resets, glitches)


@given(readings)
def test_energy_is_never_negative_and_its_intervals_rise(values: list[int]) -> None:
    steps, _ = taken(values)

    energy = [step for step in steps if step.kind == "energy"]
    assert all(step.energy >= 0 and step.since < step.until <= step.shown for step in energy)
    assert all(a.until <= b.since for a, b in pairwise(energy))


@given(readings)
def test_a_counter_that_only_rises_counts_from_first_to_last(values: list[int]) -> None:
    rising = sorted(values)
    steps, counter = taken(rising)
    last = standing(counter, MOST_W)

    total = sum(step.energy for step in steps) + (last.energy if last else 0)
    assert total == rising[-1] - rising[0]


@given(readings, st.data())
def test_readings_may_come_in_any_parts(values: list[int], data: st.DataObject) -> None:
    expected, whole = taken(values)
    counter = Counter()
    times = np.arange(1, len(values) + 1, dtype=np.int64) * 1000

    steps: list[Step] = []
    for part in data.draw(cuts(len(values))):
        steps += read(counter, times[part], np.array(values[part], dtype=np.int64))

    assert steps == expected
    assert counter == whole
