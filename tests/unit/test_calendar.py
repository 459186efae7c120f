"""Local days and the windows inside them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pytest

from stream_app.core.calendar import MINUTE_MS, SiteCalendar, calendar, first_instant
from stream_app.core.energy import DISCHARGED
from stream_app.core.integrator import KNOWN_MS, LEDGER
from stream_app.core.messages import Configure, EndOfData
from stream_app.core.topology import PowerBlock, Rules
from tests.property.strategies import ordered, run

HOUR_MS = 60 * MINUTE_MS
NEXT_DAY = 86_400_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


DAYS = [
    ("Europe/Berlin", date(2025, 3, 30), 23),
    ("Europe/Berlin", date(2025, 10, 26), 25),
    ("Europe/Berlin", date(2025, 7, 1), 24),
    ("America/New_York", date(2025, 3, 9), 23),
    ("America/New_York", date(2025, 11, 2), 25),
    ("Australia/Sydney", date(2025, 4, 6), 25),
    ("Australia/Sydney", date(2025, 10, 5), 23),
    ("Asia/Shanghai", date(2025, 3, 30), 24),
    ("Asia/Shanghai", date(2025, 10, 26), 24),
    ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
    ("Australia/Lord_Howe", date(2025, 10, 5), 23.5),
    ("America/Sao_Paulo", date(2018, 11, 4), 23),
    ("America/Sao_Paulo", date(2018, 2, 17), 25),
    ("America/Havana", date(2025, 11, 2), 25),
    ("Africa/Cairo", date(2024, 4, 26), 23),
    ("Pacific/Apia", date(2011, 12, 29), 24),
    ("Pacific/Apia", date(2011, 12, 31), 24),
]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_one_megawatt_for_a_local_day_is_as_many_mwh_as_the_day_has_hours(
    zone: str, day: date, hours: float
) -> None:
    start = first_instant(day, ZoneInfo(zone))
    times = np.arange(start - HOUR_MS, start + 27 * HOUR_MS, 15 * MINUTE_MS).tolist()
    block = PowerBlock("s", "b", zone, {"1": {"A1": 1.0}}, Rules())

    outputs = run([[Configure(block), ordered(times, [1e6] * len(times)), EndOfData(times[-1])]])

    daily = {
        calendar(zone).local_date(at): (total[LEDGER + DISCHARGED] / 3.6e12, total[KNOWN_MS])
        for rollup in outputs.outputs.rollups
        if rollup.resolution == "1d"
        for at, total in zip(rollup.run.starts.tolist(), rollup.run.sums.T.tolist(), strict=True)
    }
    assert daily[day] == (pytest.approx(hours, abs=1e-9), hours * HOUR_MS)


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("UTC", date(2025, 1, 1), "2025-01-01 00:00"),
        ("Asia/Kathmandu", date(2025, 1, 1), "2024-12-31 18:15"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04 03:00"),
        ("America/Havana", date(2025, 11, 2), "2025-11-02 04:00"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30 10:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30 10:00"),
    ],
)
def test_the_zone_is_asked_for_the_first_instant_of_a_day(zone: str, day: date, first: str) -> None:
    assert first_instant(day, ZoneInfo(zone)) == ms(first)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize(("resolution", "minutes"), [("5min", 5), ("15min", 15), ("1h", 60)])
def test_windows_fill_the_day_and_only_its_last_may_be_short(
    zone: str, day: date, hours: float, resolution: str, minutes: int
) -> None:
    start = first_instant(day, ZoneInfo(zone))
    end = start + round(hours * HOUR_MS)

    edges = SiteCalendar(zone).edges(resolution, start, end - 1)

    assert (edges[0], edges[-1]) == (start, end)
    assert set(np.diff(edges)[:-1].tolist()) == {minutes * MINUTE_MS}
    assert 0 < np.diff(edges)[-1] <= minutes * MINUTE_MS


def test_a_skipped_date_has_no_window() -> None:
    around = ms("2011-12-29 12:00"), ms("2011-12-31 12:00")

    edges = SiteCalendar("Pacific/Apia").edges("1d", *around)

    dates = [SiteCalendar("Pacific/Apia").local_date(at).isoformat() for at in edges.tolist()]
    assert dates == ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]


@pytest.mark.parametrize("resolution", ["5min", "15min", "1h", "1d"])
def test_windows_are_half_open(resolution: str) -> None:
    midnight = ms("2025-06-01 14:00")
    days = SiteCalendar("Australia/Sydney")

    at_edge = days.edges(resolution, midnight, midnight)
    before = days.edges(resolution, midnight - 1, midnight - 1)

    assert (at_edge[0], before[1]) == (midnight, midnight)
    assert (at_edge.size, before.size) == (2, 2)


def test_days_asked_for_in_any_order_are_the_same() -> None:
    asked = [ms("2025-10-05"), ms("2020-02-28"), ms("2027-01-01"), ms("2020-03-01")]
    one = SiteCalendar("Europe/Berlin")

    for at in asked:
        fresh = SiteCalendar("Europe/Berlin").edges("1h", at, at + 2 * NEXT_DAY)
        assert np.array_equal(one.edges("1h", at, at + 2 * NEXT_DAY), fresh)


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "", "../etc", "/etc/localtime"])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ZoneInfoNotFoundError, match=f"No time zone found with key {name}"):
        SiteCalendar(name)
