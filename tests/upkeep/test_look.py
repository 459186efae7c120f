import time

import numpy as np
import pytest

from stream_app.cli.state_battery import print_battery
from stream_app.core.battery import CellSamples, SystemSamples
from stream_app.core.battery_system import fold_battery
from stream_app.core.calendar import DAY_MS
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.pipeline import BlockState, fold
from stream_app.upkeep.batteries import FoundBattery
from stream_app.upkeep.look import EnclosureState, enclosures, matches
from stream_app.upkeep.look_battery import Condition, look
from tests.fleet_station import MIDNIGHT_MS, folded_battery

MINUTE_MS = 60_000
START_MS = 1_700_006_400_000
BLOCK = PowerBlock(
    "north",
    "1PCS1",
    "Europe/Berlin",
    {"1": {"B1": 0.75, "B2": 0.25}, "2": {"B3": 1.0}},
    Rules(interval_ms=MINUTE_MS, max_gap_ms=3 * MINUTE_MS, lateness_ms=2 * MINUTE_MS),
)


def after(*messages: Message) -> dict[str, EnclosureState]:
    state = BlockState()
    fold(state, [Configure(BLOCK), *messages])
    return {each.enclosure: each for each in enclosures(state)}


def samples(first: list[float], second: list[float]) -> PowerSamples:
    times = START_MS + MINUTE_MS * np.arange(len(first), dtype=np.int64)
    return PowerSamples(times, {"1": np.array(first), "2": np.array(second)})


def test_an_hour_of_constant_power_is_shared_between_the_enclosures_of_an_input() -> None:
    found = after(samples([100_000.0] * 61, [-30_000.0] * 61), EndOfData(START_MS + 61 * MINUTE_MS))

    assert found["B1"].discharged_kwh == pytest.approx(75.0)
    assert found["B2"].discharged_kwh == pytest.approx(25.0)
    assert (found["B3"].discharged_kwh, found["B3"].charged_kwh) == (0.0, pytest.approx(30.0))
    assert (found["B1"].input, found["B3"].input, found["B2"].share) == ("1", "2", 0.25)
    (day,) = [each for each in found["B1"].windows if each.resolution == "1d"]
    assert day.discharged_kwh == pytest.approx(75.0)


def test_samples_within_the_lateness_wait_and_the_clock_tells_how_far() -> None:
    found = after(samples([1000.0] * 10, [1000.0] * 10))["B1"]

    assert found.pending == 2
    assert found.clock == START_MS + 9 * MINUTE_MS
    assert found.settled == START_MS + 7 * MINUTE_MS
    assert found.latest == (START_MS + 9 * MINUTE_MS, 1000.0)


def test_a_sample_of_the_future_is_shown_as_set_aside_with_its_alarm() -> None:
    future = START_MS + 10_000 * MINUTE_MS
    ahead = PowerSamples(np.array([future], dtype=np.int64), {"1": np.array([5.0])})
    found = after(samples([1000.0] * 10, [1000.0] * 10), ahead, samples([1000.0], [1000.0]))

    assert found["B1"].quarantine == [future]
    assert "CLOCK_SKEW" in found["B1"].alarms
    assert found["B3"].quarantine == []


def test_a_block_without_samples_has_enclosures_without_energy() -> None:
    found = after()

    assert list(found) == ["B1", "B2", "B3"]
    assert (found["B1"].clock, found["B1"].latest, found["B1"].windows) == (None, None, [])
    assert list(enclosures(BlockState())) == []


@pytest.mark.parametrize(
    ("asked", "is_meant"),
    [("B1", True), ("north/B1", True), ("south/B1", False), ("B", False), ("north/1PCS1", False)],
)
def test_an_enclosure_is_asked_for_with_or_without_its_site(asked: str, is_meant: bool) -> None:
    assert matches(after()["B1"], asked) == is_meant


def test_a_battery_is_told_by_pack_with_what_stands_and_what_its_ledger_counts_from() -> None:
    found = look(folded_battery())

    assert found is not None
    assert (found.site, found.system, found.zone) == ("north", "bess1", "UTC")
    assert found.clock == MIDNIGHT_MS + 180_000
    assert found.signals["soc_ratio"] == (MIDNIGHT_MS + 180_000, 0.43)
    assert found.days == [MIDNIGHT_MS]
    first, second = found.packs
    assert first.conditions == []
    assert second.conditions == [
        Condition(rule, 3, MIDNIGHT_MS) for rule in ("OVER_VOLT_ALARM", "OVER_VOLT_WARNING")
    ]
    assert second.voltages == (3.2, 3.7)
    assert second.temperatures == (25.5, 25.5)
    assert [(each.resolution, each.rows) for each in second.windows] == [("5min", 4)]


def test_a_battery_is_printed_with_the_size_of_its_state(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    battery = look(folded_battery())
    assert battery is not None

    print_battery(FoundBattery(battery, 3, 40, 17, None, {"": 10, "pack/1/hot": 90}))

    told = capsys.readouterr().out
    assert "north/battery/bess1" in told
    assert "OVER_VOLT_ALARM cell 3 since 2024-06-01 00:00:00+00:00" in told
    assert "100 bytes in 2 parts, most in pack/1/hot: 90" in told
    assert "lag not known" in told
    assert "3.200 to 3.700" in told


def test_a_silent_pack_and_names_that_are_no_signals_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = folded_battery()
    later = MIDNIGHT_MS + 4 * MINUTE_MS
    wrong = SystemSamples(np.array([later]), {"soc": np.array([40.0]), "xyz": np.array([1.0])})
    fold_battery(state, [wrong, Heartbeat(later + 3_600_000)])

    found = look(state)

    assert found is not None
    assert found.unknown == {"soc": (1, "soc_ratio"), "xyz": (1, None)}
    silent = [each for pack in found.packs for each in pack.conditions if each.rule == "STALE_DATA"]
    assert [each.since - MIDNIGHT_MS for each in silent] == [3 * MINUTE_MS + 2_700_000] * 2
    assert Condition("STALE_DATA", None, later + 2_700_000) in found.conditions
    print_battery(FoundBattery(found, 3, 7, 12, 0, {"": 100}))
    assert "soc: 1 values (nearest known: soc_ratio)" in capsys.readouterr().out


def test_a_pack_whose_clock_was_carried_far_ahead_is_told_with_its_runbook(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    state = folded_battery()
    wrong = np.array([0, MINUTE_MS]) + round(time.time() * 1000) + 365 * DAY_MS
    volts, warmth = np.full((2, 5), 3.3), np.full((2, 5), 25.0)
    fold_battery(state, [CellSamples("2", wrong, volts, warmth)])
    battery = look(state)
    assert battery is not None

    print_battery(FoundBattery(battery, 3, 7, 12, 0, {"": 100}))

    told = capsys.readouterr().out
    assert "pack 2 ahead of the wall clock by 365.0 d" in told
    assert "pack 1 ahead" not in told
    assert "docs/runbooks/BessClockAhead.md" in told
