"""Energy counters of a meter: which readings are believed, and the energy between them.

A reading counts once the next one does not fall below it. A fall is a reset only after a second
reading that rises from there; if the counter comes back, the fall was a glitch. A reading that
stands above the next, which goes on from the one before it, was a glitch too, and so is a rise
that no meter could carry in the time, however many readings agree with it. A rise that this meter
could not carry is told apart: it may be true, but is no energy of a day.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stream_app.core.energy import Ints

Reading = tuple[int, int]
"""Time [ms UTC] and value [W ms]."""

W_MS_PER_WH = 3_600_000
MOST_W = 1_000_000_000
"""No meter carries more [W], by far."""
COARSEST = 1_000_000 * W_MS_PER_WH
"""No counter's digit is larger [W ms]; one of them a second may come beside what flows."""


@dataclass
class Counter:
    """What is remembered of a counter.

    Attributes
    ----------
    believed
        Newest reading that a later one has confirmed.
    newest
        The reading after it, not below it; its energy counts when the next reading confirms it.
    fallen
        A reading below ``believed``: a reset or a glitch.
    divisor
        Greatest common divisor of all rises that counted [W ms]; 0 before the first.
    """

    believed: Reading | None = None
    newest: Reading | None = None
    fallen: Reading | None = None
    divisor: int = 0

    @property
    def digit(self) -> int:
        """The largest decimal part of a Wh in which all rises are whole [W ms]; 0: none yet.

        The rises themselves are no measure: at a steady load each is the energy of an interval.
        """
        digit = COARSEST
        while self.divisor % digit and digit % 10 == 0:
            digit //= 10
        return min(digit, self.divisor)


class Step(NamedTuple):
    """Energy [W ms] between two readings, or a reset or glitch, for which it is 0.

    ``doubtful`` is energy that is more than this meter is known to carry.

    ``shown``: time of the reading that showed it [ms UTC].
    """

    kind: Literal["energy", "doubtful", "reset", "glitch"]
    since: int
    until: int
    energy: int
    shown: int


def read(counter: Counter, times: Ints, values: Ints, most_w: Ints) -> list[Step]:
    """Take readings (n,), strictly rising in time; the values are whole W ms.

    ``most_w`` (n,) is what the meter is known to carry [W] by the time of each.
    """
    steps: list[Step] = []
    for time, value, most in zip(times.tolist(), values.tolist(), most_w.tolist(), strict=True):
        steps += (_doubted(counter, step, most) for step in _read(counter, (time, value)))
    return steps


def standing(counter: Counter, most_w: int) -> Step | None:
    """The energy to the newest reading, which nothing confirms yet."""
    if counter.believed is None or counter.newest is None:
        return None
    step = _between(counter.believed, counter.newest, counter.newest)
    return _doubted(counter, step, most_w) if _can_be(step) else None


def _doubted(counter: Counter, step: Step, most_w: int) -> Step:
    """A step as it is, or as doubtful: two digits of the counter may come beside what flows."""
    most = most_w * (step.until - step.since) + (2 * counter.digit or COARSEST)
    return step._replace(kind="doubtful") if step.kind == "energy" and step.energy > most else step


def _can_be(step: Step) -> bool:
    lasted = step.until - step.since
    return step.energy <= MOST_W * lasted + COARSEST * min(lasted, 1000) // 1000


def _read(counter: Counter, reading: Reading) -> Iterator[Step]:
    believed, newest, fallen = counter.believed, counter.newest, counter.fallen
    if newest is None:
        counter.newest = reading
    elif fallen is not None:
        yield from _after_a_fall(counter, newest, fallen, reading)
    elif reading[1] >= newest[1]:
        yield from _believe(counter, newest, reading)
        counter.newest = reading
    elif believed is not None and reading[1] >= believed[1]:
        yield _event("glitch", newest, reading)
        counter.newest = reading
    else:
        counter.fallen = reading


def _after_a_fall(
    counter: Counter, newest: Reading, fallen: Reading, reading: Reading
) -> Iterator[Step]:
    if reading[1] >= newest[1]:
        yield _event("glitch", fallen, reading)
        yield from _believe(counter, newest, reading)
        counter.newest, counter.fallen = reading, None
    elif reading[1] > fallen[1]:
        yield from _believe(counter, newest, reading)
        yield _event("reset", fallen, reading)
        counter.believed, counter.newest, counter.fallen = fallen, reading, None
    elif reading[1] < fallen[1]:
        counter.fallen = reading


def _believe(counter: Counter, newest: Reading, reading: Reading) -> Iterator[Step]:
    if counter.believed is not None:
        step = _between(counter.believed, newest, reading)
        if _can_be(step):
            counter.divisor = math.gcd(counter.divisor, step.energy)
            yield step
        else:
            yield _event("glitch", newest, reading)
    counter.believed = newest


def _between(first: Reading, last: Reading, shown: Reading) -> Step:
    return Step("energy", first[0], last[0], last[1] - first[1], shown[0])


def _event(kind: Literal["reset", "glitch"], at: Reading, shown: Reading) -> Step:
    return Step(kind, at[0], at[0], 0, shown[0])
