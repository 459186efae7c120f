"""Which rows of one file are taken, and into which slot of the grid each falls."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.energy import Floats, Ints

FAR_AHEAD = "a time far ahead that no second row confirms"
STEPS_BACK = "a row before the slot of the row before it"
_FEWEST_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Slotted:
    """Rows that are taken: ``slots`` (n,) [ms UTC] never step back, ``values`` (columns, n)."""

    slots: Ints
    values: Floats

    def before(self, row: int) -> "Slotted":
        """Rows before one."""
        return Slotted(self.slots[:row], self.values[:, :row])

    def after(self, row: int) -> "Slotted":
        """Rows from one on."""
        return Slotted(self.slots[row:], self.values[:, row:])


def joined(parts: Sequence[Slotted], columns: int) -> Slotted:
    """The rows of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    none = Slotted(np.zeros(0, dtype=np.int64), np.zeros((columns, 0)))
    every = [none, *parts]
    slots = np.concatenate([part.slots for part in every])
    return Slotted(slots, np.concatenate([part.values for part in every], axis=1))


@dataclass
class Refused:
    """Numbers of rows that are not taken, with the reason."""

    rows: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Row:
    time: int
    row: int
    values: Floats


class Admission:
    """Takes the rows of one file in file order, however they are cut into chunks.

    A slot is centred on a multiple of the interval: clocks of files may differ by less than half of
    it. A row more than ``skew_ms`` after the newest is set aside until the next row lies within
    ``skew_ms`` of it, and so are the first rows: one wrong time neither ends nor starts a file.
    """

    def __init__(self, interval_ms: int, skew_ms: int) -> None:
        self._interval_ms, self._skew_ms = interval_ms, skew_ms
        self._newest: int | None = None
        self._pending: _Row | None = None

    @property
    def newest_slot(self) -> int | None:
        """Newest slot [ms UTC] in which a row was taken."""
        return None if self._newest is None else self._slot(self._newest)

    def take(self, times: Ints, values: Floats, rows: Ints, refused: Refused) -> Slotted:
        """Take rows.

        Parameters
        ----------
        times, values
            (n,) [ms UTC], and (columns, n).
        rows
            (n,) their numbers in the file.
        refused
            Takes up what is not taken.
        """
        parts = []
        at = 0
        while at < times.size:
            plain = self._plain(times[at:])
            if plain:
                part = slice(at, at + plain)
                self._newest = int(times[part.stop - 1])
                parts.append(Slotted(self._slots(times[part]), values[:, part]))
            else:
                row = _Row(int(times[at]), int(rows[at]), values[:, at])
                parts += [self._alone(each) for each in self._taken(row, refused)]
            at += max(plain, 1)
        return joined(parts, values.shape[0])

    def end(self, refused: Refused) -> None:
        """Say that the file has no more rows."""
        self._dismiss(refused)

    def _plain(self, times: Ints) -> int:
        """Number of rows at the front that simply follow one another, some of them at least."""
        if self._newest is None or self._pending is not None:
            return 0
        size = _FEWEST_AT_ONCE
        while True:
            steps = np.diff(times[:size], prepend=self._newest)
            odd = np.flatnonzero((steps < 0) | (steps > self._skew_ms))
            if odd.size:
                return int(odd[0])
            if size >= times.size:
                return times.size
            size *= 8

    def _taken(self, row: _Row, refused: Refused) -> list[_Row]:
        if self._newest is not None and row.time - self._newest <= self._skew_ms:
            self._dismiss(refused)
            return self._if_not_back(row, refused)
        pending = self._pending
        if pending is None or abs(row.time - pending.time) > self._skew_ms:
            self._dismiss(refused)
            self._pending = row
            return []
        self._pending, self._newest = None, pending.time
        return [pending, *self._if_not_back(row, refused)]

    def _if_not_back(self, row: _Row, refused: Refused) -> list[_Row]:
        assert self._newest is not None
        if self._slot(row.time) < self._slot(self._newest):
            refused.rows.append((row.row, STEPS_BACK))
            return []
        self._newest = max(self._newest, row.time)
        return [row]

    def _dismiss(self, refused: Refused) -> None:
        if self._pending is not None:
            refused.rows.append((self._pending.row, FAR_AHEAD))
            self._pending = None

    def _alone(self, row: _Row) -> Slotted:
        return Slotted(self._slots(np.array([row.time])), row.values[:, np.newaxis])

    def _slot(self, time: int) -> int:
        return (time + self._interval_ms // 2) // self._interval_ms * self._interval_ms

    def _slots(self, times: Ints) -> Ints:
        return (times + self._interval_ms // 2) // self._interval_ms * self._interval_ms


def one_a_slot(rows: Slotted) -> tuple[Slotted, int]:
    """Keep the last value of every slot, and count the rows that shared a slot with a later one."""
    last = np.flatnonzero(np.append(rows.slots[1:] != rows.slots[:-1], np.bool_(rows.slots.size)))
    shared = rows.slots.size - last.size
    if not shared:
        return rows, 0
    slots, values = rows.slots[last], rows.values[:, last]
    for back in range(1, int(np.diff(last, prepend=-1).max())):
        earlier = np.maximum(last - back, 0)
        same = (last >= back) & (rows.slots[earlier] == slots)
        fill = same & np.isnan(values)
        values = np.where(fill, rows.values[:, earlier], values)
    return Slotted(slots, values), shared
