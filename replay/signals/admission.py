"""Which rows of one file have a time that can be believed, and which of them share a slot."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.energy import Bools, Floats, Ints

FAR_AHEAD = "a time far ahead that no second row confirms"
FALSE_START = "a first row far ahead of most rows that follow"
_WITNESSES = 2
"""Rows, each far ahead of the one before, that confirm the row before them."""
_FEWEST_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Slotted:
    """Rows that are taken: ``slots`` (n,) [ms UTC] never step back, ``values`` (columns, n).

    ``times`` (n,) lie less than half an interval from the slots.
    """

    slots: Ints
    times: Ints
    values: Floats

    def before(self, row: int) -> "Slotted":
        """Rows before one."""
        return Slotted(self.slots[:row], self.times[:row], self.values[:, :row])

    def after(self, row: int) -> "Slotted":
        """Rows from one on."""
        return Slotted(self.slots[row:], self.times[row:], self.values[:, row:])

    def copy(self) -> "Slotted":
        """The same rows, which keep nothing of those around them."""
        return Slotted(self.slots.copy(), self.times.copy(), self.values.copy())


def joined(parts: Sequence[Slotted], columns: int) -> Slotted:
    """The rows of all parts, one part after the other."""
    some = [part for part in parts if part.slots.size]
    if len(some) == 1:
        return some[0]
    nothing = np.zeros(0, dtype=np.int64)
    every = [Slotted(nothing, nothing, np.zeros((columns, 0))), *some]
    return Slotted(
        np.concatenate([part.slots for part in every]),
        np.concatenate([part.times for part in every]),
        np.concatenate([part.values for part in every], axis=1),
    )


@dataclass
class Refused:
    """Numbers of rows that are not taken, with the reason."""

    rows: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Taken:
    """Rows in file order: ``times`` (n,) [ms UTC], ``values`` (columns, n).

    ``rows`` (n,) are their numbers in the file.
    """

    times: Ints
    values: Floats
    rows: Ints

    def part(self, low: int, high: int) -> "Taken":
        """Some of them."""
        return Taken(self.times[low:high], self.values[:, low:high], self.rows[low:high])


class Admission:
    """Takes the rows of one file in file order, however they are cut into chunks.

    A row more than ``skew_ms`` after the newest is set aside until the next row lies within
    ``skew_ms`` of it, or the next two after it; the first rows until the next lies within
    ``skew_ms``: one wrong time neither ends nor starts a file. Nor does a row start one that lies
    more than ``skew_ms`` after ``start_ms`` [ms UTC], the median of the times in its head.
    """

    def __init__(self, skew_ms: int, start_ms: int | None = None) -> None:
        self._skew_ms = skew_ms
        self._latest_start = None if start_ms is None else start_ms + skew_ms
        self._newest: int | None = None
        self._pending: list[Taken] = []

    def take(self, rows: Taken, refused: Refused) -> list[Taken]:
        """Take rows; ``refused`` takes up what is not taken."""
        parts = []
        at = 0
        while at < rows.times.size:
            plain = self._plain(rows.times[at:])
            if plain:
                parts += self._known(rows.part(at, at + plain))
            else:
                parts += self._taken(rows.part(at, at + 1), refused)
            at += max(plain, 1)
        return parts

    def end(self, refused: Refused) -> list[Taken]:
        """Say that the file has no more rows: of rows set aside only the last lacks a witness."""
        last = [] if self._newest is None else self._confirm(len(self._pending) - 1)
        self._dismiss(refused)
        return last

    def _plain(self, times: Ints) -> int:
        """Number of rows at the front of which none lies far after all before it."""
        if self._newest is None or self._pending:
            return 0
        size = _FEWEST_AT_ONCE
        while True:
            some = times[:size]
            newest = np.maximum.accumulate(np.append(self._newest, some[:-1]))
            far = np.flatnonzero(some - newest > self._skew_ms)
            if far.size:
                return int(far[0])
            if size >= times.size:
                return times.size
            size *= 8

    def _taken(self, row: Taken, refused: Refused) -> list[Taken]:
        time = _time(row)
        if self._newest is None:
            return self._first(row, refused)
        if time - self._newest <= self._skew_ms:
            self._dismiss(refused)
            return self._known(row)
        self._dismiss(refused, after=time + self._skew_ms)
        if self._pending and time - _time(self._pending[-1]) <= self._skew_ms:
            return [*self._confirm(len(self._pending)), *self._known(row)]
        self._pending.append(row)
        return self._confirm(len(self._pending) - _WITNESSES)

    def _first(self, row: Taken, refused: Refused) -> list[Taken]:
        time = _time(row)
        if time > (self._latest_start or time):
            refused.rows.append((int(row.rows[0]), FALSE_START))
            return []
        if self._pending and abs(time - _time(self._pending[0])) <= self._skew_ms:
            return [*self._confirm(1), *self._known(row)]
        self._dismiss(refused)
        self._pending.append(row)
        return []

    def _confirm(self, count: int) -> list[Taken]:
        """Take the first of the rows set aside."""
        found, self._pending = self._pending[: max(count, 0)], self._pending[max(count, 0) :]
        self._newest = _time(found[-1]) if found else self._newest
        return found

    def _known(self, rows: Taken) -> list[Taken]:
        assert self._newest is not None
        self._newest = max(self._newest, int(rows.times.max()))
        return [rows]

    def _dismiss(self, refused: Refused, after: int | None = None) -> None:
        """Refuse the rows set aside, or those of them after a time."""
        gone = [each for each in self._pending if after is None or _time(each) > after]
        refused.rows += [(int(each.rows[0]), FAR_AHEAD) for each in gone]
        self._pending = self._pending[: len(self._pending) - len(gone)]


def _time(row: Taken) -> int:
    return int(row.times[0])


def one_a_time(rows: Slotted, most: Bools, apart: bool) -> tuple[Slotted, int]:
    """Publish whole slots: one row at each time, and the number of rows that gave way.

    Parameters
    ----------
    most
        (columns,) of which the highest value of a slot counts. Of others the lowest or the highest
        does, whichever fewer values of the slot are near: an event does not give way to its
        surroundings. Where there are as many of both, the last does.
    apart
        Leave rows of a slot whose values differ at times of their own.
    """
    keys = _own_times(rows) if apart else rows.slots
    if (np.diff(keys) > 0).all():
        return Slotted(keys, rows.times, rows.values), 0
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = _starts(keys)
    values = _merged(rows.values[:, order], first, most)
    return Slotted(keys[first], rows.times[order][first], values), keys.size - first.size


def _starts(keys: Ints) -> Ints:
    """Where runs of equal keys (n,) begin."""
    return np.flatnonzero(np.append(np.bool_(keys.size), keys[1:] != keys[:-1])[: keys.size])


def _own_times(rows: Slotted) -> Ints:
    """Slots, or times of rows in slots in which a column has several values."""
    first = _starts(rows.slots)
    if first.size == rows.slots.size:
        return rows.slots
    low = np.fmin.reduceat(rows.values, first, axis=1)
    high = np.fmax.reduceat(rows.values, first, axis=1)
    differ = np.repeat((high > low).any(axis=0), np.diff(first, append=rows.slots.size))
    return np.where(differ, rows.times, rows.slots)


def _merged(values: Floats, first: Ints, most: Bools) -> Floats:
    """One value (columns, m) for each run of rows (columns, n)."""
    places = np.where(np.isnan(values), -1, np.arange(values.shape[1]))
    newest = np.maximum.reduceat(places, first, axis=1)
    last = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    low = np.fmin.reduceat(values, first, axis=1)
    high = np.fmax.reduceat(values, first, axis=1)
    middle = np.repeat(low + (high - low) / 2, np.diff(first, append=values.shape[1]), axis=1)
    above = np.add.reduceat((values > middle).astype(np.int64), first, axis=1)
    below = np.add.reduceat((values < middle).astype(np.int64), first, axis=1)
    rare_high = most[:, np.newaxis] | ((above > 0) & (above < below))
    rare_low = (below > 0) & (below < above)
    found: Floats = np.where(rare_high, high, np.where(rare_low, low, last))
    return found
