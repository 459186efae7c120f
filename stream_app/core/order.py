"""The order in which people count enclosures: 1A2BAT1 before 1A10BAT1."""

import re
from functools import lru_cache

_DIGITS = re.compile(r"([0-9]+)")

NaturalKey = tuple[tuple[str | int, ...], str]


@lru_cache(maxsize=65_536)
def natural_key(name: str) -> NaturalKey:
    """Sort key that compares runs of digits as numbers; names that differ never compare equal."""
    parts = _DIGITS.split(name)
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), name
