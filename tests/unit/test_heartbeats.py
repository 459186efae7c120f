"""Which blocks need a heartbeat, by the wall clock."""

import pytest

from stream_app.core.messages import EndOfData, Heartbeat, Message
from stream_app.core.stale import Expected
from stream_app.core.topology import Rules
from stream_app.heartbeats import due
from tests.unit.blocks import MINUTE, NAN, START, Plant, block, power

STALE_MS = 30 * MINUTE
SPOKEN = power([0, 15], i1=[1, 1], i2=[1, NAN])


@pytest.mark.parametrize(
    ("minutes", "is_due"),
    [(-1, False), (15, False), (15.01, True), (60, True), (24 * 60, True), (24 * 60.1, False)],
    ids=["of the future", "half of the limit", "above it", "stale", "a day", "not live any more"],
)
def test_a_live_block_needs_a_heartbeat_when_half_of_its_limit_is_over(
    minutes: float, is_due: bool
) -> None:
    now = START + int(minutes * MINUTE)

    assert due({"north/1": Expected(START, START, STALE_MS)}, now) == (
        ["north/1"] if is_due else []
    )


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], None),
        ([power([0], i1=[1])], None),
        ([SPOKEN], START + 15 * MINUTE),
        ([SPOKEN, EndOfData(START + 30 * MINUTE)], None),
        (
            [SPOKEN, EndOfData(START + 30 * MINUTE), power([45], i1=[1])],
            START + 45 * MINUTE,
        ),
        ([SPOKEN, Heartbeat(START + 40 * MINUTE)], START + 15 * MINUTE),
        ([SPOKEN, Heartbeat(START + 46 * MINUTE)], None),
    ],
    ids=[
        "no samples",
        "one that none has confirmed",
        "samples",
        "an end of data",
        "samples after it",
        "silent, and not told yet",
        "told silent",
    ],
)
def test_a_block_expects_samples_until_they_end_or_are_told_missing(
    messages: list[Message], expected: int | None
) -> None:
    plant = Plant(block(Rules(stale_ms=STALE_MS)))

    plant.feed(*messages)

    found = plant.state.expects
    assert found == (None if expected is None else Expected(expected, expected, STALE_MS))


def test_a_live_battery_needs_one_for_the_pack_that_has_been_silent() -> None:
    """Others that go on do not tell of it: a record of a pack may hold hours."""
    now = START + 16 * MINUTE

    assert due({"a": Expected(now, START, STALE_MS), "b": Expected(now, now, STALE_MS)}, now) == [
        "a"
    ]
