"""Rows of several signals with one time each, as whole numbers, and which of them are taken.

The rule is that of the event clock with no lateness: rows taken rise strictly in time; a row far
ahead waits until a second one agrees with it. A row is taken or refused with all its values.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeVar

import numpy as np

from stream_app.core.calendar import DAY_MS
from stream_app.core.clock import Clock, Samples, admit, follow, settle, witnessed
from stream_app.core.energy import Floats, Ints

NONE = int(np.iinfo(np.int64).min)
"""No value."""
REFUSED = NONE + 1
"""A value that the signal cannot have; :meth:`Rows.known` makes it none."""
Message = TypeVar("Message")
RowReason = Literal["late", "ahead"]
"""Not after the newest row; or too far ahead of it, and nothing confirmed it."""


@dataclass(frozen=True)
class Signal:
    """How a signal becomes whole numbers: value times ``scale``, rounded half to even.

    What is not within ``least`` and ``most`` (before scaling) is refused; what is below ``floor``
    is noise about it. Without a scale nothing is refused, and the numbers are the values' places in
    the order of float64: nothing is lost, but they can only be compared.
    """

    name: str
    scale: float | None = None
    least: float = -math.inf
    most: float = math.inf
    floor: float = -math.inf

    def whole(self, values: Floats) -> Ints:
        """Whole numbers of values; NONE where there is none, or REFUSED."""
        if self.scale is None:
            return np.where(np.isnan(values), NONE, _turned((values + 0.0).view(np.int64)))
        good = (values >= self.least) & (values <= self.most)
        kept = np.maximum(np.where(good, values, 0.0), self.floor)
        found = np.rint(kept * self.scale).astype(np.int64)
        return np.where(good, found, np.where(np.isnan(values), NONE, REFUSED))

    def told(self, wholes: Ints) -> Floats:
        """The values of whole numbers that are some, in the unit of the signal."""
        if self.scale is None:
            return _turned(wholes).view(np.float64)
        found: Floats = wholes / self.scale
        return found


_PLAIN = Signal("")


@dataclass(frozen=True, eq=False)
class Rows:
    """Times (n,) in ms UTC and values (n, signals) as whole numbers, NONE where there is none."""

    times: Ints
    values: Ints

    def between(self, first: int, last: int) -> "Rows":
        """Rows ``first`` to before ``last``."""
        return Rows(self.times[first:last], self.values[first:last])

    def known(self) -> "tuple[Rows, Ints]":
        """The same rows without refused values, and the number of these by signal."""
        refused = self.values == REFUSED
        if not refused.any():
            return self, np.zeros(refused.shape[1], dtype=np.int64)
        return Rows(self.times, np.where(refused, NONE, self.values)), refused.sum(axis=0)

    def of(self, column: int) -> "tuple[Ints, Ints, Ints]":
        """Places, times and values of the rows that have a value in a column."""
        values = self.values[:, column]
        places = np.flatnonzero(values != NONE)
        return places, self.times[places], values[places]


@dataclass
class RowClock:
    """Event clock of rows, and the values of the rows that it has set aside.

    ``clock.ahead`` holds (time, place in ``aside``).
    """

    clock: Clock = field(default_factory=Clock)
    aside: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class LateRow:
    """A row that was not taken: its time [ms UTC] and why."""

    time: int
    reason: RowReason


def batches(messages: Sequence[Message], with_rows: type) -> Iterator[list[tuple[int, Message]]]:
    """Messages with their places: neighbours with rows together, each other one alone."""

    def kind(placed: tuple[int, Message]) -> int:
        place, message = placed
        return -1 if isinstance(message, with_rows) else place

    for _, batch in groupby(enumerate(messages), key=kind):
        yield list(batch)


def whole(signals: Sequence[Signal], messages: Sequence[tuple[Ints, Mapping[str, Floats]]]) -> Rows:
    """Rows of consecutive messages: times (n,), values by name (n,)."""
    times = np.concatenate([times for times, _ in messages]).astype(np.int64)
    columns = np.full((len(signals), times.size), np.nan)
    first = 0
    for stamps, values in messages:
        last = first + stamps.size
        for column, signal in zip(columns, signals, strict=True):
            if signal.name in values:
                column[first:last] = values[signal.name]
        first = last
    return Rows(times, _wholes(signals, columns))


def _wholes(signals: Sequence[Signal], columns: Floats) -> Ints:
    """Values (signals, n) as whole numbers (n, signals); those without a scale all at once."""
    found = np.empty((columns.shape[1], len(signals)), dtype=np.int64)
    plain = [place for place, each in enumerate(signals) if each.scale is None]
    found[:, plain] = _PLAIN.whole(columns[plain]).T
    for place, signal in enumerate(signals):
        if signal.scale is not None:
            found[:, place] = signal.whole(columns[place])
    return found


def _turned(bits: Ints) -> Ints:
    """Bits of float64 to whole numbers in the order of the values, and the same way back.

    Those of negative values fall where they should rise.
    """
    return np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits)


def take(state: RowClock, rows: Rows, skew_ms: int) -> tuple[Rows, list[LateRow]]:
    """The rows that the clock takes, strictly rising, and those that it refuses."""
    if follow(state.clock, rows.times, skew_ms):
        return rows, []
    held, before = len(state.aside), max(state.clock.now or 0, state.clock.settled or 0)
    every = _with_aside(state, rows)
    places = np.arange(held, every.times.size)
    samples = Samples(rows.times, places.astype(np.float64), places)
    found = admit(state.clock, samples, 0, skew_ms)
    _keep_aside(state, every)
    late = _refused(found.late, found.taken, before) if found.late.times.size else []
    return _chosen(every, found.taken.times, found.taken.power), late


def take_until(state: RowClock, time: int, skew_ms: int) -> tuple[Rows, list[LateRow], int | None]:
    """Nothing before ``time`` is to come: take the rows that waited till then.

    Returns
    -------
    Those rows, what of them contradicts the newest, and the end that the rows speak for: not more
    than a day, or the skew if that is longer, after the newest. None if there are no rows.
    """
    span = max(DAY_MS, skew_ms)
    newest = witnessed(state.clock, time, span)
    every = _with_aside(state, Rows(np.zeros(0, np.int64), np.zeros((0, 0), np.int64)))
    if newest is None:
        return every.between(0, 0), [], None
    until = min(time, newest + span)
    due, given_up = settle(state.clock, until - 1)
    _keep_aside(state, every)
    late = [LateRow(time, "late") for time, _ in given_up]
    taken = Samples.of([(*each, 0) for each in due])
    rising = np.append(True, np.diff(taken.times) > 0)[: taken.times.size]
    late += [LateRow(time, "late") for time in taken.times[~rising].tolist()]
    taken = taken.where(rising)
    return _chosen(every, taken.times, taken.power), late, until


def _with_aside(state: RowClock, rows: Rows) -> Rows:
    if not state.aside:
        return rows
    times = np.zeros(len(state.aside), dtype=np.int64)
    for time, place in state.clock.ahead:
        times[int(place)] = time
    values = np.array(state.aside, dtype=np.int64)
    if not rows.times.size:
        return Rows(times, values)
    return Rows(np.append(times, rows.times), np.concatenate([values, rows.values]))


def _keep_aside(state: RowClock, every: Rows) -> None:
    ahead = state.clock.ahead
    state.aside = [every.values[int(place)].tolist() for _, place in ahead]
    state.clock.ahead = [(time, float(number)) for number, (time, _) in enumerate(ahead)]


def _chosen(every: Rows, times: Ints, places: Floats) -> Rows:
    if times.size == every.times.size and np.array_equal(times, every.times):
        return every
    return Rows(times, every.values[places.astype(np.int64)])


def _refused(late: Samples, taken: Samples, before: int) -> list[LateRow]:
    """Why each was refused, judged by where the clock stood when it was."""
    newest = np.append(before, taken.times)
    stood = newest[np.searchsorted(taken.rows, late.rows, side="right")]
    return [
        LateRow(time, "late" if time <= now else "ahead")
        for time, now in zip(late.times.tolist(), stood.tolist(), strict=True)
    ]
