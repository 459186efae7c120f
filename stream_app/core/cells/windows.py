"""Windows of cells: five minutes from rows, longer ones from closed five-minute windows."""

from dataclasses import dataclass

import numpy as np

from stream_app.core.calendar import SiteCalendar, spans
from stream_app.core.cells.histogram import Histogram
from stream_app.core.cells.sums import Cell, Pack, Sums
from stream_app.core.energy import Ints


@dataclass
class OpenWindow:
    """The one window of a resolution that may still receive rows.

    Attributes
    ----------
    start, end, day
        ms UTC; ``day`` is the first instant of its local day.
    cells, pack, bins, counts
        Flat arrays of its sums and its histogram.
    """

    start: int
    end: int
    day: int
    cells: Ints
    pack: Ints
    bins: Ints
    counts: Ints


@dataclass(frozen=True, eq=False)
class Windows:
    """n windows in time order: starts, ends, first instants of their local days [ms UTC]."""

    starts: Ints
    ends: Ints
    days: Ints
    sums: Sums
    histogram: Histogram

    @property
    def size(self) -> int:
        return self.starts.size

    @property
    def rows(self) -> Ints:
        """Rows of each."""
        rows: Ints = self.sums.pack[Pack.ROWS]
        return rows

    def between(self, first: int, last: int) -> "Windows":
        """Windows ``first`` to before ``last``."""
        part = slice(first, last)
        return Windows(
            self.starts[part],
            self.ends[part],
            self.days[part],
            self.sums.between(first, last),
            self.histogram.between(first, last),
        )

    @classmethod
    def joined(cls, first: "Windows", second: "Windows") -> "Windows":
        """Those of both, one after the other."""
        return cls(
            np.concatenate((first.starts, second.starts)),
            np.concatenate((first.ends, second.ends)),
            np.concatenate((first.days, second.days)),
            Sums.joined(first.sums, second.sums),
            Histogram.joined(first.histogram, first.size, second.histogram),
        )

    def merged(self) -> "Windows":
        """Neighbours with the same start as one."""
        new = np.diff(self.starts, prepend=self.starts[:1] - 1) != 0
        if new.all():
            return self
        first = np.flatnonzero(new)
        return Windows(
            self.starts[first],
            self.ends[first],
            self.days[first],
            self.sums.merged(first),
            self.histogram.merged(np.cumsum(new) - 1),
        )

    def longer(self, resolution: str, zone: SiteCalendar) -> "Windows":
        """The longer windows that these lie in, as far as each fills them: not merged."""
        _, starts, ends = spans(zone, resolution, self.starts)
        return Windows(starts, ends, self.days, self.sums, self.histogram)


def advance(
    window: OpenWindow | None, fresh: Windows | None, now: int
) -> tuple[Windows | None, OpenWindow | None]:
    """Add ``fresh`` windows to the open one; those that end at or before ``now`` are closed.

    Returns
    -------
    The closed windows, None if there are none, and the open one: it is the last, as each begins
    after the one before.
    """
    every = joined(window, fresh)
    if every is None or every.ends[-1] <= now:
        return every, None
    closed = every.between(0, every.size - 1) if every.size > 1 else None
    return closed, _open(every.between(every.size - 1, every.size))


def joined(window: OpenWindow | None, fresh: Windows | None) -> Windows | None:
    """The open window and those after it; neighbours may be parts of one."""
    if window is None:
        return None if fresh is None else fresh.merged()
    if fresh is None:
        return _opened(window)
    return Windows.joined(_opened(window), fresh).merged()


def standing(
    window: OpenWindow | None, slot: OpenWindow, resolution: str, zone: SiteCalendar
) -> Windows:
    """An open longer window with the open slot, which is not yet in it; both stay as they are."""
    found = joined(window, _opened(slot).longer(resolution, zone))
    assert found is not None
    return found


def _opened(window: OpenWindow) -> Windows:
    start, end, day = np.array([[window.start], [window.end], [window.day]], dtype=np.int64)
    cells = window.cells.reshape(len(Cell), 1, -1)
    sums = Sums(cells, window.pack.reshape(len(Pack), 1))
    return Windows(start, end, day, sums, Histogram(window.bins, window.counts))


def _open(windows: Windows) -> OpenWindow:
    start, end, day = (int(each[0]) for each in (windows.starts, windows.ends, windows.days))
    # Copies, so that one open window does not keep the arrays of a whole batch.
    return OpenWindow(
        start,
        end,
        day,
        windows.sums.cells.ravel().copy(),
        windows.sums.pack.ravel().copy(),
        windows.histogram.keys.copy(),
        windows.histogram.counts.copy(),
    )
