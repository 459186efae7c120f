"""What is checked of every kind of record: version, names, zone."""

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfoNotFoundError, available_timezones

import msgspec

from schemas.telemetry import Version
from stream_app.codec.limits import LONGEST_NAME, LONGEST_S
from stream_app.core.calendar import calendar

VERSIONS: tuple[int, ...] = get_args(Version)


class _Head(msgspec.Struct):
    """What a record of any version has."""

    v: object = None


_head_decoder = msgspec.json.Decoder(_Head)


def other_version(value: bytes) -> ValueError | None:
    """What to say of a record that is of a version which is not read; None if it is no such."""
    try:
        version = _head_decoder.decode(value).v
    except (ValueError, RecursionError):
        return None
    if version in (None, *VERSIONS):
        return None
    read = " and ".join(map(str, VERSIONS))
    return ValueError(f"v is {version!r}; this program reads version {read}")


def check_names(what: str, names: Iterable[str]) -> None:
    for name in names:
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(
                f"a name of {what} has {len(name)} characters; it must have at most {LONGEST_NAME}"
            )
        if not name.isprintable():
            raise ValueError(f"the name {name!r} of {what} has characters that cannot be printed")


def check_zone(zone: str) -> None:
    """Only what IANA lists: ``localtime`` is another zone on every machine."""
    if zone not in _zones():
        raise ZoneInfoNotFoundError(f"No time zone found with key {zone[:LONGEST_NAME]}")
    calendar(zone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})


def milliseconds(name: str, seconds: float, least: int = 0) -> int:
    """A duration of a record in ms, at least ``least``.

    Raises
    ------
    ValueError
        It is shorter, or longer than a week.
    """
    if not least / 1000 <= seconds <= LONGEST_S:
        raise ValueError(f"{name} is {seconds:g} s; it must be {least / 1000:g} s to 7 days")
    return round(seconds * 1000)


def check_date(text: str) -> None:
    """Raise ValueError if the date of commissioning is none."""
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"commissioned is {text[:20]!r}; it must be a date like 2024-05-31"
        ) from None
