"""Natural order of names: 1APCS2 comes before 1APCS10."""

import re

_DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key that compares runs of digits as numbers, and puts them before letters."""
    parts = (part for part in _DIGITS.split(name) if part)
    return tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts
    )
