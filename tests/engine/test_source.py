"""What is made of offsets that are missing, deleted, or too many."""

import pytest
from faust.types import TP

from stream_app.engine.position import mark_of
from stream_app.engine.source import Gaps, SuspendedError, check_mark, check_source, lost

TELEMETRY = TP("bess.telemetry.v1", 3)


@pytest.mark.parametrize(
    ("expected", "first_kept", "found", "gone"),
    [
        (10, 0, 10, 0),
        (10, 0, 30, 0),
        (10, 25, 25, 15),
        (10, 25, 30, 15),
        (10, 10, 40, 0),
    ],
    ids=["no gap", "aborted records", "deleted", "deleted, then a marker", "all still there"],
)
def test_only_what_the_broker_deleted_is_lost(
    expected: int, first_kept: int, found: int, gone: int
) -> None:
    assert lost(expected, first_kept, found) == gone


def test_a_gap_is_read_once_more_and_then_believed() -> None:
    gaps = Gaps()

    asked = [gaps.is_new(TELEMETRY, 10, found) for found in (10, 11, 12, 12)]

    assert asked == [False, False, True, False]


def test_another_gap_is_another_question() -> None:
    gaps = Gaps()

    assert gaps.is_new(TELEMETRY, 10, 15)
    assert gaps.is_new(TELEMETRY, 20, 25)


def test_a_topic_that_ends_before_the_state_suspends_its_partition_and_names_the_way_out() -> None:
    with pytest.raises(SuspendedError, match="bess state realign --partition 3"):
        check_source(TELEMETRY, folded=500, end=20, committed=500)


@pytest.mark.parametrize(
    ("folded", "committed", "warned"),
    [(None, None, False), (7, 7, False), (7, None, False), (9, 7, True), (None, 0, False)],
)
def test_offsets_that_differ_are_told(
    folded: int | None, committed: int | None, warned: bool
) -> None:
    assert bool(check_source(TELEMETRY, folded, 100, committed)) is warned


@pytest.mark.parametrize("folded", [None, 7])
def test_a_state_that_lacks_what_the_group_has_done_suspends_its_partition(
    folded: int | None,
) -> None:
    with pytest.raises(
        SuspendedError, match=r"state behind group: 9 .* know of [07]; .* --to start"
    ):
        check_source(TELEMETRY, folded, 100, 9)


@pytest.mark.parametrize("found", [None, (6, 1), (6, 2)])
def test_another_record_where_the_newest_one_was_folded_suspends_its_partition(
    found: tuple[int, int] | None,
) -> None:
    mark = mark_of(6, b"key", b"value")

    check_mark(TELEMETRY, mark, mark)
    with pytest.raises(SuspendedError, match="another source: offset 6"):
        check_mark(TELEMETRY, mark, found)
