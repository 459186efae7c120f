"""Each rule: it raises, it clears, and where it stays silent."""

import pytest

from stream_app.core.messages import EndOfData, Heartbeat, Message
from stream_app.core.topology import Rules
from tests.unit.blocks import MINUTE, NAN, START, Plant, block, power, told

RULES = Rules(
    max_gap_ms=45 * MINUTE,
    skew_ms=120 * MINUTE,
    stale_ms=30 * MINUTE,
    frozen_ms=40 * MINUTE,
    rating_w=1_000_000,
)
Told = list[tuple[str, str, str, float]]

CASES: list[tuple[str, list[Message], Told]] = [
    ("steady samples", [power([0, 15, 30], i1=[1, 2, 3], i2=[1, 2, 3])], []),
    (
        "a gap is raised where the known time ends and cleared where it begins again",
        [power([0, 60, 75], i1=[1, 2, 3])],
        [("1", "GAP", "raised", 45), ("1", "GAP", "cleared", 60)],
    ),
    ("an interval of max_gap is no gap", [power([0, 45], i1=[1, 2])], []),
    (
        "a value missing in between is no gap if its neighbours are near",
        [power([0, 15, 30], i1=[1, NAN, 3])],
        [],
    ),
    (
        "power beyond the rating, either sign, until it is back",
        [power([0, 15, 30, 45], i1=[900, 1001, -1200, 1000])],
        [("1", "POWER_OUTSIDE_RATING", "raised", 15), ("1", "POWER_OUTSIDE_RATING", "cleared", 45)],
    ),
    ("power at the rating", [power([0, 15], i1=[1000, -1000])], []),
    (
        "one value for frozen_ms, until it changes",
        [power([0, 15, 30, 40, 55], i1=[5, 5, 5, 5, 6])],
        [("1", "FROZEN_VALUE", "raised", 40), ("1", "FROZEN_VALUE", "cleared", 55)],
    ),
    ("zero is idle, not frozen", [power([0, 15, 30, 45, 60], i1=[0, 0, 0, 0, 0])], []),
    ("a value that returns is not frozen", [power([0, 20, 30, 50], i1=[5, 6, 5, 5])], []),
    (
        "one input silent while the other goes on",
        [
            power([-15, 0], i1=[1, 2], i2=[1, 2]),
            power([15, 30, 45, 60], i1=[2, 3, 4, 5], i2=[NAN, NAN, NAN, 5]),
        ],
        [
            ("2", "STALE_DATA", "raised", 30),
            ("2", "GAP", "raised", 45),
            ("2", "STALE_DATA", "cleared", 60),
            ("2", "GAP", "cleared", 60),
        ],
    ),
    (
        "silence of the whole block is told by its heartbeats",
        [
            power([-15, 0], i1=[1, 2], i2=[1, 2]),
            Heartbeat(START + 31 * MINUTE),
            power([32], i1=[1], i2=[1]),
        ],
        [
            ("1", "STALE_DATA", "raised", 30),
            ("2", "STALE_DATA", "raised", 30),
            ("1", "STALE_DATA", "cleared", 32),
            ("2", "STALE_DATA", "cleared", 32),
        ],
    ),
    (
        "silence as long as stale_ms",
        [power([-15, 0], i1=[1, 2]), Heartbeat(START + 30 * MINUTE)],
        [],
    ),
    (
        "a first sample that none has confirmed is not silence",
        [power([0], i1=[1]), Heartbeat(START + 31 * MINUTE)],
        [],
    ),
    (
        "an input that never spoke is not stale",
        [power([0, 15, 300, 315], i2=[1, 2, 3, 4])],
        [("2", "GAP", "raised", 60), ("2", "GAP", "cleared", 300)],
    ),
    (
        "one timestamp far ahead is told when the next is not, until the clock passes it",
        [power([0, 15, 200, 30, 75, 120, 165, 195, 210], i1=[1, 2, 3, 4, 5, 6, 7, 8, 9])],
        [
            ("1", "CLOCK_SKEW", "raised", 30),
            ("1", "CLOCK_SKEW", "cleared", 210),
        ],
    ),
    (
        "a source that resumes after an outage has a gap, not a wrong clock",
        [power([0, 15, 900, 915], i1=[1, 2, 3, 4])],
        [("1", "GAP", "raised", 60), ("1", "GAP", "cleared", 900)],
    ),
]


@pytest.mark.parametrize(
    ("messages", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_conditions_are_told_in_event_time(messages: list[Message], expected: Told) -> None:
    plant = Plant(block(RULES))

    assert sorted(told(plant.feed(*messages))) == sorted(expected)


def test_without_a_rating_no_power_is_outside_it() -> None:
    assert told(Plant(block(Rules())).feed(power([0, 15], i1=[1e6, -1e6]))) == []


def test_a_condition_goes_on_over_batches_and_is_told_once() -> None:
    plant = Plant(block(RULES))

    tells = [told(plant.feed(power([at], i1=[kw]))) for at, kw in ((0, 5), (15, 2e3), (30, 3e3))]
    end = told(plant.feed(power([45], i1=[1])))

    assert tells == [[], [("1", "POWER_OUTSIDE_RATING", "raised", 15)], []]
    assert end == [("1", "POWER_OUTSIDE_RATING", "cleared", 45)]


def test_a_condition_knows_when_it_began() -> None:
    plant = Plant(block(RULES))

    raised, cleared = plant.feed(power([0, 15, 30, 45], i1=[1, 2000, 3000, 1])).findings

    assert (raised.transition.since, raised.transition.value) == (raised.transition.time, 2e6)
    assert cleared.transition.since == raised.transition.time
    assert cleared.enclosures == ("A1", "A2")


def test_conditions_of_samples_that_wait_are_told_when_they_settle() -> None:
    rules = Rules(lateness_ms=30 * MINUTE, rating_w=1000)
    plant = Plant(block(rules))

    waiting = told(plant.feed(power([0, 15], i1=[0.5, 9])))
    settled = told(plant.feed(EndOfData(START + 20 * MINUTE)))

    assert waiting == []
    assert settled == [("1", "POWER_OUTSIDE_RATING", "raised", 15)]
