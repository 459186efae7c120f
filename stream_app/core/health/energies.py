"""Energy of a day, and the efficiency of days: told, or why not."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
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
MOST_UNSEEN = 0.005
"""Part of the energy both ways of a day that its unknown time may hold for an efficiency: the
corrected one is then wrong by 1 % at most."""
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


Known = Callable[[DayHistory], bool]


def _cycled(f: Facts, name: Side, days: int, known: Known) -> _Cycled | Why:
    """The energy of those of the last ``days`` that are known, if it is enough to be compared.

    A day of which a part is not known is left out as a whole: its discharge without its charge
    would be no efficiency.
    """
    if not _energy_of(f.past.history[-1], name)[KNOWN]:
        return absent(f, SIDES[name])
    part = [each for each in f.past.history if each.start > f.day.start - days * DAY_MS]
    told = [known(each) for each in part]
    least = min(days, LEAST_ROLLING_DAYS)
    # Data that began, or began again, in the midst of a day is judged from the next day on.
    if len(part) - (told.index(True) if True in told else 0) < least:
        return "too_short"
    part = [each for each, is_known in zip(part, told, strict=True) if is_known]
    if len(part) < least:
        return "gap"
    energy = [_energy_of(each, name) for each in part]
    out, into = (sum(each[row] for each in energy) for row in (OUT, IN))
    if min(out, into) <= LEAST_CYCLED * _usable(f):
        return "too_little"
    return _Cycled(part, out, into)


def _usable(f: Facts) -> float:
    """Usable energy [W ms], 0 if not known."""
    return (f.battery.energy_wh or 0.0) * HOUR_MS


def naive(name: Side, days: int) -> Callable[[Facts], Reading]:
    def told(f: Facts) -> Reading:
        found = _cycled(f, name, days, lambda day: _covered(day, name))
        if isinstance(found, str):
            return found
        return efficiency.naive(found.into, found.out), *_days(found, days)

    return told


def corrected(name: Side, days: int) -> Callable[[Facts], Reading]:
    def told(f: Facts) -> Reading:
        found = _cycled(f, name, days, lambda day: _covered(day, name))
        if isinstance(found, str):
            return found
        if not _usable(f):
            return "missing_rating"
        if not f.past.history[-1].soc:
            return absent(f, SOC)
        gap = f.battery.rules.max_gap_ms
        found = _cycled(f, name, days, lambda day: _covered(day, name) and _shown(day, gap))
        if isinstance(found, str):
            wrong = f.past.history[-1].wrong
            return wrong if found == "gap" and wrong else found
        stored = _stored(found.days) * _usable(f)
        return efficiency.corrected(found.into, found.out, stored), *_days(found, days)

    return told


def _covered(day: DayHistory, name: Side) -> bool:
    """Whether the energy of a day is known, all but what does not matter."""
    energy, unseen = _energy_of(day, name), day.unseen[list(SIDES).index(name)]
    if energy[KNOWN] < LEAST_COVERAGE * (day.end - day.start):
        return False
    return unseen <= MOST_UNSEEN * (energy[OUT] + energy[IN])


def _shown(day: DayHistory, max_gap_ms: int) -> bool:
    """Whether the SOC is known at both ends of a day, and not known to be wrong in it."""
    if not day.soc or day.wrong:
        return False
    return max(day.soc[0] - day.start, day.end - day.soc[1]) <= max_gap_ms


def _stored(part: list[DayHistory]) -> float:
    """Change of the SOC in days, not between days that others lie between."""
    stored = part[-1].soc[3] - part[0].soc[2]
    for before, after in pairwise(part):
        if before.end != after.start:
            stored -= after.soc[2] - before.soc[3]
    return stored / PPM


def _days(found: _Cycled, days: int) -> tuple[float, ...]:
    """How many days a number of several is of."""
    return (float(len(found.days)),) if days > 1 else ()
