"""Energy of a day, and the efficiency of days: told, or why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stream_app.core.calendar import DAY_MS, HOUR_MS
from stream_app.core.charge.ledger import PPM
from stream_app.core.daily import Reading, Why
from stream_app.core.energy import W_MS_PER_KWH
from stream_app.core.health import efficiency
from stream_app.core.health.columns import AC, DC, SOC
from stream_app.core.health.facts import Facts, absent
from stream_app.core.health.state import DayHistory
from stream_app.core.slots import BOUND, IN, KNOWN, OUT

LEAST_COVERAGE = 0.98
"""Part of a time in which a power must be known for an efficiency of it."""
LEAST_CYCLED = 0.05
"""Part of the usable energy that must be charged and discharged for an efficiency."""
ROLLING_DAYS, LEAST_ROLLING_DAYS = 30, 7

Side = Literal["dc", "ac"]
SIDES: dict[Side, int] = {"dc": DC, "ac": AC}


def energy(name: Side) -> Callable[[Facts], Reading]:
    def told(f: Facts) -> Reading:
        energy = _energy_of(f.past.history[-1], name)
        if not energy[KNOWN]:
            return absent(f, SIDES[name])
        out, into, bound = (energy[row] / W_MS_PER_KWH for row in (OUT, IN, BOUND))
        return out, into, bound

    return told


def _energy_of(day: DayHistory, name: Side) -> list[int]:
    return day.dc if name == "dc" else day.ac


@dataclass(frozen=True)
class _Cycled:
    """Days with known energy, out and in [W ms]."""

    days: list[DayHistory]
    out: int
    into: int


def _cycled(f: Facts, name: Side, days: int) -> _Cycled | Why:
    """The energy of the last ``days``, if it is known and enough to be compared."""
    if not _energy_of(f.past.history[-1], name)[KNOWN]:
        return absent(f, SIDES[name])
    part = [each for each in f.past.history if each.start > f.day.start - days * DAY_MS]
    # Data that began, or began again, in the midst of a day is judged from the next day on.
    known = [_covered([each], name) for each in part]
    part = part[known.index(True) if True in known else 0 :]
    if days > 1 and len(part) < LEAST_ROLLING_DAYS:
        return "too_short"
    if not _covered(part, name):
        return "gap"
    energy = [_energy_of(each, name) for each in part]
    out, into = (sum(each[row] for each in energy) for row in (OUT, IN))
    if min(out, into) <= LEAST_CYCLED * _usable(f):
        return "too_little"
    return _Cycled(part, out, into)


def _covered(part: list[DayHistory], name: Side) -> bool:
    known = sum(_energy_of(each, name)[KNOWN] for each in part)
    return known >= LEAST_COVERAGE * (part[-1].end - part[0].start)


def _usable(f: Facts) -> float:
    """Usable energy [W ms], 0 if not known."""
    return (f.battery.energy_wh or 0.0) * HOUR_MS


def naive(name: Side, days: int) -> Callable[[Facts], Reading]:
    def told(f: Facts) -> Reading:
        found = _cycled(f, name, days)
        if isinstance(found, str):
            return found
        return (efficiency.naive(found.into, found.out),)

    return told


def corrected(name: Side, days: int) -> Callable[[Facts], Reading]:
    def told(f: Facts) -> Reading:
        found = _cycled(f, name, days)
        if isinstance(found, str):
            return found
        if not _usable(f):
            return "missing_rating"
        stored = _stored(f, found.days)
        if isinstance(stored, str):
            return stored
        return (efficiency.corrected(found.into, found.out, stored * _usable(f)),)

    return told


def _stored(f: Facts, part: list[DayHistory]) -> float | Why:
    """Change of the SOC over days, if it is known at both of their ends."""
    first, last = part[0], part[-1]
    if not first.soc or not last.soc:
        return absent(f, SOC)
    late = max(first.soc[0] - first.start, last.end - last.soc[1])
    if late > f.battery.rules.max_gap_ms:
        return "gap"
    return (last.soc[3] - first.soc[2]) / PPM
