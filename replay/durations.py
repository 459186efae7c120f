"""Durations as people write them: a number and a unit."""

import re

_UNITS_MS = {
    "ms": 1,
    "s": 1_000,
    "sec": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)\s*")


def milliseconds(value: object) -> int:
    """Milliseconds of a text such as ``15min``; the bare number 0 needs no unit.

    Raises
    ------
    ValueError
        Not a duration, no unit, or not a whole number of milliseconds.
    """
    if value in (0, "0"):
        return 0
    match = _DURATION.fullmatch(str(value))
    if match is None or match["unit"] not in _UNITS_MS:
        raise ValueError(f"{value!r} is no duration; write a number and a unit: 15min, 1s, 1h")
    exact = float(match["number"]) * _UNITS_MS[match["unit"]]
    if exact != round(exact):
        raise ValueError(f"{value!r} is not a whole number of milliseconds")
    return round(exact)
