"""Rows of a quarter of an hour in Berlin."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

BERLIN = {"timezone": "Europe/Berlin"}
BLOCK = "station/1APCS1"
NOON = datetime.fromisoformat("2025-07-01T12:00")
NOON_MS = 1_751_364_000_000
"""2025-07-01 12:00 in Berlin."""
QUARTER = timedelta(minutes=15)
QUARTER_MS = 900_000


def quarters(count: int, first: datetime = NOON) -> list[datetime]:
    return [first + n * QUARTER for n in range(count)]


def texts(times: list[datetime]) -> list[str]:
    return [time.isoformat(sep=" ") for time in times]


def autumn_night() -> tuple[list[datetime], list[int]]:
    """Wall times of a night in Berlin with a repeated hour, and the instants [ms UTC]."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    instants = [start + n * QUARTER for n in range(24)]
    wall = [each.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) for each in instants]
    return wall, [round(each.timestamp() * 1000) for each in instants]
