"""The local days that a replay brings in again, and the records around their samples."""

from dataclasses import dataclass
from datetime import date

from replay.errors import ConfigError
from replay.feed import Feed
from replay.records import Outgoing, to_all
from stream_app.core.calendar import calendar
from stream_app.core.messages import CorrectionBegin, CorrectionEnd


@dataclass(frozen=True)
class Days:
    """Local days ``[since_ms, until_ms)`` [ms UTC].

    Rows from ``from_ms`` to before ``to_ms``, a day more on either side, complete their edges.
    """

    since_ms: int
    until_ms: int
    from_ms: int
    to_ms: int


def local_days(first: str, end: str, zone: str) -> Days:
    """The days from ``first`` to before ``end``, ISO 8601 dates in the zone of the site.

    Raises
    ------
    ConfigError
        A text is no date, or the days are none.
    """
    since, until = _date(first), _date(end)
    if not since < until:
        raise ConfigError(f"--from {first} --to {end}: name a first day and, after it, an end")
    days = calendar(zone)
    since_ms, until_ms = days.first_instant(since), days.first_instant(until)
    edges = days.edges("1d", since_ms - 1, until_ms)
    return Days(since_ms, until_ms, int(edges[0]), int(edges[-1]))


def begin(feed: Feed, prefix: str, name: str, days: Days) -> list[Outgoing]:
    """To every block: the samples that follow replace these days."""
    message = CorrectionBegin(name, days.since_ms, days.until_ms)
    return to_all(feed, prefix, message, days.since_ms)


def end(feed: Feed, prefix: str, name: str, days: Days) -> list[Outgoing]:
    """To every block: all samples of the correction have come."""
    return to_all(feed, prefix, CorrectionEnd(name), days.until_ms)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise ConfigError(f"{text!r} is no local day; write 2025-03-30") from fault
