"""Alarms counted by rule."""

import msgspec

from schemas.results import AlarmRecord
from stream_app.reports.alarms import AlarmTally

RAISED = AlarmRecord(
    v=1,
    id="1",
    rule="GAP",
    state="raised",
    priority="low",
    site="s",
    block="b",
    input="1",
    enclosures=["E1", "E2"],
    time="2025-04-01T10:00:00.000Z",
    since="2025-04-01T10:00:00.000Z",
    value=1.0,
    limit=1.0,
    unit="s",
    message="",
)
CLEARED = msgspec.structs.replace(RAISED, id="2", state="cleared", time="2025-04-01T11:00:00.000Z")
OTHER = msgspec.structs.replace(RAISED, id="3", rule="CLOCK_SKEW", enclosures=["E3"])


def test_alarms_are_counted_by_rule_and_those_that_stand() -> None:
    tally = AlarmTally()
    tally.add_all([RAISED, OTHER, CLEARED])

    figures = [(c.rule, c.raised, c.standing, sorted(c.enclosures)) for c in tally.rows()]
    assert figures == [("CLOCK_SKEW", 1, 1, ["E3"]), ("GAP", 1, 0, ["E1", "E2"])]


def test_first_and_last_are_in_event_time_whatever_came_first() -> None:
    tally = AlarmTally()
    tally.add_all([CLEARED, RAISED])

    (gap,) = tally.rows()
    assert (gap.first, gap.last) == (RAISED.time, CLEARED.time)


def test_an_alarm_delivered_twice_counts_once() -> None:
    tally = AlarmTally()
    tally.add_all([RAISED, RAISED])
    tally.add_all([RAISED])

    assert tally.rows()[0].raised == 1
