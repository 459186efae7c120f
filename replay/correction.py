"""The local days that a replay brings in again, and the records around their samples."""

from dataclasses import dataclass
from datetime import date

from replay.errors import ConfigError
from replay.export import Export
from replay.records import Outgoing
from schemas.topics import TELEMETRY
from stream_app.codec.telemetry import encode
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


def begin(export: Export, prefix: str, name: str, days: Days) -> list[Outgoing]:
    """To every block: the samples that follow replace these days."""
    value = encode(CorrectionBegin(name, days.since_ms, days.until_ms))
    return _to_all(export, prefix, value, days.since_ms)


def end(export: Export, prefix: str, name: str, days: Days) -> list[Outgoing]:
    """To every block: all samples of the correction have come."""
    return _to_all(export, prefix, encode(CorrectionEnd(name)), days.until_ms)


def _to_all(export: Export, prefix: str, value: bytes, time_ms: int) -> list[Outgoing]:
    topic = TELEMETRY.name(prefix)
    return [Outgoing(topic, block.key.encode(), value, time_ms) for block in export.blocks]


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise ConfigError(f"{text!r} is no local day; write 2025-03-30") from fault
