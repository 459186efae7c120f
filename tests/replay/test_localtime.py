"""Naive local times around clock changes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.localtime import LocalTime, instant, wall_text

MINUTE = 60_000
HOUR = 60 * MINUTE

BACK = {
    "Europe/Berlin": "2025-10-26T01:00+00:00",
    "Australia/Sydney": "2025-04-05T16:00+00:00",
    "Australia/Lord_Howe": "2025-04-05T15:00+00:00",
    "America/New_York": "2025-11-02T06:00+00:00",
}
FORWARD = {
    "Europe/Berlin": "2025-03-30T01:00+00:00",
    "Australia/Sydney": "2025-10-04T16:00+00:00",
    "Australia/Lord_Howe": "2025-10-04T15:30+00:00",
    "America/New_York": "2025-03-09T07:00+00:00",
}


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def wall(instants: Sequence[int], zone: str) -> np.ndarray:
    """What a clock on the site's wall shows, asked of the standard library one by one."""
    local = (
        datetime.fromtimestamp(t / 1000, tz=ZoneInfo(zone)).replace(tzinfo=UTC) for t in instants
    )
    return np.array([round(time.timestamp() * 1000) for time in local], dtype=np.int64)


def around(change: str, step: int, hours: int = 3) -> list[int]:
    middle = ms(change)
    return list(range(middle - hours * HOUR, middle + hours * HOUR, step))


@pytest.mark.parametrize("step", [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE])
@pytest.mark.parametrize("zone", BACK)
def test_a_repeated_hour_is_told_apart_by_file_order(zone: str, step: int) -> None:
    instants = around(BACK[zone], step)

    resolved = LocalTime(zone, step).resolve(wall(instants, zone))

    assert resolved.times.tolist() == instants
    assert resolved.exists.all()


@pytest.mark.parametrize("step", [MINUTE, 15 * MINUTE])
@pytest.mark.parametrize("zone", FORWARD)
def test_no_time_is_lost_where_the_clock_goes_forward(zone: str, step: int) -> None:
    instants = around(FORWARD[zone], step)

    resolved = LocalTime(zone, step).resolve(wall(instants, zone))

    assert resolved.times.tolist() == instants
    assert resolved.exists.all()


@pytest.mark.parametrize("zone", FORWARD)
def test_a_wall_time_that_the_clock_skips_does_not_exist(zone: str) -> None:
    change = ms(FORWARD[zone])
    before = wall([change - MINUTE], zone)

    resolved = LocalTime(zone, MINUTE).resolve(np.concatenate([before, before + MINUTE]))

    assert resolved.exists.tolist() == [True, False]


def test_hourly_rows_show_a_repeated_hour_as_an_equal_time() -> None:
    zone = "Europe/Berlin"
    instants = around(BACK[zone], HOUR)

    assert LocalTime(zone, HOUR).resolve(wall(instants, zone)).times.tolist() == instants


def test_an_equal_time_at_a_finer_interval_is_a_double_row() -> None:
    zone = "Europe/Berlin"
    instants = [ms("2025-10-26T00:15+00:00")] * 2

    assert LocalTime(zone, 15 * MINUTE).resolve(wall(instants, zone)).times.tolist() == instants


def test_rows_a_little_out_of_order_do_not_end_the_first_hour() -> None:
    zone = "Europe/Berlin"
    instants = around(BACK[zone], 1000, hours=2)
    place = instants.index(ms("2025-10-26T00:20+00:00"))
    instants[place], instants[place + 5] = instants[place + 5], instants[place]

    assert LocalTime(zone, 1000).resolve(wall(instants, zone)).times.tolist() == instants


def test_a_gap_inside_both_hours_still_tells_them_apart() -> None:
    zone = "Europe/Berlin"
    kept = ["00:00", "00:15", "01:00", "01:15", "01:45", "02:00"]
    instants = [ms(f"2025-10-26T{time}+00:00") for time in kept]

    assert LocalTime(zone, 15 * MINUTE).resolve(wall(instants, zone)).times.tolist() == instants


@pytest.mark.parametrize(
    ("lost", "first"),
    [
        pytest.param((55, 70), (0, 55), id="over the first hour"),
        pytest.param((-20, 65), (0, 0), id="from before it"),
        pytest.param((50, 130), (0, 50), id="over the second hour"),
    ],
)
def test_a_gap_over_one_of_the_two_hours_leaves_the_rows_of_the_other_where_they_are(
    lost: tuple[int, int], first: tuple[int, int]
) -> None:
    zone = "Europe/Berlin"
    change = instant("2025-10-26T02:00+02:00", zone)
    kept = [n for n in range(-60, 180) if not lost[0] <= n < lost[1]]
    instants = [change + n * MINUTE for n in kept if n >= 60 or n < first[1]]

    assert LocalTime(zone, MINUTE).resolve(wall(instants, zone)).times.tolist() == instants


def test_a_late_row_of_the_repeated_hour_is_the_second_one() -> None:
    zone = "Europe/Berlin"
    instants = around(BACK[zone], 15 * MINUTE)
    instants.append(ms("2025-10-26T01:30+00:00"))

    assert LocalTime(zone, 15 * MINUTE).resolve(wall(instants, zone)).times.tolist() == instants


def test_a_second_pass_over_the_night_begins_with_the_first_hour() -> None:
    zone = "Europe/Berlin"
    instants = around(BACK[zone], 15 * MINUTE)
    local_time = LocalTime(zone, 15 * MINUTE)

    for _ in range(2):
        assert local_time.resolve(wall(instants, zone)).times.tolist() == instants


@given(
    zone=st.sampled_from([*BACK, "UTC", "Asia/Shanghai", "Asia/Kathmandu", "Africa/Casablanca"]),
    year=st.integers(1975, 2035),
    minutes=st.sampled_from([5, 15, 30]),
)
def test_a_whole_year_comes_back_from_its_wall_times(zone: str, year: int, minutes: int) -> None:
    start = ms(f"{year}-01-01T00:00+00:00")
    instants = list(range(start, start + 366 * 24 * HOUR, 6 * HOUR))
    step = minutes * MINUTE
    changes = [
        t for t, u in pairwise(instants) if wall([u], zone)[0] - wall([t], zone)[0] != 6 * HOUR
    ]
    dense = sorted({*instants, *(t for c in changes for t in range(c, c + 6 * HOUR, step))})

    assert LocalTime(zone, step).resolve(wall(dense, zone)).times.tolist() == dense


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2025-03-30", "Europe/Berlin", "2025-03-29T23:00+00:00"),
        ("2025-07-01T12:00", "Europe/Berlin", "2025-07-01T10:00+00:00"),
        ("2025-07-01T12:00+05:30", "Europe/Berlin", "2025-07-01T06:30+00:00"),
        ("2025-07-01T12:00Z", "Australia/Sydney", "2025-07-01T12:00+00:00"),
    ],
)
def test_a_time_given_by_hand_is_local_unless_it_has_an_offset(
    text: str, zone: str, expected: str
) -> None:
    assert instant(text, zone) == ms(expected)


def test_a_time_that_is_none_says_how_to_write_one() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no date or time; write 2025-03-30"):
        instant("yesterday", "UTC")


def test_a_wall_time_is_written_as_a_clock_shows_it() -> None:
    assert wall_text(ms("2025-03-30T02:30+00:00")) == "2025-03-30 02:30:00"
