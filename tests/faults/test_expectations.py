"""What is demanded of workers, and of their speed, can fail."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.checker import alive
from tests.faults.expectations import (
    FENCED,
    SHUT_OUT,
    Expectation,
    Trace,
    frozen_ones_are_shut_out,
    one_chunk_again,
    one_is_shut_out,
    stops_within,
)
from tests.faults.failpoints import FailPoint
from tests.faults.fleet import START_S, Fleet, Life
from tests.faults.folds import Fold
from tests.faults.kinds import FAULTS

FREEZE = FailPoint("commit", "before", 1, "stop")
KILL = FailPoint("commit", "before")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "told").write_text(f'{{"remedy": "nothing: {SHUT_OUT}"}}')
    (tmp_path / "silent").write_text('{"event": "ready"}')
    return tmp_path


@pytest.mark.parametrize("expectation", [one_is_shut_out, frozen_ones_are_shut_out])
@pytest.mark.parametrize(
    ("status", "log", "right"),
    [(FENCED, "told", True), (FENCED, "silent", False), (0, "told", False), (-9, "silent", False)],
)
def test_who_is_shut_out_ends_with_70_and_says_so(
    logs: Path, expectation: Expectation, status: int, log: str, right: bool
) -> None:
    life = Life(0, status, 9.0, FREEZE, fired=True, log=logs / log)

    assert (expectation(Trace([life])) == []) is right


@pytest.mark.parametrize("expectation", [one_is_shut_out, frozen_ones_are_shut_out])
def test_a_zombie_that_lives_on_is_seen(expectation: Expectation) -> None:
    assert expectation(Trace([]))


@pytest.mark.parametrize(("point", "fired"), [(KILL, True), (FREEZE, False), (None, False)])
def test_another_worker_s_end_says_nothing_of_the_frozen_one(
    logs: Path, point: FailPoint | None, fired: bool
) -> None:
    life = Life(0, FENCED, 9.0, point, fired, log=logs / "told")

    assert frozen_ones_are_shut_out(Trace([life]))


@pytest.mark.parametrize(
    ("begun", "right"),
    [
        ([(0, 0), (1, 0), (0, 25), (0, 25), (1, 0), (0, 50)], True),
        ([(0, 0), (0, 25), (0, 50), (0, 25)], False),
        ([(1, 75), (0, 0), (1, 0)], False),
        ([], False),
    ],
)
def test_more_than_the_chunk_in_work_folded_again_is_seen(
    begun: list[tuple[int, int]], right: bool
) -> None:
    folds = [Fold(time, *where) for time, where in enumerate(begun)]

    assert (one_chunk_again(Trace([], folds=folds)) == []) is right


@pytest.mark.parametrize(
    ("stops", "slowness", "violations"),
    [([3.0, 9.9], 1.0, 0), ([3.0, 10.1], 1.0, 1), ([10.1], 1.5, 0), ([15.1], 1.5, 1), ([], 1.0, 1)],
)
def test_workers_stop_in_time_or_later_on_a_slow_machine(
    stops: list[float], slowness: float, violations: int
) -> None:
    assert len(stops_within(10)(Trace([], stops, slowness))) == violations


@pytest.mark.parametrize(
    ("start_ups", "slowness"),
    [([], 1.0), ([START_S / 2], 1.0), ([START_S, 3 * START_S, 99.0], 3.0)],
)
def test_a_machine_is_as_slow_as_it_starts_workers(
    tmp_path: Path, start_ups: list[float], slowness: float
) -> None:
    fleet = Fleet({}, tmp_path, Random(1), start_ups=start_ups)

    assert fleet.slowness == slowness


@pytest.mark.parametrize(
    ("number", "bound_s"), [("F1", 20), ("F3", 20), ("F4", 30), ("F5", 20), ("F6", 20), ("F11", 20)]
)
def test_a_pause_beyond_the_bound_of_the_matrix_is_seen(number: str, bound_s: float) -> None:
    for fault in (each for each in FAULTS.values() if each.number == number):
        assert alive(bound_s + 0.1, fault.bound_s)
