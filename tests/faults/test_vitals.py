"""I10 against charts that are not flat."""

from collections.abc import Callable

import pytest

from tests.faults.vitals import LONG_S, WARM_S, Vitals, flat, growth_per_h

MB = 1 << 20
LIFE_S = int(WARM_S + LONG_S) + 60


def chart(at: Callable[[float], Vitals], life_s: int = LIFE_S) -> dict[int, list[Vitals]]:
    return {7: [at(float(second)) for second in range(0, life_s, 2)]}


def steady(second: float) -> Vitals:
    return Vitals(second, 100 * MB, 20, 4)


def warming(second: float) -> Vitals:
    return Vitals(second, int(min(second, WARM_S) * MB / 10) + 100 * MB, 20, 4)


def after_two_outages(second: float) -> Vitals:
    return Vitals(second, (100 + 10 * (second > 200) + 10 * (second > 450)) * MB, 20, 4)


@pytest.mark.parametrize("at", [steady, warming, after_two_outages])
def test_a_worker_that_stays_as_it_is_once_warm_is_flat(at: Callable[[float], Vitals]) -> None:
    assert flat(chart(at)) == []


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (lambda s: Vitals(s, int(100 * MB + s * MB / 60), 20, 4), "grows by 60 MB an hour"),
        (lambda s: Vitals(s, 500 * MB, 20, 4), "came to 500 MB"),
        (lambda s: Vitals(s, 100 * MB, 20 + int(s / 5), 4), "open files"),
        (lambda s: Vitals(s, 100 * MB, 20, 4 + int(s / 10)), "threads"),
    ],
)
def test_what_grows_is_told(at: Callable[[float], Vitals], words: str) -> None:
    (told,) = flat(chart(at))

    assert words in told


def test_a_short_life_has_no_slope_but_must_not_grow_by_much() -> None:
    short = chart(lambda s: Vitals(s, int(100 * MB + s * MB / 4), 20, 4), life_s=int(WARM_S) + 120)

    assert growth_per_h(short[7]) is None
    assert flat(short) == ["worker 7 went from 115 to 144 MB"]
