"""The quick way to admit a batch gives what the rule gives sample by sample."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.clock import Admitted, Clock, Samples, _Admission, admit, settle
from tests.property.strategies import HOUR, MINUTE

steps = st.one_of(
    st.sampled_from((MINUTE, 5 * MINUTE, -MINUTE, 0, 50 * MINUTE, 3 * HOUR, -3 * HOUR)),
    st.integers(-HOUR, 2 * HOUR),
)


def samples(times: list[int], first_power: int = 0) -> Samples:
    size = len(times)
    power = np.arange(first_power, first_power + size, dtype=np.float64)
    return Samples(np.array(times, dtype=np.int64), power, np.arange(size))


def seen(admitted: Admitted) -> tuple[object, ...]:
    """What a batch came to; of the rows that tell the same skew only the first counts."""
    skew = list(admitted.skew)
    news = [each for at, each in enumerate(skew) if not at or each[1] != skew[at - 1][1]]
    return (*(_columns(each) for each in (admitted.taken, admitted.late)), news)


def _columns(each: Samples) -> tuple[list[int], list[float], list[int]]:
    return each.times.tolist(), each.power.tolist(), each.rows.tolist()


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.lists(steps, max_size=12), st.booleans()), min_size=1, max_size=5),
    st.sampled_from((0, MINUTE, HOUR)),
    st.sampled_from((10 * MINUTE, HOUR)),
)
def test_a_batch_is_admitted_as_its_samples_are_one_by_one(
    batches: list[tuple[list[int], bool]], lateness_ms: int, skew_ms: int
) -> None:
    quick, plain = Clock(), Clock()
    time = 1_700_000_000_000
    for steps_of_batch, ends in batches:
        times = (time + np.cumsum(steps_of_batch, dtype=np.int64)).tolist()
        time = times[-1] if times else time

        admitted = admit(quick, samples(times), lateness_ms, skew_ms)

        expected = _Admission(plain, lateness_ms, skew_ms).run(samples(times))
        assert seen(admitted) == seen(expected)
        if ends:
            assert settle(quick, time) == settle(plain, time)
        assert quick == plain


@settings(max_examples=200)
@given(st.lists(steps, min_size=1, max_size=40), st.sampled_from((0, MINUTE)))
def test_every_sample_is_taken_or_late_or_set_aside(moves: list[int], lateness_ms: int) -> None:
    clock = Clock()
    times = (1_700_000_000_000 + np.cumsum(moves, dtype=np.int64)).tolist()

    admitted = admit(clock, samples(times), lateness_ms, HOUR)

    aside = [power for _, power in clock.ahead]
    powers = [*admitted.taken.power.tolist(), *admitted.late.power.tolist(), *aside]
    assert sorted(powers) == list(range(len(times)))
    released, given_up = settle(clock, max(times))
    assert sorted(power for _, power in [*released, *given_up]) == sorted(aside)
    assert clock.ahead == []


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, HOUR), min_size=1, max_size=40),
    st.integers(0, 39),
    st.integers(HOUR + 1, 400 * 24 * HOUR),
    st.integers(1, 7),
)
def test_one_wrong_timestamp_makes_no_good_sample_late(
    moves: list[int], place: int, ahead_ms: int, size: int
) -> None:
    times = (1_700_000_000_000 + np.cumsum(moves, dtype=np.int64)).tolist()
    before = times[: place + 1]
    wrong = before[-1] + ahead_ms
    arrivals = [*before, wrong, *times[place + 1 :]]
    clock = Clock()

    late = [
        time
        for first in range(0, len(arrivals), size)
        for time in admit(
            clock, samples(arrivals[first : first + size]), 0, HOUR
        ).late.times.tolist()
    ]

    assert set(late) <= {wrong}
