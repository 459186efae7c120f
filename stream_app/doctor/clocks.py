"""Event clocks of the states in Redis, and those that lie far ahead of the wall clock."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stream_app.codec import health, state
from stream_app.codec.cells_state import restore_cells
from stream_app.core.battery_system import PRESENT
from stream_app.core.cells.pack import HotPack
from stream_app.core.clock import Clock
from stream_app.core.health.state import Present
from stream_app.core.meters import MeterState
from stream_app.doctor.facts import EventClock
from stream_app.doctor.findings import Finding, unless_found, warning
from stream_app.keys import PART, subject_of, telemetry_key

AHEAD_S = 3600.0
"""As in the alert BessClockAhead: one wrong time alone carries no clock further by default."""
TOLD = 5
"""Keys that are told one by one; of more, how many."""


class Newest(NamedTuple):
    """Newest event time that a clock has accepted [ms UTC], and whose clock it is."""

    time: int
    of: str


def newest(states: Mapping[bytes, bytes]) -> dict[str, Newest]:
    """The furthest clock of each telemetry key; none of a state that cannot be read."""
    found: dict[str, Newest] = {}
    for key, data in states.items():
        name = telemetry_key(key)
        for each in _newest(key, data):
            found[name] = max(each, found.get(name, each))
    return found


def _newest(key: bytes, data: bytes) -> list[Newest]:
    try:
        return [Newest(each.now, of) for of, each in _clocks(key, data) if each.now is not None]
    except ValueError:
        return []  # the worker tells of it


def _clocks(key: bytes, data: bytes) -> Iterator[tuple[str, Clock]]:
    subject, part = subject_of(telemetry_key(key)), key.split(PART)[1:]
    if subject == "block":
        power = state.restore(data)
        for name in power.block.inputs if power.block else ():
            yield f"DC input {name}", power.inputs[name].clock
    elif subject == "meter":
        yield "rows", health.restore(MeterState, data).clock.clock
    elif part == [each.encode() for each in PRESENT]:
        yield "signals", health.restore(Present, data).clock.clock
    elif part[:1] == [b"pack"] and part[2:] == [b"hot"]:
        yield f"pack {part[1].decode()}", restore_cells(data, HotPack).clock.clock


def check_clocks(clocks: Sequence[EventClock]) -> list[Finding]:
    """Findings on the clocks that are far ahead, the furthest first."""
    far = sorted(
        (each for each in clocks if each.ahead_s > AHEAD_S), key=lambda each: -each.ahead_s
    )
    return unless_found(
        _ahead(far), "event clocks", "none is more than an hour ahead of the wall clock"
    )


def _ahead(far: Sequence[EventClock]) -> Iterator[Finding]:
    for each in far[:TOLD]:
        yield _finding(
            f"clock of {each.key} ({each.of}) is ahead of the wall clock by {span(each.ahead_s)}"
        )
    if len(far) > TOLD:
        yield _finding(f"of {len(far) - TOLD} more the clock is ahead, by less")


def _finding(what: str) -> Finding:
    return warning(
        "event clocks",
        what,
        "samples before that are too late: they are not folded and raise no alarm",
        "mend the clock of the sender, then docs/runbooks/BessClockAhead.md",
    )


def far_ahead(clock_ms: int | None, now_s: float) -> str | None:
    """How far a clock is ahead of the wall clock, for people; None where that is no fault."""
    ahead_s = 0.0 if clock_ms is None else clock_ms / 1000 - now_s
    return f"ahead of the wall clock by {span(ahead_s)}" if ahead_s > AHEAD_S else None


def span(seconds: float) -> str:
    """A duration of more than an hour, for people."""
    return f"{seconds / 86_400:.1f} d" if seconds >= 172_800 else f"{seconds / 3600:.1f} h"
