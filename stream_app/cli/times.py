"""Instants as a person reads them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def local_time(ms: int | None, zone: str) -> str:
    """An instant [ms UTC] by the clocks of the site."""
    if ms is None:
        return "-"
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return moment.isoformat(sep=" ", timespec="seconds")


def time_of(clock_ms: int | None) -> str:
    """Event time [ms UTC] for a person."""
    return (
        "" if clock_ms is None else f"{datetime.fromtimestamp(clock_ms / 1000, tz=UTC):%F %H:%MZ}"
    )
