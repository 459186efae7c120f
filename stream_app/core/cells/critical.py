"""Critical cells of a pack: what, how much, since when, and on how many days."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_app.core.cells.findings import CellFinding, CellRule, Unit

DAY_MS = 86_400_000
FORGET_MS = 30 * DAY_MS
"""A cell that has not been critical for so long leaves the table."""


@dataclass
class Concern:
    """A cell that is or was critical for one reason.

    Attributes
    ----------
    since, until
        Begin and end of the newest time that it was so [ms UTC]; None: it still is.
    days
        Local days on which it was so.
    worst, limit, unit
        What lay furthest beyond its limit so far.
    """

    cell: int
    rule: CellRule
    since: int
    until: int | None
    days: int
    worst: float
    limit: float
    unit: Unit


@dataclass
class CriticalState:
    """Concerns by ``rule/cell``."""

    concerns: dict[str, Concern] = field(default_factory=dict)


class Peak(NamedTuple):
    """What lay furthest beyond its limit while a condition stood."""

    cell: int
    rule: CellRule
    value: float
    limit: float


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
        known.since, known.until = finding.since, None
        _worsen(known, finding.value, finding.limit)
        return
    state.concerns[key] = Concern(
        finding.cell,
        finding.rule,
        finding.since,
        None,
        0,
        finding.value,
        finding.limit,
        finding.unit,
    )
    state.concerns = dict(sorted(state.concerns.items()))


def note_peak(state: CriticalState, peak: Peak) -> None:
    """Take up how far a condition that stands went beyond its limit."""
    known = state.concerns.get(_key(peak.rule, peak.cell))
    if known is not None:
        _worsen(known, peak.value, peak.limit)


def close_day(state: CriticalState, pack: str, start: int, end: int) -> CriticalCells | None:
    """Count a local day [ms UTC] for those that were critical in it; None if none ever was."""
    for each in state.concerns.values():
        if each.until is None or each.until > start:
            each.days += 1
    state.concerns = {
        key: each
        for key, each in state.concerns.items()
        if each.until is None or each.until > end - FORGET_MS
    }
    table = ranked(state.concerns)
    return CriticalCells(pack, start, end, table) if table else None


def ranked(concerns: Mapping[str, Concern]) -> tuple[CriticalCell, ...]:
    """Those critical on most days first, among them those furthest beyond their limit."""

    def place(each: Concern) -> tuple[int, float, int, str]:
        size = abs(each.limit) or 1.0
        return -each.days, -_beyond(each.worst, each.limit) / size, each.cell, each.rule

    found = sorted(concerns.values(), key=place)
    return tuple(CriticalCell(at + 1, _copy(each)) for at, each in enumerate(found))


def _copy(concern: Concern) -> Concern:
    return Concern(**vars(concern))


def _key(rule: str, cell: int) -> str:
    return f"{rule}/{cell}"


def _worsen(concern: Concern, value: float, limit: float) -> None:
    if _beyond(value, limit) > _beyond(concern.worst, concern.limit):
        concern.worst, concern.limit = value, limit


def _beyond(value: float, limit: float) -> float:
    """How far a value beyond its limit lies from it, whatever its sign."""
    return abs(abs(value) - abs(limit))
