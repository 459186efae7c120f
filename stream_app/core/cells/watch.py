"""Conditions with hysteresis and delay: begin once held long enough, end once gone long enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.core.energy import Ints

Sides = NDArray[np.int8]
Flags = NDArray[np.bool_]
NO_VALUE = 2
"""Side of a row in which the cell has no value: for that cell it is as if it had not come."""


@dataclass
class Watch:
    """One condition over the cells of a pack; cells are counted from 0.

    Attributes
    ----------
    active
        Cell -> when the condition that stands began [ms UTC].
    pending
        Cell -> since when its values have been beyond the limit, or back: by the clock of the
        delay, and in ms UTC; and its newest value, by the clock.
    """

    active: dict[int, int] = field(default_factory=dict)
    pending: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.active or self.pending)

    def sort(self) -> None:
        """Order by cell, so that equal states are equal bytes."""
        self.active = dict(sorted(self.active.items()))
        self.pending = dict(sorted(self.pending.items()))


class Change(NamedTuple):
    """A condition of a cell began or ended at a row; ``since`` is when it began [ms UTC]."""

    row: int
    cell: int
    raised: bool
    since: int


class Course(NamedTuple):
    """When the rows (n,) came: by the clock of the delay, and in ms UTC.

    Values of a cell further apart than ``max_gap``, by the clock, are not on end.
    """

    clock: Ints
    times: Ints
    max_gap: int | None = None


class Delay(NamedTuple):
    """How long a condition must hold before it begins, and be gone before it ends, by the clock."""

    begin: int
    end: int


def sides(beyond: Flags, back: Flags, known: Flags | None = None) -> Sides:
    """1 beyond the limit, -1 back behind the one that ends it, 0 between; NO_VALUE if not known."""
    found: Sides = beyond.astype(np.int8) - back.astype(np.int8)
    if known is not None:
        found[~known] = NO_VALUE
    return found


def changes(watch: Watch, side: Sides, course: Course, delay: Delay) -> list[Change]:
    """What began and ended in rows (n, cells), by row and cell; ``watch`` goes on from there."""
    touched = np.flatnonzero((side == 1).any(axis=0)).tolist()
    columns = sorted({*touched, *watch.active, *watch.pending})
    found = [
        change for cell in columns for change in _of_cell(watch, cell, side[:, cell], course, delay)
    ]
    watch.sort()
    return sorted(found)


def _of_cell(
    watch: Watch, cell: int, side: Sides, course: Course, delay: Delay
) -> Iterator[Change]:
    places = np.flatnonzero(side != NO_VALUE)
    if not places.size:
        return
    side, clock = side[places], course.clock[places]
    pending = watch.pending.pop(cell, None)
    breaks = np.zeros(clock.size, dtype=np.bool_)
    if course.max_gap is not None:
        newest = int(clock[0]) if pending is None else pending[2]
        breaks = np.diff(clock, prepend=newest) > course.max_gap
    starts = np.flatnonzero(np.append(True, (np.diff(side) != 0) | breaks[1:]))
    ends = np.append(starts[1:], side.size)
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        active = cell in watch.active
        if breaks[first]:
            pending = None
        if side[first] != (-1 if active else 1):
            pending = None
            continue
        if pending is None:
            pending = int(clock[first]), int(course.times[places[first]]), int(clock[first])
        due = pending[0] + (delay.end if active else delay.begin)
        row = first + int(np.searchsorted(clock[first:last], due))
        if row == last:
            continue
        since = watch.active.pop(cell) if active else pending[1]
        if not active:
            watch.active[cell] = since
        pending = None
        yield Change(int(places[row]), cell, not active, since)
    if pending is not None:
        watch.pending[cell] = (*pending[:2], int(clock[-1]))
