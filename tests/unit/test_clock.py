"""The event clock of one input: taken, late, set aside."""

from dataclasses import dataclass

import numpy as np
import pytest

from stream_app.core.clock import QUARANTINE_LIMIT, Clock, Samples, admit, settle, witnessed

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_743_465_600_000


@dataclass
class Seen:
    """Minutes since START of the samples that were taken, late and set aside."""

    taken: list[float]
    late: list[float]
    aside: list[float]


def feed(clock: Clock, *minutes: float, lateness_min: int = 0, skew_min: int = 60) -> Seen:
    times = (START + np.array(minutes) * MINUTE).astype(np.int64)
    samples = Samples(times, np.zeros(times.size), np.arange(times.size))
    admitted = admit(clock, samples, lateness_min * MINUTE, skew_min * MINUTE)
    return Seen(since(admitted.taken.times), since(admitted.late.times), aside(clock))


def since(times: np.ndarray) -> list[float]:
    return [(time - START) / MINUTE for time in times.tolist()]


def aside(clock: Clock) -> list[float]:
    return [(time - START) / MINUTE for time, _ in clock.ahead]


@pytest.mark.parametrize(
    ("lateness_min", "minutes", "taken", "late"),
    [
        (0, (0, 15, 30), [0, 15, 30], []),
        (0, (0, 15, 15), [0, 15], [15]),
        (0, (0, 30, 15), [0, 30], [15]),
        (20, (0, 30, 15), [0, 30, 15], []),
        (20, (0, 30, 10), [0, 30], [10]),
        (20, (0, 30, 11), [0, 30, 11], []),
        (20, (30, 31, 12, 11), [30, 31, 12], [11]),
        (0, (), [], []),
        (0, (7,), [], []),
    ],
)
def test_a_sample_is_too_late_when_the_clock_is_past_it_by_the_lateness(
    lateness_min: int, minutes: tuple[float, ...], taken: list[float], late: list[float]
) -> None:
    seen = feed(Clock(), *minutes, lateness_min=lateness_min)

    assert (seen.taken, seen.late) == (taken, late)


def test_one_timestamp_far_ahead_moves_no_clock() -> None:
    clock = Clock()

    seen = feed(clock, 0, 15, 600_000, 30, 45)

    assert seen == Seen([0, 15, 30, 45], [], [600_000])
    assert clock.now == START + 45 * MINUTE


def test_a_source_that_resumes_after_an_outage_is_followed_from_its_second_sample() -> None:
    clock = Clock()
    feed(clock, 0, 15)

    first = feed(clock, 6000)
    second = feed(clock, 6015)

    assert first == Seen([], [], [6000])
    assert second == Seen([6000, 6015], [], [])


def test_an_outage_inside_a_block_loses_nothing() -> None:
    assert feed(Clock(), 0, 15, 6000, 6015, 6030).taken == [0, 15, 6000, 6015, 6030]


def test_two_wrong_timestamps_far_from_each_other_confirm_nothing() -> None:
    assert feed(Clock(), 0, 6000, 60_000, 15) == Seen([0, 15], [], [6000, 60_000])


def test_a_sample_set_aside_makes_no_other_late_and_is_taken_in_its_place() -> None:
    clock = Clock()
    feed(clock, -15, 0, 90)

    before = feed(clock, 15, 30, 45, 60, 75)
    after = feed(clock, 105)

    assert before == Seen([15, 30, 45, 60, 75], [], [90])
    assert after == Seen([90, 105], [], [])


def test_of_two_samples_for_one_time_the_one_that_was_set_aside_is_late() -> None:
    seen = feed(Clock(), 0, 90, 45, 90, 105)

    assert seen == Seen([0, 45, 90, 105], [90], [])


def test_what_was_set_aside_before_a_jump_that_passes_it_is_not_lost() -> None:
    seen = feed(Clock(), 0, 15, 6000, 60_000, 60_015)

    assert seen == Seen([0, 15, 6000, 60_000, 60_015], [], [])


def test_a_jump_as_long_as_the_skew_is_no_jump() -> None:
    assert feed(Clock(), 0, 60, 120).taken == [0, 60, 120]


def test_the_oldest_set_aside_is_given_up_when_there_are_too_many() -> None:
    far = [1000 * each for each in range(10, 10 + QUARANTINE_LIMIT + 2)]

    seen = feed(Clock(), 0, 15, *far)

    assert seen.late == [10_000, 11_000]
    assert len(seen.aside) == QUARANTINE_LIMIT


def test_a_block_after_a_wrong_timestamp_tells_the_skew_once() -> None:
    clock = Clock()
    feed(clock, 0, 1, 600_000)
    samples = Samples(START + np.arange(2, 5) * MINUTE, np.zeros(3), np.array([4, 5, 6]))

    admitted = admit(clock, samples, 0, HOUR)

    assert admitted.skew == [(4, START + 600_000 * MINUTE)]
    assert aside(clock) == [600_000]


def test_the_end_of_data_settles_all_before_it() -> None:
    clock = Clock()
    feed(clock, 0, 15, 6000, lateness_min=30)

    released, given_up = settle(clock, START + 7000 * MINUTE)

    assert [time - START for time, _ in released] == [6000 * MINUTE]
    assert given_up == []
    assert feed(clock, 6990, 7000, 7001, 7002) == Seen([7001, 7002], [6990, 7000], [])


def test_an_end_of_data_in_the_past_opens_nothing_again() -> None:
    clock = Clock()
    feed(clock, 0, 15, 30)

    settle(clock, START)

    assert feed(clock, 20, 31) == Seen([31], [20], [])


def test_late_samples_after_an_end_of_data_do_not_lead_the_clock_to_a_wrong_one() -> None:
    clock = Clock()
    feed(clock, -15, 0)
    settle(clock, START + 500 * MINUTE)

    seen = feed(clock, *range(50, 501, 50), 550, skew_min=60)

    assert seen == Seen([], list(range(50, 501, 50)), [550])


YEARS = 365 * 24 * 60
"""Minutes; from 2025 far enough for any wrong clock."""


@pytest.mark.parametrize(
    ("minutes", "seen"),
    [
        ((7,), Seen([], [], [7])),
        ((0, 15), Seen([0, 15], [], [])),
        ((0, 60), Seen([0, 60], [], [])),
        ((0, 61), Seen([], [], [0, 61])),
        ((15, 0), Seen([15], [0], [])),
        ((0, 0, 15), Seen([0, 15], [0], [])),
        ((70 * YEARS, 0, 15, 30), Seen([0, 15, 30], [], [70 * YEARS])),
        ((-45 * YEARS, 0, 15, 30), Seen([0, 15, 30], [-45 * YEARS], [])),
        ((-45 * YEARS, 70 * YEARS, 0, 15), Seen([0, 15], [-45 * YEARS], [70 * YEARS])),
        ((0, 600, 615), Seen([0, 600, 615], [], [])),
        ((0, 1441 * 2, 1441 * 2 + 15), Seen([1441 * 2, 1441 * 2 + 15], [0], [])),
        ((100, 0, 15, 85, 101), Seen([0, 15, 85, 100, 101], [], [])),
    ],
    ids=[
        "one sample waits",
        "a second confirms it",
        "as far as the skew",
        "further apart they contradict each other",
        "out of order, the first to come starts the clock",
        "a double confirms nothing",
        "a first of 2095",
        "a first of 1980",
        "one of each",
        "a lone sample of the same day is kept",
        "a lone sample of days before is late",
        "what is ahead waits for the clock",
    ],
)
def test_two_samples_that_agree_start_the_clock(minutes: tuple[float, ...], seen: Seen) -> None:
    one_by_one = Clock()
    apart = [feed(one_by_one, each) for each in minutes]

    assert feed(Clock(), *minutes) == seen
    assert [each for part in apart for each in part.taken] == seen.taken
    assert [each for part in apart for each in part.late] == seen.late
    assert aside(one_by_one) == seen.aside


def test_samples_that_never_agree_are_held_up_to_a_limit() -> None:
    clock = Clock()
    lonely = [1000 * each for each in range(QUARANTINE_LIMIT + 2)]

    seen = feed(clock, *lonely)

    assert seen == Seen([], [0, 1000], lonely[2:])
    assert clock.now is None


@pytest.mark.parametrize(
    ("held", "end", "released", "given_up", "left"),
    [
        ((7,), 8, [7], [], []),
        ((7,), 7, [], [], [7]),
        ((-45 * YEARS, 7), 8, [7], [-45 * YEARS], []),
        ((70 * YEARS, 7), 8, [7], [], [70 * YEARS]),
    ],
    ids=["a file of one sample", "after the end", "against a first of 1980", "of 2095"],
)
def test_the_end_of_data_confirms_the_newest_sample_before_it(
    held: tuple[float, ...],
    end: float,
    released: list[float],
    given_up: list[float],
    left: list[float],
) -> None:
    clock = Clock()
    feed(clock, *held)

    parts = settle(clock, int(START + end * MINUTE) - 1)

    assert [[(time - START) / MINUTE for time, _ in part] for part in parts] == [released, given_up]
    assert aside(clock) == left


def test_an_end_of_data_is_witnessed_by_the_clock_and_what_was_held_shortly_before_it() -> None:
    clock = Clock()
    feed(clock, 0, 15, 600, 70 * YEARS)

    def newest(end: float) -> float:
        time = witnessed(clock, int(START + end * MINUTE), 24 * HOUR)
        assert time is not None
        return (time - START) / MINUTE

    assert [newest(end) for end in (16, 601, 600 + 1441, 71 * YEARS)] == [15, 600, 15, 15]
    assert witnessed(Clock(), START, 24 * HOUR) is None
