"""Conditions with hysteresis and delay: begin once held long enough, end once gone long enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.core.energy import Bools, Floats, Ints

Sides = NDArray[np.int8]
NO_VALUE = 2
"""Side of a row in which the cell has no value: for that cell it is as if it had not come."""


class Worst(NamedTuple):
    """The value that lay furthest beyond its limit, and that limit."""

    value: float
    limit: float


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
    worst
        Cell -> the value furthest beyond its limit since that of ``active`` began, or what may
        begin, and that limit.
    """

    active: dict[int, int] = field(default_factory=dict)
    pending: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    worst: dict[int, Worst] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.active or self.pending)

    def follow(self, cell: int, side: int, values: Floats, limits: Floats, *, new: bool) -> None:
        """Take up values (n >= 1,) of a cell on one side; ``new``: what was before is over."""
        if new:
            self.worst.pop(cell, None)
        if side == 1:
            self.worst[cell] = worse(self.worst.get(cell), values, limits)

    def sort(self) -> None:
        """Order by cell and forget what is over, so that equal states are equal bytes."""
        self.active = dict(sorted(self.active.items()))
        self.pending = dict(sorted(self.pending.items()))
        kept = self.active.keys() | self.pending.keys()
        self.worst = {cell: self.worst[cell] for cell in sorted(kept)}


class Change(NamedTuple):
    """A condition of a cell began or ended at a row; ``since`` is when it began [ms UTC].

    ``worst`` is that of a condition that ended.
    """

    row: int
    cell: int
    raised: bool
    since: int
    worst: Worst | None = None


class Course(NamedTuple):
    """When the rows (n,) came: by the clock of the delay, and in ms UTC.

    ``times`` may be of each cell (n, cells): when what it shows began. Values of a cell further
    apart than ``max_gap``, by the clock, are not on end.
    """

    clock: Ints
    times: Ints
    max_gap: int | None = None

    def times_of(self, cell: int) -> Ints:
        """Those of one cell (n,)."""
        times: Ints = self.times if self.times.ndim == 1 else self.times[:, cell]
        return times


class Delay(NamedTuple):
    """How long a condition must hold before it begins, and be gone before it ends, by the clock."""

    begin: int
    end: int


class Measure(NamedTuple):
    """What was judged, and against what; both (n, cells), in one unit."""

    values: Floats
    limits: Floats


def sides(beyond: Bools, back: Bools, known: Bools | None = None) -> Sides:
    """1 beyond the limit, -1 back behind the one that ends it, 0 between; NO_VALUE if not known."""
    found: Sides = beyond.astype(np.int8) - back.astype(np.int8)
    if known is not None:
        found[~known] = NO_VALUE
    return found


def worse(known: Worst | None, values: Floats, limits: Floats) -> Worst:
    """What lay furthest beyond its limit, of what is known and of more (n >= 1,) beyond theirs."""
    beyond = np.abs(np.abs(values) - np.abs(limits))
    at = int(beyond.argmax())
    found = Worst(float(values[at]), float(limits[at]))
    if known is not None and abs(abs(known.value) - abs(known.limit)) >= beyond[at]:
        return known
    return found


def changes(
    watch: Watch, side: Sides, course: Course, delay: Delay, measure: Measure
) -> list[Change]:
    """What began and ended in rows (n, cells), by row and cell; ``watch`` goes on from there."""
    touched = np.flatnonzero((side == 1).any(axis=0)).tolist()
    columns = sorted({*touched, *watch.active, *watch.pending})
    found = [
        change
        for cell in columns
        for change in _of_cell(watch, cell, side[:, cell], course, delay, measure)
    ]
    watch.sort()
    return sorted(found)


def _of_cell(
    watch: Watch, cell: int, side: Sides, course: Course, delay: Delay, measure: Measure
) -> Iterator[Change]:
    places = np.flatnonzero(side != NO_VALUE)
    if not places.size:
        return
    side, clock = side[places], course.clock[places]
    times = course.times_of(cell)
    values, limits = (each[places, cell] for each in measure)
    pending = watch.pending.pop(cell, None)
    breaks = _breaks(clock, clock[0] if pending is None else pending[2], course.max_gap)
    starts = np.flatnonzero(np.append(True, (np.diff(side) != 0) | breaks[1:]))
    ends = np.append(starts[1:], side.size)
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        active = cell in watch.active
        if breaks[first]:
            pending = None
        new, part = not active and pending is None, slice(first, last)
        watch.follow(cell, int(side[first]), values[part], limits[part], new=new)
        if side[first] != (-1 if active else 1):
            pending = None
            continue
        if pending is None:
            pending = int(clock[first]), int(times[places[first]]), int(clock[first])
        due = pending[0] + (delay.end if active else delay.begin)
        row = first + int(np.searchsorted(clock[first:last], due))
        if row == last:
            continue
        since = watch.active.pop(cell) if active else pending[1]
        if not active:
            watch.active[cell] = since
        pending = None
        worst = watch.worst.pop(cell) if active else None
        yield Change(int(places[row]), cell, not active, since, worst)
    if pending is not None:
        watch.pending[cell] = (*pending[:2], int(clock[-1]))


def _breaks(clock: Ints, newest: int, max_gap: int | None) -> Bools:
    """Before which values (n,) there is a gap; ``newest``: the time of the value before them."""
    if max_gap is None:
        return np.zeros(clock.size, dtype=np.bool_)
    found: Bools = np.diff(clock, prepend=newest) > max_gap
    return found
