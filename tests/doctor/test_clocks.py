from collections.abc import Callable

import numpy as np
import pytest

from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.messages import Configure, PowerSamples
from stream_app.doctor.clocks import AHEAD_S, Newest, check_clocks, newest
from stream_app.doctor.facts import EventClock
from stream_app.families import family_of
from stream_app.keys import part
from tests.fleet_station import block

START_MS = 1_700_006_400_000
YEAR_MS = 31_536_000_000
PRESENT = START_MS + 60_000 * np.arange(3)
WRONG = PRESENT[:2] + YEAR_MS


def kept(key: str, *messages: object) -> dict[bytes, bytes]:
    """The state of a key as it stands in Redis, after the messages."""
    family = family_of(key)
    state = family.load({}.get)
    family.fold(state, messages)
    saved = family.save(state, None)
    return {f"energy|{key}".encode() + part(*name): data for name, data in saved.items()}


def power(times: np.ndarray, name: str) -> PowerSamples:
    return PowerSamples(times, {name: np.full(times.size, 5e3)})


def cells(times: np.ndarray, pack: str) -> CellSamples:
    return CellSamples(pack, times, np.full((times.size, 4), 3.3), np.full((times.size, 4), 25.0))


def signals(times: np.ndarray) -> SystemSamples:
    return SystemSamples(times, {"soc_ratio": np.full(times.size, 0.5)})


def meter(times: np.ndarray) -> MeterSamples:
    return MeterSamples(times, {"power_w": np.full(times.size, 1e5)})


BATTERY = Battery("north", "bess1", "UTC", {"1": 4, "2": 4})
CASES: dict[str, tuple[str, list[object], Callable[[np.ndarray], object], str]] = {
    "a DC input": (
        "north/INV-1",
        [Configure(block()), power(PRESENT, "DC1"), power(PRESENT, "DC2")],
        lambda times: power(times, "DC2"),
        "DC input DC2",
    ),
    "a pack": (
        "north/battery/bess1",
        [BATTERY, cells(PRESENT, "1"), cells(PRESENT, "2"), signals(PRESENT)],
        lambda times: cells(times, "2"),
        "pack 2",
    ),
    "the signals of a battery": (
        "north/battery/bess1",
        [BATTERY, cells(PRESENT, "1"), signals(PRESENT)],
        signals,
        "signals",
    ),
    "a meter": (
        "north/meter/m1",
        [MeterPoint("north", "m1", "UTC"), meter(PRESENT)],
        meter,
        "rows",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_two_rows_a_year_ahead_are_seen_in_the_states_whosever_clock_they_carry(name: str) -> None:
    key, present, wrong, of = CASES[name]

    assert newest(kept(key, *present, wrong(WRONG))) == {key: Newest(int(WRONG[-1]), of)}


@pytest.mark.parametrize("name", CASES)
def test_one_row_a_year_ahead_carries_no_clock(name: str) -> None:
    key, present, wrong, _ = CASES[name]

    assert newest(kept(key, *present, wrong(WRONG[:1])))[key].time == PRESENT[-1]


def test_states_without_a_clock_and_states_that_cannot_be_read_are_passed_over() -> None:
    new = kept("north/battery/bess1", BATTERY)

    assert newest(new) == {}
    assert newest(dict.fromkeys(new, b"x")) == {}
    assert newest({b"energy|a/b": b"x", b"energy|a/meter/b": b""}) == {}


def test_clocks_within_an_hour_of_the_wall_clock_and_behind_it_are_well() -> None:
    clocks = [EventClock("a/b", "DC input 1", AHEAD_S), EventClock("a/c", "DC input 1", -9e9)]

    (finding,) = check_clocks(clocks)

    assert finding.level == "ok"


def test_the_furthest_clocks_are_told_first_and_of_many_how_many_more() -> None:
    clocks = [EventClock(f"a/{hours}", "DC input 1", 3600.0 * hours) for hours in range(2, 10)]

    told = [each.what for each in check_clocks(clocks)]

    assert told[0] == "clock of a/9 (DC input 1) is ahead of the wall clock by 9.0 h"
    assert told[-1] == "of 3 more the clock is ahead, by less"
    assert len(told) == 6
