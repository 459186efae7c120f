"""Windows of all lengths: longer ones from closed five-minute windows, and their revisions.

Of what is kept in the windows this knows nothing but how many rows they have.
"""

from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np

from stream_app.core.calendar import RESOLUTIONS_MS, SiteCalendar
from stream_app.core.energy import Ints

SLOT, DAY = "5min", "1d"
LONGER = tuple(name for name in RESOLUTIONS_MS if name != SLOT)
Shown = dict[str, tuple[int, int, int]]
"""Resolution -> start, revision and rows of the open window that an end of data published."""


class _Windows(Protocol):
    """Windows in time order."""

    @property
    def starts(self) -> Ints: ...

    @property
    def rows(self) -> Ints: ...

    def longer(self, resolution: str, zone: SiteCalendar) -> Self: ...


Closed = TypeVar("Closed", bound=_Windows)
Open = TypeVar("Open")
Advance = Callable[[Open | None, Closed, int], tuple[Closed | None, Open | None]]
"""Adds windows to the open one; gives those that are over at a time [ms UTC], and the open one."""


def close_all(
    windows: dict[str, Open],
    slots: Closed,
    zone: SiteCalendar,
    now: int,
    advance: Advance[Open, Closed],
) -> list[tuple[str, Closed]]:
    """Closed five-minute windows, and what they close of the longer ``windows`` that are open."""
    found = [(SLOT, slots)]
    for resolution in LONGER:
        window = windows.pop(resolution, None)
        over, window = advance(window, slots.longer(resolution, zone), now)
        if window is not None:
            windows[resolution] = window
        if over is not None:
            found.append((resolution, over))
    return found


def closed_revisions(shown: Shown, resolution: str, windows: _Windows) -> Ints:
    """(n,) of closed windows; one that was shown with the same rows keeps its revision."""
    revisions = np.ones(windows.starts.size, dtype=np.int64)
    known = shown.get(resolution)
    if known is not None and known[0] == windows.starts[0]:
        _, revision, rows = shown.pop(resolution)
        revisions[0] = revision + (rows != windows.rows[0])
    return revisions


def standing_revision(shown: Shown, resolution: str, window: _Windows) -> Ints | None:
    """(1,) of an open window as it stands; None if it has been shown so."""
    start, rows = int(window.starts[0]), int(window.rows[0])
    before, revision, seen = shown.get(resolution, (start, 0, 0))
    if before != start:
        revision, seen = 0, 0
    if seen == rows:
        return None
    shown[resolution] = (start, revision + 1, rows)
    return np.array([revision + 1], dtype=np.int64)
