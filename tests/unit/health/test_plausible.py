"""Which values of a state of charge can be true."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.health.plausible import Pace, Seen, believed
from tests.property.strategies import cuts

MINUTE = 60_000
PACE = Pace(at_once=30_000, an_hour=2_000_000, max_gap_ms=3 * MINUTE)


def kept(minutes: list[float], percent: list[float]) -> list[bool]:
    times = (np.array(minutes) * MINUTE).astype(np.int64)
    soc = (np.array(percent) * 10_000).astype(np.int64)
    return believed(Seen(), times, soc, PACE).tolist()


@pytest.mark.parametrize(
    ("minutes", "percent", "expected"),
    [
        ([0, 1, 2], [50, 53, 47], [True, True, True]),
        ([0, 1, 2], [50, 0, 50], [True, False, True]),
        ([0, 1, 2, 3], [50, 0, 0, 50], [True, False, False, True]),
        ([0, 1, 2, 3, 4], [50, 100, 0, 100, 50], [True, False, False, False, True]),
        ([0, 1, 2, 3], [50, 40, 40, 40], [True, False, False, True]),
        ([*range(20)], [50] + [0] * 19, [True, *[False] * 14, *[True] * 5]),
        ([0, 60, 61], [50, 80, 80], [True, False, True]),
        ([0, 60, 61, 62], [50, 0, 50, 50], [True, False, True, True]),
        ([0, 60, 61], [50, 51, 52], [True, True, True]),
    ],
    ids=[
        "what a battery can do",
        "one value that the next takes back",
        "two of them",
        "values all over the place",
        "a jump counts when there was time enough for it",
        "so does one from middle to empty",
        "after a gap two must agree",
        "a wrong first one after a gap",
        "after a gap without much change one will do",
    ],
)
def test_a_soc_is_believed_that_a_battery_could_have_reached(
    minutes: list[float], percent: list[float], expected: list[bool]
) -> None:
    assert kept(minutes, percent) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from((1000, MINUTE, 5 * MINUTE, 30 * MINUTE)), st.integers(0, 100)),
        max_size=30,
    ),
    st.data(),
)
def test_values_may_come_in_any_parts(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    times = np.cumsum([step for step, _ in steps], dtype=np.int64)
    soc = np.array([10_000 * each for _, each in steps], dtype=np.int64)
    whole, cut = Seen(), Seen()

    parts = data.draw(cuts(len(steps)))
    found = [believed(cut, times[part], soc[part], PACE).tolist() for part in parts]

    assert [*chain(*found)] == believed(whole, times, soc, PACE).tolist()
    assert cut == whole
