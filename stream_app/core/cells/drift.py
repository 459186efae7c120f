"""A cell beside its own past: two averages of its deviation, less what goes with the current."""

from dataclasses import dataclass, field

import numpy as np

from stream_app.core.cells.sums import Cell, Pack, Sums
from stream_app.core.energy import Bools, Floats, Ints

FEWEST_TO_DRIFT = 3
"""Of two that part nobody knows which it was."""
FAST_SHIFT, SLOW_SHIFT = 5, 9
"""Averages follow 1/32 and 1/512 of the way in each window: memories of 2.7 and 43 hours."""
_SHIFTS = np.array([count.bit_length() for count in range(1 << SLOW_SHIFT)] + [SLOW_SHIFT])
"""By the windows so far: at first nearly their plain mean, so that the first is no anchor."""
FEWEST_WINDOWS = 288
"""A day of windows: before there is no past to drift from."""
FRACTION_BITS = 8
"""Of a uV in the averages."""
LEAST_LOAD_MA, MOST_LOAD_MA = 2_000, 20_000_000
"""With less change of the current nothing is put down to it; more is no measurement."""


@dataclass
class Load:
    """What of each cell's deviation goes with the current: its resistance; arrays (cells,).

    Averages of the current [mA], of the square of what it differs from its average, and of that
    times what the deviation differs from its own, over the longer memory.
    """

    current: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    square: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    product: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def part(self, current: int, off: Ints, shift: Ints, known: Bools) -> Ints:
        """Take up a deviation from its average; gives the part of it that the current explains."""
        if not self.current.size:
            zeros = np.zeros(off.size, dtype=np.int64)
            self.current, self.square, self.product = zeros, zeros, zeros
        apart = current - self.current
        for name, value in (("current", current), ("square", apart**2), ("product", apart * off)):
            before = getattr(self, name)
            setattr(self, name, before + np.where(known, (value - before) >> shift, 0))
        slope = self.product / np.maximum(self.square, LEAST_LOAD_MA**2)
        return np.rint(slope * apart).astype(np.int64)

    def forget(self, cells: Bools) -> None:
        """Those of some cells (cells,) begin anew."""
        if self.current.size:
            each = self.current, self.square, self.product
            self.current, self.square, self.product = (np.where(cells, 0, one) for one in each)


@dataclass
class Average:
    """Exponential averages of each cell's deviation [uV / 2^FRACTION_BITS]; arrays (cells,).

    ``count`` are the windows in them, up to the longer memory.
    """

    fast: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    slow: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    count: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    load: Load = field(default_factory=Load)

    def forget(self, cells: Bools) -> None:
        """Those of some cells (cells,) begin anew."""
        if self.count.size:
            each = self.fast, self.slow, self.count
            self.fast, self.slow, self.count = (np.where(cells, 0, one) for one in each)
            self.load.forget(cells)


def drifts(average: Average, sums: Sums, where: Ints, stuck: Bools) -> Floats:
    """How far the faster average of each cell lies off the slower [uV], at windows (n,).

    0 where there is too little to compare with. What goes with the string's current is left out.
    ``stuck`` (all windows, cells) have no voltage.
    """
    cells = sums.cells.shape[2]
    if not average.count.size:
        zeros = np.zeros(cells, dtype=np.int64)
        average.fast, average.slow, average.count = zeros, zeros, zeros
    counts = sums.cells[Cell.V_COUNT][where]
    there = (counts > 0) & ~stuck[where]
    many = there.sum(axis=1) >= FEWEST_TO_DRIFT
    scaled = (sums.cells[Cell.V_OFF][where] << FRACTION_BITS) // np.maximum(counts, 1)
    gap = np.zeros((where.size, cells), dtype=np.int64)
    fast, slow, count = average.fast, average.slow, average.count
    loads = _loads(sums, where)
    for at, (off, known) in enumerate(zip(scaled, there & many[:, None], strict=True)):
        shift, current = _SHIFTS[count], loads[at]
        of_load = 0 if current is None else average.load.part(current, off - slow, shift, known)
        value = off - of_load
        fast = fast + np.where(known, (value - fast) >> np.minimum(shift, FAST_SHIFT), 0)
        slow = slow + np.where(known, (value - slow) >> shift, 0)
        count = np.minimum(count + known, _SHIFTS.size - 1)
        gap[at] = np.where(count < FEWEST_WINDOWS, 0, fast - slow)
    average.fast, average.slow, average.count = fast, slow, count
    found: Floats = gap / (1 << FRACTION_BITS)
    return found


def _loads(sums: Sums, where: Ints) -> list[int | None]:
    """Mean current of windows [mA]; None where it is not known."""
    rows, total = (sums.pack[each][where] for each in (Pack.CURRENT_ROWS, Pack.CURRENT_SUM))
    pairs = zip(rows.tolist(), total.tolist(), strict=True)
    means = (total // rows if rows else None for rows, total in pairs)
    return [each if each is None or abs(each) <= MOST_LOAD_MA else None for each in means]
