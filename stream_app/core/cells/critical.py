"""Critical cells of a pack: what, how much, since when, and on how many days."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stream_app.core.calendar import DAY_MS
from stream_app.core.cells.findings import CellFinding, CellRule, Unit

FORGET_MS = 30 * DAY_MS
"""A cell that has not been critical for so long leaves the table."""
SILENT_MS = 3 * DAY_MS
"""What could not be judged for so long is told to have ended when it last could."""


@dataclass
class Concern:
    """A cell that is or was critical for one reason.

    Attributes
    ----------
    since, until
        Begin and end of the newest time that it was so [ms UTC]; None: it still is.
    days
        Local days on which it was so, of those on which the cell had values.
    judged
        End of the newest of those, or the begin [ms UTC].
    worst, limit, unit
        What lay furthest beyond its limit so far.
    """

    cell: int
    rule: CellRule
    since: int
    until: int | None
    days: int
    judged: int
    worst: float
    limit: float
    unit: Unit


@dataclass
class CriticalState:
    """Concerns by ``rule/cell``."""

    concerns: dict[str, Concern] = field(default_factory=dict)


class Day(NamedTuple):
    """A local day that closed [ms UTC], and the cells (from 0) that had values of each kind."""

    start: int
    end: int
    voltages: frozenset[int]
    temperatures: frozenset[int]

    def judges(self, concern: Concern) -> bool:
        """Whether what the concern is about could be judged."""
        cells = self.voltages if concern.unit == "V" else self.temperatures
        return concern.cell - 1 in cells


class Peak(NamedTuple):
    """What lay furthest beyond its limit in a window that begins at ``start`` [ms UTC]."""

    cell: int
    rule: CellRule
    value: float
    limit: float
    start: int


@dataclass(frozen=True)
class CriticalCell:
    """A row of the table; ``rank`` 1 is the worst."""

    rank: int
    concern: Concern


@dataclass(frozen=True)
class CriticalCells:
    """The table of one pack at the end of a local day [ms UTC]."""

    pack: str
    start: int
    end: int
    cells: tuple[CriticalCell, ...]


def note(state: CriticalState, finding: CellFinding) -> None:
    """Take up a condition of a cell that began or ended."""
    if finding.cell is None:
        return
    key = _key(finding.rule, finding.cell)
    known = state.concerns.get(key)
    if not finding.raised:
        if known is not None:
            known.until = finding.time
        return
    if known is not None:
        known.since, known.until, known.judged = finding.since, None, finding.time
        _worsen(known, finding.value, finding.limit)
        return
    state.concerns[key] = Concern(
        finding.cell,
        finding.rule,
        finding.since,
        None,
        0,
        finding.time,
        finding.value,
        finding.limit,
        finding.unit,
    )
    state.concerns = dict(sorted(state.concerns.items()))


def concern_of(state: CriticalState, rule: CellRule, cell: int) -> Concern | None:
    """What is known of a cell for one reason."""
    return state.concerns.get(_key(rule, cell))


def note_peak(state: CriticalState, peak: Peak) -> None:
    """Take up how far a condition went beyond its limit, if it stood in that window."""
    known = state.concerns.get(_key(peak.rule, peak.cell))
    if known is not None and (known.until is None or known.until > peak.start):
        _worsen(known, peak.value, peak.limit)


def close_day(state: CriticalState, pack: str, day: Day) -> CriticalCells | None:
    """Count a local day for those that were critical in it; None if none ever was."""
    for each in state.concerns.values():
        if (each.until is None or each.until > day.start) and day.judges(each):
            each.days, each.judged = each.days + 1, day.end
    state.concerns = {
        key: each
        for key, each in state.concerns.items()
        if min(each.judged, each.until or day.end) > day.end - FORGET_MS
    }
    table = ranked(state.concerns, day.end)
    return CriticalCells(pack, day.start, day.end, table) if table else None


def ranked(concerns: Mapping[str, Concern], now: int) -> tuple[CriticalCell, ...]:
    """Those critical on most days first, among them those furthest beyond their limit.

    Those whose cells have had no values for long are told to have ended.
    """

    def place(each: Concern) -> tuple[int, float, int, str]:
        size = abs(each.limit) or 1.0
        return -each.days, -_beyond(each.worst, each.limit) / size, each.cell, each.rule

    found = sorted(concerns.values(), key=place)
    return tuple(CriticalCell(at + 1, _told(each, now)) for at, each in enumerate(found))


def _told(concern: Concern, now: int) -> Concern:
    silent = concern.until is None and now - concern.judged >= SILENT_MS
    return replace(concern, until=concern.judged if silent else concern.until)


def _key(rule: str, cell: int) -> str:
    return f"{rule}/{cell}"


def _worsen(concern: Concern, value: float, limit: float) -> None:
    if _beyond(value, limit) > _beyond(concern.worst, concern.limit):
        concern.worst, concern.limit = value, limit


def _beyond(value: float, limit: float) -> float:
    """How far a value beyond its limit lies from it, whatever its sign."""
    return abs(abs(value) - abs(limit))
