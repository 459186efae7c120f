"""Rainflow counting of a state of charge as it comes: turning points, full cycles, the residual.

A cycle is counted once it is closed: the four-point rule, whose counts, with the residual as half
cycles, are those of ASTM E1049-85 5.4.4. All values are whole numbers, so sums are exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stream_app.core.energy import Ints

PPM = 1_000_000


@dataclass
class CycleState:
    """What counting remembers; values in ppm of the capacity.

    Attributes
    ----------
    residual
        Turning points that no closed cycle has used, first to last.
    newest
        The extreme after them, which is a turning point unless it goes on; None until the value
        has moved by the dead band from its start.
    closed, depths, squares, middles
        Number of closed cycles; sums of their ranges, of the squares of those, and of the lowest
        and highest value of each.
    """

    residual: list[int] = field(default_factory=list)
    newest: int | None = None
    closed: int = 0
    depths: int = 0
    squares: int = 0
    middles: int = 0


class Totals(NamedTuple):
    """What counting has come to: twice the depth of all cycles, and sums over the closed ones."""

    path: int = 0
    closed: int = 0
    depths: int = 0
    squares: int = 0
    middles: int = 0


NOTHING = Totals()


def totals(state: CycleState) -> Totals:
    """What counting has come to."""
    return Totals(doubled_depth(state), state.closed, state.depths, state.squares, state.middles)


@dataclass(frozen=True)
class Cycle:
    """A cycle: lowest and highest value, and 1.0 for a full, 0.5 for a half one."""

    low: int
    high: int
    count: float = 1.0

    @property
    def depth(self) -> int:
        """Range of the cycle."""
        return self.high - self.low

    @property
    def mean(self) -> float:
        """Middle of the cycle."""
        return (self.low + self.high) / 2


def count(state: CycleState, values: Ints, band: int) -> list[Cycle]:
    """Count values (n,) in order of time.

    A value turns once it has come back by ``band`` (at least 1) from its extreme: what moves by
    less is noise and no cycle.

    Returns
    -------
    The cycles that they closed.
    """
    found: list[Cycle] = []
    for value in _extremes(values):
        if _turns(state, value, band):
            found += _closed(state.residual)
    state.closed += len(found)
    state.depths += sum(cycle.depth for cycle in found)
    state.middles += sum(cycle.low + cycle.high for cycle in found)
    state.squares += sum(cycle.depth**2 for cycle in found)
    return found


def open_cycles(state: CycleState) -> list[Cycle]:
    """What is not closed yet, as if the data ended here: what remains is half cycles."""
    path = _open_path(state)
    return _closed(path) + [Cycle(min(a, b), max(a, b), 0.5) for a, b in pairwise(path)]


def doubled_depth(state: CycleState) -> int:
    """Twice the sum of range times count so far: the length of the path over all turning points.

    Equivalent full cycles are half of it, over the full range of the value.
    """
    return 2 * state.depths + sum(abs(b - a) for a, b in pairwise(_open_path(state)))


def full_cycles(doubled: int) -> float:
    """Equivalent full cycles of :func:`doubled_depth` in ppm."""
    return doubled / (2 * PPM)


def _open_path(state: CycleState) -> list[int]:
    return [*state.residual, *([] if state.newest is None else [state.newest])]


def _extremes(values: Ints) -> Iterator[int]:
    """The values but those on the way: what lies between its neighbours never turns."""
    if values.size > 2:
        rise = np.sign(np.diff(values))
        kept = np.ones(values.size, dtype=np.bool_)
        kept[1:-1] = rise[1:] * rise[:-1] <= 0
        values = values[kept]
    yield from values.tolist()


def _turns(state: CycleState, value: int, band: int) -> bool:
    """Take a value; whether it made the newest extreme a turning point."""
    if not state.residual:
        state.residual.append(value)
        return False
    last, newest = state.residual[-1], state.newest
    if newest is None:
        state.newest = value if abs(value - last) >= band else None
        return False
    direction = 1 if newest > last else -1
    ahead = (value - newest) * direction
    if ahead > 0:
        state.newest = value
    if ahead > -band:
        return False
    state.residual.append(newest)
    state.newest = value
    return True


def _closed(points: list[int]) -> list[Cycle]:
    """Take the closed cycles off the end of the turning points."""
    found = []
    while len(points) > 3:
        before, first, second, after = points[-4:]
        depth = abs(second - first)
        if depth > abs(first - before) or depth > abs(after - second):
            break
        found.append(Cycle(min(first, second), max(first, second)))
        del points[-3:-1]
    return found
