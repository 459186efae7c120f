"""When a worker says that only a restart can help."""

import pytest

from stream_app.health import LOOP_S, STUCK_S, Progress, waiting


def test_a_worker_that_moves_is_well() -> None:
    progress = Progress()

    for second in range(0, 1000, 2):
        progress.beat(second, {3: second // 2})
        assert progress.fault(second + 1) is None


def test_a_partition_that_stands_while_records_wait_is_named() -> None:
    progress = Progress()
    for second in range(0, int(STUCK_S) + 10, 2):
        progress.beat(second, {3: second, 5: 41})

    assert progress.fault(STUCK_S + 8) == "partition 5 stands at offset 41 for 188 s"


def test_a_partition_that_has_nothing_to_do_may_stand() -> None:
    progress = Progress()
    progress.beat(0, {5: 41})
    progress.beat(2, {})
    progress.beat(1000, {5: 41})

    assert progress.fault(1001) is None


@pytest.mark.parametrize(("late", "well"), [(LOOP_S - 1, True), (LOOP_S + 1, False)])
def test_an_event_loop_that_no_longer_beats_is_noticed(late: float, well: bool) -> None:
    progress = Progress()
    progress.beat(0, {})

    assert (progress.fault(late) is None) is well


def test_a_worker_that_has_not_begun_is_not_stuck() -> None:
    assert Progress().fault(1e6) is None


@pytest.mark.parametrize(
    ("first", "end", "done", "lag"),
    [
        (0, 300, 100, 200),
        (0, 300, None, 300),
        (50, 300, None, 250),
        (50, 300, 20, 250),
        (0, 60, 500, 60),
        (0, 101, 100, 0),
    ],
    ids=["behind", "never folded", "deleted", "deleted unread", "made anew", "a marker"],
)
def test_what_waits_in_a_partition_that_nobody_folds(
    first: int, end: int, done: int | None, lag: int
) -> None:
    assert waiting(first, end, done) == lag
