"""Rows of one file into the order of their slots, looking ahead only so far."""

import numpy as np

from replay.signals.admission import Refused, Slotted, Taken, joined
from stream_app.core.energy import Bools, Ints

LOOK_AHEAD = 2000
"""Rows of a file that wait for earlier ones, at most."""
STEPS_BACK = "a row back in time, repeated or too late to be put in order; sort the file by time"
_LONG_AGO = -(1 << 62)


class Ordering:
    """Gives the rows of one file in the order of their slots, however they are cut into chunks.

    Where a row leaves slots out, it and those that follow wait for rows that belong before it,
    until none is left out or ``look_ahead`` rows wait. A row that comes later than that is
    refused. Slots are centred on multiples of the interval: clocks of files may differ by less
    than half of it.

    Parameters
    ----------
    waits
        Whether the first row does so, too.
    """

    def __init__(self, interval_ms: int, columns: int, look_ahead: int, waits: bool) -> None:
        self._interval_ms, self._columns, self._look_ahead = interval_ms, columns, look_ahead
        self._last = _LONG_AGO if waits else None
        self._held = joined([], columns)

    def take(self, rows: Taken, refused: Refused, moved: list[int]) -> list[Slotted]:
        """Take rows, and give those that none can come before.

        Parameters
        ----------
        refused, moved
            Take up the rows that are not taken, and those that are put before others.
        """
        slots = (rows.times + self._interval_ms // 2) // self._interval_ms * self._interval_ms
        every = Slotted(slots, rows.times, rows.values)
        parts = []
        at = 0
        while at < slots.size:
            late, even = self._late(slots[at:]), self._even(slots[at:])
            refused.rows += [(row, STEPS_BACK) for row in rows.rows[at : at + late].tolist()]
            if even:
                self._held = joined([self._held, every.before(at + even).after(at)], self._columns)
            elif not late:
                self._insert(every.before(at + 1).after(at))
                moved.append(int(rows.rows[at]))
            if not late:
                parts.append(self._release())
            at += late or even or 1
        return parts

    def end(self) -> Slotted:
        """Say that the file has no more rows."""
        return self._held

    def _late(self, slots: Ints) -> int:
        """Number of rows at the front that belong before what is given."""
        return _front(slots < slots[0] if self._last is None else slots < self._last)

    def _even(self, slots: Ints) -> int:
        """Number of rows at the front after which no earlier one has come."""
        newest = self._held.slots[-1] if self._held.slots.size else self._last
        return _front(np.diff(slots, prepend=slots[0] if newest is None else newest) >= 0)

    def _insert(self, row: Slotted) -> None:
        place = int(np.searchsorted(self._held.slots, row.slots[0], side="right"))
        self._held = joined([self._held.before(place), row, self._held.after(place)], self._columns)

    def _release(self) -> Slotted:
        """Give up to the first gap that may still be filled."""
        held = self._held
        before = held.slots[0] if self._last is None else self._last
        gaps = np.flatnonzero(np.diff(held.slots, prepend=before) > self._interval_ms)
        waiting = gaps[gaps >= held.slots.size - self._look_ahead]
        end = int(waiting[0]) if waiting.size else held.slots.size
        if end:
            self._last = int(held.slots[end - 1])
            self._held = held.after(end).copy()
        return held.before(end)


def _front(true: Bools) -> int:
    """Number of rows at the front that are true."""
    return true.size if true.all() else int(np.argmin(true))
