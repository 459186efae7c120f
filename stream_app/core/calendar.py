"""Site-local days and the windows inside them, as instants in milliseconds UTC.

Sub-day windows are counted from the first instant of the local day, so that they add up to the
day in every zone, also where a day has 23, 24.5 or 25 hours or starts off the UTC hour.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.int64]

MINUTE_MS = 60_000
SLOT_MS = 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
"""Time by which limits are told; a local day may be shorter or longer."""
RESOLUTIONS_MS: dict[str, int] = {
    "5min": SLOT_MS,
    "15min": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "1d": 0,
}
"""Window lengths by name; the day has no fixed length."""

_DAY = timedelta(days=1)
_MARGIN_DAYS = 40
"""Days that are worked out at once beyond those asked for, and more the more are known already."""


class SiteCalendar:
    """The local days of one time zone.

    Parameters
    ----------
    zone
        IANA name, for instance ``Australia/Sydney``.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        The zone does not exist.
    """

    def __init__(self, zone: str) -> None:
        self.zone = _zone(zone)
        self._edges: list[int] = []

    def local_date(self, instant: int) -> date:
        """Local date at ``instant`` (ms UTC)."""
        return _local(instant, self.zone).date()

    def first_instant(self, day: date) -> int:
        """First instant (ms UTC) of a local day."""
        return first_instant(day, self.zone)

    def edges(self, resolution: str, start: int, end: int) -> Instants:
        """Edges of all windows that cover ``[start, end]`` (ms UTC): first <= start, end < last.

        Returns
        -------
        int64 array, n + 1 edges for n windows, strictly rising.
        """
        days = self._days(start, end)
        step = RESOLUTIONS_MS[resolution]
        if not step:
            return np.array(days, dtype=np.int64)
        inner = [np.arange(a, b, step, dtype=np.int64) for a, b in pairwise(days)]
        every = np.concatenate([*inner, np.array(days[-1:], dtype=np.int64)])
        first = int(np.searchsorted(every, start, side="right")) - 1
        last = int(np.searchsorted(every, end, side="right"))
        return every[first : last + 1]

    def _days(self, start: int, end: int) -> list[int]:
        if not self._edges or start < self._edges[0] or end >= self._edges[-1]:
            self._extend(start, end)
        first = bisect_right(self._edges, start) - 1
        last = bisect_right(self._edges, end)
        return self._edges[first : last + 1]

    def _extend(self, start: int, end: int) -> None:
        margin = max(_MARGIN_DAYS, len(self._edges) // 4) * _DAY
        first = _local(start, self.zone).date() - margin
        last = _local(end, self.zone).date() + margin
        if self._edges:
            known = self.local_date(self._edges[0]), self.local_date(self._edges[-1])
            dates = [*_dates(first, known[0]), *_dates(known[1], last)]
        else:
            dates = [*_dates(first, last)]
        self._edges = sorted({*self._edges, *(first_instant(day, self.zone) for day in dates)})


@lru_cache(maxsize=64)
def calendar(zone: str) -> SiteCalendar:
    """The shared calendar of a zone; it only remembers what the zone already says."""
    return SiteCalendar(zone)


def spans(
    zone: SiteCalendar, resolution: str, times: Instants
) -> tuple[Instants, Instants, Instants]:
    """First instants of the local days, starts and ends of the windows that hold ``times``."""
    edges = zone.edges("1d", int(times[0]), int(times[-1]))
    place = np.searchsorted(edges, times, side="right") - 1
    days, after = edges[place], edges[place + 1]
    step = RESOLUTIONS_MS[resolution]
    if not step:
        return days, days, after
    starts = times - (times - days) % step
    return days, starts, np.minimum(starts + step, after)


def first_instant(day: date, zone: ZoneInfo) -> int:
    """First instant (ms UTC) whose local date is not before ``day``.

    Midnight may be missing or occur twice, so the zone is asked rather than an offset added.
    A date that the zone skipped altogether starts where the next one does.
    """
    midnight = round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
    if _local(midnight, zone).date() == day and _local(midnight - 1, zone).date() < day:
        return midnight
    low, high = midnight - DAY_MS, midnight + DAY_MS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _local(middle, zone).date() < day else (low, middle)
    return high


def _zone(name: str) -> ZoneInfo:
    """Read a zone; a folder of zones or a path outside them is none either."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as fault:
        raise ZoneInfoNotFoundError(f"No time zone found with key {name}") from fault


def _dates(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + offset * _DAY


def _local(instant: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant / 1000, tz=zone)
