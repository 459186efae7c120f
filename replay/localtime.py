"""Naive local times of an export to instants, with the hour that autumn repeats in file order."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock's own epoch
_TWELFTH = 12


@dataclass(frozen=True, eq=False)
class Changes:
    """Clock changes of a zone, in order.

    Attributes
    ----------
    start, end
        (n,) wall times [ms] between which a wall time is missing or occurs twice.
    offset
        (n + 1,) offset from UTC [ms] before, between and after the changes.
    """

    start: Ints
    end: Ints
    offset: Ints


@dataclass(frozen=True, eq=False)
class Instants:
    """``times`` (n,) [ms UTC], and where the wall time exists at all."""

    times: Ints
    exists: Bools


class LocalTime:
    """Resolves consecutive stretches of wall times of one source.

    A wall time that occurs twice is the first of the two until, within the repeated stretch, the
    rows step back; the largest step is taken for the change of the clock. A step shorter than a
    twelfth of the repeated time is rows out of order. With rows as far apart as the clock goes
    back, an equal time is the second one. Where they never step back, they are the second of the
    two if that leaves fewer gaps: they begin after one, and the row that follows is near.
    A stretch that comes newest first is resolved from its end.

    Parameters
    ----------
    zone
        IANA name.
    interval_ms
        Nominal time between rows.
    """

    def __init__(self, zone: str, interval_ms: int) -> None:
        self._zone = zone
        self._interval_ms = interval_ms
        self._over: tuple[int, int] | None = None
        self._newest: int | None = None

    def is_ambiguous(self, wall: int) -> bool:
        """Whether the zone has this wall time [ms] twice: later rows may decide which it is."""
        changes = _changes_around(self._zone, np.array([wall]))
        _, twice, _ = _between(changes, np.array([wall], dtype=np.int64))
        return bool(twice[0])

    def resolve(self, wall: Ints) -> Instants:
        """Find instants of wall times [ms] in file order; no repeated stretch is cut at the end."""
        if not wall.size:
            return Instants(wall, np.zeros(0, dtype=np.bool_))
        changes = _changes_around(self._zone, wall)
        index, twice, missing = _between(changes, wall)
        times = wall - changes.offset[index]
        self._resolve_twice(changes, wall, np.where(twice, index, -1), times)
        self._newest = int(wall[-1])
        return Instants(times, ~missing)

    def _resolve_twice(self, changes: Changes, wall: Ints, index: Ints, times: Ints) -> None:
        cuts = np.flatnonzero(np.diff(index)) + 1
        starts, stops = np.append(0, cuts), np.append(cuts, wall.size)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            change = int(index[start])
            if change < 0:
                self._forget(wall[start:stop])
                continue
            before = int(wall[start - 1]) if start else self._newest
            after = int(wall[stop]) if stop < wall.size else None
            part = wall[start:stop]
            if _newest_first(part, before, after):
                first = self._second_from(changes, change, part[::-1], (after, before))
                second = slice(start, stop - first)
            else:
                first = self._second_from(changes, change, part, (before, after))
                second = slice(start + first, stop)
            times[second] += changes.offset[change] - changes.offset[change + 1]

    def _forget(self, wall: Ints) -> None:
        """Expect another pass over the repeated stretch after a row from before it."""
        if self._over is not None and int(wall.min()) < self._over[1]:
            self._over = None

    def _second_from(
        self, changes: Changes, change: int, wall: Ints, around: tuple[int | None, int | None]
    ) -> int:
        """Row of a stretch at which the second occurrence begins; its length if it never does.

        ``around`` are the rows before and after the stretch.
        """
        start = int(changes.start[change])
        back_ms = int(changes.end[change]) - start
        if self._over == (change, start):
            return 0
        steps = wall[:-1] - wall[1:]
        least = 0 if self._interval_ms >= back_ms else back_ms // _TWELFTH
        if not steps.size or int(steps.max()) < least:
            return 0 if self._fewer_gaps_as_second(wall, around, back_ms) else wall.size
        self._over = (change, start)
        return int(np.argmax(steps)) + 1

    def _fewer_gaps_as_second(
        self, wall: Ints, around: tuple[int | None, int | None], back_ms: int
    ) -> bool:
        """Whether a stretch that never steps back fits better after the clock went back."""
        before, after = around
        if before is None or after is None:
            return False
        longest = 1.5 * self._interval_ms
        begin, end = int(wall[0]) - before, after - int(wall[-1])
        as_first = int(begin > longest) + int(end + back_ms > longest)
        as_second = int(begin + back_ms > longest) + int(end > longest)
        return as_second < as_first


def _newest_first(wall: Ints, before: int | None, after: int | None) -> bool:
    """Whether most steps of a stretch go back, with those from and to the rows around it."""
    around = [[] if each is None else [each] for each in (before, after)]
    steps = np.diff(np.concatenate([around[0], wall, around[1]]))
    return int(np.sign(steps).sum()) < 0


def wall_text(wall: int) -> str:
    """Write a wall time [ms] for people."""
    return (_EPOCH + timedelta(milliseconds=wall)).isoformat(sep=" ")


def instant(text: str, zone: str) -> int:
    """Instant [ms UTC] of an ISO 8601 date or time; local in ``zone`` unless it has an offset.

    Raises
    ------
    ValueError
        The text is no ISO 8601 date or time.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as fault:
        raise ValueError(
            f"{text!r} is no date or time; write 2025-03-30, 2025-03-30T14:00 or with +02:00"
        ) from fault
    aware = time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))
    return round(aware.timestamp() * 1000)


def _between(changes: Changes, wall: Ints) -> tuple[Ints, Bools, Bools]:
    """Count the changes that are past; tell where the next makes a time double or missing."""
    index = np.searchsorted(changes.end, wall, side="right")
    if not changes.end.size:
        none = np.zeros(wall.size, dtype=np.bool_)
        return index, none, none
    upcoming = np.minimum(index, changes.start.size - 1)
    inside = (index < changes.start.size) & (wall >= changes.start[upcoming])
    forward = np.diff(changes.offset)[upcoming] > 0
    return index, inside & ~forward, inside & forward


def _changes_around(zone: str, wall: Ints) -> Changes:
    years = [(_EPOCH + timedelta(milliseconds=int(t))).year for t in (wall.min(), wall.max())]
    return _changes(zone, years[0] - 1, years[1] + 1)


@lru_cache(maxsize=16)
def _changes(zone: str, first_year: int, last_year: int) -> Changes:
    info = ZoneInfo(zone)
    first = round(datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    last = round(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    days = range(first, last, _DAY_S)
    offsets = [_offset(info, day) for day in days]
    found = [
        _bisect(info, day, day + _DAY_S)
        for day, before, after in zip(days, offsets, offsets[1:], strict=False)
        if before != after
    ]
    around = [(at, _offset(info, at - 1), _offset(info, at)) for at in found]
    return Changes(
        np.array([(at + min(a, b)) * 1000 for at, a, b in around], dtype=np.int64),
        np.array([(at + max(a, b)) * 1000 for at, a, b in around], dtype=np.int64),
        np.array([offsets[0], *(b for _, _, b in around)], dtype=np.int64) * 1000,
    )


def _bisect(zone: ZoneInfo, low: int, high: int) -> int:
    """First second in (low, high] with the offset of ``high``."""
    after = _offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(zone, middle) == after else (middle, high)
    return high


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, tz=zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
