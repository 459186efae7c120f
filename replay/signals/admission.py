"""Which rows of one file are taken, and into which slot of the grid each falls."""

from dataclasses import dataclass, field

import numpy as np

from stream_app.core.energy import Floats, Ints

FAR_AHEAD = "a time far ahead that no second row confirms"
STEPS_BACK = "a row before the slot of the row before it"


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
        if times.size and self._is_plain(times):
            self._newest = max(int(times[-1]), self._newest or 0)
            return Slotted(self._slots(times), values)
        taken: list[_Row] = []
        for time, row, value in zip(times.tolist(), rows.tolist(), values.T, strict=True):
            taken += self._taken(_Row(time, row, value), refused)
        return self._joined(taken, values.shape[0])

    def end(self, refused: Refused) -> None:
        """Say that the file has no more rows."""
        self._dismiss(refused)

    def _is_plain(self, times: Ints) -> bool:
        if self._newest is None or self._pending is not None:
            return False
        steps = np.diff(times, prepend=self._newest)
        return bool((steps >= 0).all() and (steps <= self._skew_ms).all())

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

    def _joined(self, taken: list[_Row], columns: int) -> Slotted:
        times = np.array([row.time for row in taken], dtype=np.int64)
        values = np.array([row.values for row in taken]).reshape(len(taken), columns).T
        return Slotted(self._slots(times), values)

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
