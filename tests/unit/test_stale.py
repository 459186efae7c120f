"""STALE_DATA of a battery: packs and systems whose rows stay away."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from schemas.topics import ALARMS
from stream_app.codec.battery_state import load_battery, save_battery
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery import Battery, BatteryRules, CellSamples, SystemSamples
from stream_app.core.battery_system import (
    BatteryState,
    SystemMessage,
    expected,
    fold_battery,
)
from stream_app.core.messages import EndOfData, Heartbeat
from stream_app.core.stale import Expected

START = 1_750_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
BATTERY = Battery(
    "north",
    "b1",
    "Europe/Berlin",
    {"1": 2, "2": 2},
    BatteryRules(MINUTE, 3 * MINUTE, stale_ms=10 * MINUTE),
    limits="none",
)
Told = tuple[str, str, float, float]


def cells(pack: str, *minutes: float) -> CellSamples:
    times = START + np.array([round(each * MINUTE) for each in minutes])
    return CellSamples(pack, times, np.full((times.size, 2), 3.3))


def system(*minutes: float) -> SystemSamples:
    times = START + np.array([round(each * MINUTE) for each in minutes])
    return SystemSamples(times, {"soc_ratio": np.full(times.size, 0.5)})


def at(minute: float) -> int:
    return START + round(minute * MINUTE)


def alarms(messages: Sequence[SystemMessage], state: BatteryState | None = None) -> list[Told]:
    """Whose, what, at which minute and after how many minutes."""
    return list(_alarms(messages, BatteryState() if state is None else state))


def _alarms(messages: Sequence[SystemMessage], state: BatteryState) -> Iterator[Told]:
    for message in messages:
        before = save_battery(state)
        outputs = fold_battery(state, [message])
        after = save_battery(state)
        changed = {part for part in after if before.get(part) != after[part]}
        assert changed <= outputs.touched
        assert save_battery(load_battery(after.get)) == after
        assert state.cells.battery is not None
        for each in encode_battery_outputs(state.cells.battery, outputs):
            if each.topic == ALARMS:
                alarm = msgspec.json.decode(each.value)
                assert (alarm["rule"], alarm["priority"]) == ("STALE_DATA", "high")
                yield (
                    each.key.decode().removeprefix("north/battery/"),
                    alarm["state"],
                    (each.time - START) / MINUTE,
                    alarm["value"] / 60,
                )


BEGUN = [BATTERY, cells("1", 0, 1), cells("2", 0, 1), system(0, 1)]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([cells("1", 11)], []),
        ([Heartbeat(at(11))], []),
        ([cells("1", 12)], [("b1/1", "raised", 11, 10), ("b1/1", "cleared", 12, 11)]),
        ([cells("1", 2, 3, 20, 21)], [("b1/1", "raised", 13, 10), ("b1/1", "cleared", 20, 17)]),
        ([system(60)], [("b1", "raised", 11, 10), ("b1", "cleared", 60, 59)]),
        (
            [cells("1", *range(2, 13)), system(*range(2, 13)), Heartbeat(at(12)), cells("2", 14)],
            [("b1/2", "raised", 11, 10), ("b1/2", "cleared", 14, 13)],
        ),
        (
            [Heartbeat(at(12)), Heartbeat(at(20)), EndOfData(at(21))],
            [(each, "raised", 11, 10) for each in ("b1/1", "b1/2", "b1")],
        ),
        (
            [cells("1", *range(2, 13)), system(*range(2, 13)), EndOfData(at(13))],
            [("b1/2", "raised", 11, 10)],
        ),
    ],
    ids=[
        "as long as it may be",
        "as long as it may be, by the clock",
        "told by the row that ends it",
        "between rows of one record",
        "the signals of the system",
        "told by a heartbeat, and others go on",
        "told once",
        "told by an end of data",
    ],
)
def test_a_silence_is_told_once_when_it_began_and_when_it_ended(
    messages: list[SystemMessage], told: list[Told]
) -> None:
    assert sorted(alarms([*BEGUN, *messages])) == sorted(told)


def test_heartbeats_only_make_it_known_sooner() -> None:
    rows = [cells("1", 20), cells("2", 30, 50), system(45)]
    beats: list[SystemMessage] = [Heartbeat(at(each)) for each in (5, 12, 16, 19)]

    assert sorted(alarms([*BEGUN, *beats, *rows])) == sorted(alarms([*BEGUN, *rows]))


def test_what_has_not_come_yet_is_not_silent() -> None:
    assert alarms([BATTERY, cells("1", 0, 1), Heartbeat(at(5)), cells("2", 6, 7)]) == []


def test_no_silence_is_told_that_is_not_longer_than_what_is_known_between_rows() -> None:
    rules = replace(BATTERY.rules, cells_gap_ms=HOUR, signal_gaps_ms={"soc_ratio": 2 * HOUR})
    slow = replace(BATTERY, rules=rules)

    found = alarms([slow, *BEGUN[1:], Heartbeat(at(100))])

    assert [(whose, minute) for whose, _, minute, _ in found] == [("b1/1", 61), ("b1/2", 61)]


def test_a_pack_that_leaves_is_silent_no_more() -> None:
    found = alarms([*BEGUN, Heartbeat(at(12)), replace(BATTERY, packs={"1": 2})])

    assert found[-1] == ("b1/2", "cleared", 11, 10)


def test_a_heartbeat_of_a_wrong_clock_is_refused() -> None:
    state = BatteryState()
    fold_battery(state, BEGUN)

    (refusal,) = fold_battery(state, [Heartbeat(at(0) + 8 * 24 * HOUR)]).refusals

    assert "7 days ahead" in refusal.reason
    assert not fold_battery(state, [cells("1", 2)]).cells.findings


@pytest.mark.parametrize(
    ("messages", "oldest"),
    [
        ([], 1),
        ([cells("1", 2), system(3)], 1),
        ([cells("1", 2), cells("2", 3), system(4)], 2),
        ([cells("1", 5), Heartbeat(at(12))], 5),
        ([Heartbeat(at(12))], None),
        ([EndOfData(at(2))], None),
    ],
    ids=["all alike", "one behind", "another", "told already", "all told", "ended"],
)
def test_a_battery_expects_rows_of_what_has_been_silent_for_longest(
    messages: list[SystemMessage], oldest: float | None
) -> None:
    state = BatteryState()
    fold_battery(state, [*BEGUN, *messages])

    found = expected(state)

    assert (found and found[1:]) == (None if oldest is None else (at(oldest), 10 * MINUTE))
    assert found is None or found.newest >= found.oldest
    assert isinstance(found, Expected | None)
