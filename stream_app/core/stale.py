"""STALE_DATA of a battery: no row of a pack, or of its system's signals, for too long.

Each is judged by its own rows and by what tells the time without any, heartbeats and ends of data;
never by the rows of another, for a record of one may hold hours. A silence that nothing told of is
told by the row that ends it, with the same two changes: heartbeats only make it known sooner.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from stream_app.core.clock import Clock
from stream_app.core.energy import Ints
from stream_app.core.watch import Worst

StaleRule = Literal["STALE_DATA"]


class Expected(NamedTuple):
    """What is still to come under a key; times in ms UTC.

    Attributes
    ----------
    newest
        Newest sample or row of all.
    oldest, stale_ms
        Newest one of what will be told silent next, and the silence that raises STALE_DATA [ms].
    """

    newest: int
    oldest: int
    stale_ms: int


@dataclass(frozen=True)
class Silence:
    """A silence that has become too long, or has ended; times in ms UTC.

    Attributes
    ----------
    since
        When it became too long.
    value, limit
        How long it has been, and may be [s].
    judged
        False where it ended because nothing is to come any more.
    """

    raised: bool
    time: int
    since: int
    value: float
    limit: float
    judged: bool = True
    rule: StaleRule = "STALE_DATA"

    @property
    def worst(self) -> Worst | None:
        """A silence is longest when it ends."""
        return None if self.raised else Worst(self.value, self.limit)


@dataclass
class Stale:
    """Since when rows are missing [ms UTC]; None while they come."""

    since: int | None = None

    def heard(self, clock: Clock, time: int, limit_ms: int) -> list[Silence]:
        """It is ``time``, and no row is newer than ``clock`` says."""
        if self.since is not None or clock.now is None or time - clock.now <= limit_ms:
            return []
        return [self._begin(clock.now, limit_ms)]

    def rows(self, before: int | None, times: Ints, limit_ms: int) -> list[tuple[int, Silence]]:
        """Changes with the row of ``times`` (n,) that showed each; they follow ``before``."""
        if not times.size:
            return []
        last = np.append(times[0] if before is None else before, times[:-1])
        missed = times - last > limit_ms
        missed[0] |= self.since is not None
        return [
            (row, each)
            for row in np.flatnonzero(missed).tolist()
            for each in self._ended(int(last[row]), int(times[row]), limit_ms)
        ]

    def end(self, limit_ms: int) -> list[Silence]:
        """Nothing is to come any more."""
        if self.since is None:
            return []
        since, self.since = self.since, None
        return [Silence(False, since, since, limit_ms / 1000, limit_ms / 1000, judged=False)]

    def _ended(self, last: int, time: int, limit_ms: int) -> Iterator[Silence]:
        if self.since is None:
            yield self._begin(last, limit_ms)
        assert self.since is not None
        since, self.since = self.since, None
        yield Silence(False, time, since, (time - last) / 1000, limit_ms / 1000)

    def _begin(self, last: int, limit_ms: int) -> Silence:
        self.since = last + limit_ms
        return Silence(True, self.since, self.since, limit_ms / 1000, limit_ms / 1000)
