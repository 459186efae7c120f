"""Windows of a battery system's signals: how many values, the lowest and the highest of each.

Five minutes from rows, longer ones from closed five-minute windows. A lowest and a highest value
lose nothing when windows are merged, so that all lengths are exact however rows were cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.calendar import RESOLUTIONS_MS, SiteCalendar, spans
from stream_app.core.energy import Floats, Ints
from stream_app.core.health.columns import SIGNALS
from stream_app.core.resolutions import (
    SLOT,
    Shown,
    close_all,
    closed_revisions,
    standing_revision,
)
from stream_app.core.rows import NONE, REFUSED, Signal

SAMPLES, REFUSALS, LOWEST, HIGHEST = range(4)
"""What is kept of each signal: values, values that it cannot have, and the extremes of the others
as whole numbers."""
NO_LOW, NO_HIGH = int(np.iinfo(np.int64).max), NONE
NOTHING = (0, 0, NO_LOW, NO_HIGH)
_KNOWN = {signal.name: signal for signal in SIGNALS}


@dataclass
class OpenSignals:
    """The one window of a length that may still receive rows.

    Attributes
    ----------
    start, end
        ms UTC.
    signals
        Those that came, by name: ``SAMPLES`` to ``HIGHEST``.
    """

    start: int
    end: int
    rows: int
    signals: dict[str, list[int]]


@dataclass
class LongerSignals:
    """What changes only when a five-minute window closes, or the data ends.

    Attributes
    ----------
    windows
        Open window of each longer length, without the open five-minute window.
    shown
        What an end of data published of the open windows.
    """

    windows: dict[str, OpenSignals] = field(default_factory=dict)
    shown: Shown = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Windows:
    """n windows in time order: starts, ends [ms UTC] and rows (n,); sums (4, n, signals).

    ``names`` are those of the signals, in order.
    """

    names: tuple[str, ...]
    starts: Ints
    ends: Ints
    rows: Ints
    sums: Ints

    @property
    def size(self) -> int:
        return self.starts.size

    def between(self, first: int, last: int) -> "Windows":
        """Windows ``first`` to before ``last``."""
        part = slice(first, last)
        starts, ends, rows = self.starts[part], self.ends[part], self.rows[part]
        return Windows(self.names, starts, ends, rows, self.sums[:, part])

    def longer(self, resolution: str, zone: SiteCalendar) -> "Windows":
        """The longer windows that these lie in, as far as these fill them."""
        _, starts, ends = spans(zone, resolution, self.starts)
        return Windows(self.names, starts, ends, self.rows, self.sums).merged()

    def merged(self) -> "Windows":
        """Neighbours with the same start as one."""
        first = _begins(self.starts)
        if first.size == self.size:
            return self
        sums = np.concatenate(
            [
                np.add.reduceat(self.sums[:LOWEST], first, axis=1),
                np.minimum.reduceat(self.sums[LOWEST:HIGHEST], first, axis=1),
                np.maximum.reduceat(self.sums[HIGHEST:], first, axis=1),
            ]
        )
        rows = np.add.reduceat(self.rows, first)
        return Windows(self.names, self.starts[first], self.ends[first], rows, sums)


@dataclass(frozen=True, eq=False)
class SignalWindows:
    """n windows of one length, in time order; only windows that have rows.

    Attributes
    ----------
    revisions
        (n,) 1 for the first publication of a window; the highest holds.
    final
        False where the end of the data published a window that was not over.
    """

    resolution: str
    windows: Windows
    revisions: Ints
    final: bool

    @property
    def size(self) -> int:
        return self.windows.size

    def between(self, first: int, last: int) -> "SignalWindows":
        """Windows ``first`` to before ``last``."""
        windows, revisions = self.windows.between(first, last), self.revisions[first:last]
        return SignalWindows(self.resolution, windows, revisions, self.final)

    @property
    def newest(self) -> "SignalWindows":
        """The last one."""
        return self.between(self.size - 1, self.size)

    def extremes(self, place: int) -> tuple[Floats, Floats]:
        """Lowest and highest value (n,) of a signal, in its unit; NaN where it has none."""
        low, high = self.windows.sums[LOWEST:, :, place]
        none = self.windows.sums[SAMPLES, :, place] == 0
        name = self.windows.names[place]
        signal = _KNOWN.get(name, Signal(name))
        lowest, highest = (np.where(none, np.nan, signal.told(each)) for each in (low, high))
        return lowest, highest


def windows_of_rows(
    zone: SiteCalendar, signals: Sequence[Signal], times: Ints, values: Ints
) -> Windows:
    """Five-minute windows of rows (n, signals), strictly rising, of which there is one at least."""
    there = np.flatnonzero((values != NONE).any(axis=0)).tolist()
    came = sorted(there, key=lambda place: signals[place].name)
    values = values[:, came]
    _, starts, ends = spans(zone, SLOT, times)
    first = _begins(starts)
    refused = values == REFUSED
    known = (values != NONE) & ~refused
    sums = np.stack(
        [
            np.add.reduceat(known.astype(np.int64), first),
            np.add.reduceat(refused.astype(np.int64), first),
            np.minimum.reduceat(np.where(known, values, NO_LOW), first),
            np.maximum.reduceat(np.where(known, values, NO_HIGH), first),
        ]
    )
    rows = np.diff(first, append=times.size)
    names = tuple(signals[each].name for each in came)
    return Windows(names, starts[first], ends[first], rows, sums)


def fold_windows(
    slot: OpenSignals | None, longer: LongerSignals, zone: SiteCalendar, fresh: Windows, now: int
) -> tuple[list[SignalWindows], OpenSignals | None]:
    """Add fresh five-minute windows, of rows up to ``now``, to the open one.

    Returns
    -------
    The windows of all lengths that are over, and the open five-minute window.
    """
    closed, slot = _advance(slot, fresh, now)
    if closed is None:
        return [], slot
    found = close_all(longer.windows, closed, zone, now, _advance)
    told = [(name, each, closed_revisions(longer.shown, name, each)) for name, each in found]
    return [SignalWindows(*each, final=True) for each in told], slot


def preview_windows(
    slot: OpenSignals | None, longer: LongerSignals, zone: SiteCalendar
) -> list[SignalWindows]:
    """The open windows as they stand, as far as they have not been published so."""
    if slot is None:
        return []
    found = []
    for resolution in RESOLUTIONS_MS:
        window = _opened(slot)
        if resolution != SLOT:
            window = _joined(longer.windows.get(resolution), window.longer(resolution, zone))
        revision = standing_revision(longer.shown, resolution, window)
        if revision is not None:
            found.append(SignalWindows(resolution, window, revision, final=False))
    return found


def _begins(keys: Ints) -> Ints:
    """Where runs of equal keys begin, of which there is one at least."""
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))


def _advance(
    window: OpenSignals | None, fresh: Windows, now: int
) -> tuple[Windows | None, OpenSignals | None]:
    """Add ``fresh`` windows to the open one; gives those that are over, and the open one."""
    every = _joined(window, fresh)
    last = every.size if every.ends[-1] <= now else every.size - 1
    closed = every.between(0, last) if last else None
    return closed, _open(every.between(last, last + 1)) if last < every.size else None


def _joined(window: OpenSignals | None, fresh: Windows) -> Windows:
    """The open window and those after it; the first of these may be more of the same one."""
    if window is None:
        return fresh
    before = _opened(window)
    names = tuple(sorted({*before.names, *fresh.names}))
    return Windows(
        names,
        np.append(before.starts, fresh.starts),
        np.append(before.ends, fresh.ends),
        np.append(before.rows, fresh.rows),
        np.concatenate([_under(names, before), _under(names, fresh)], axis=1),
    ).merged()


def _under(names: tuple[str, ...], windows: Windows) -> Ints:
    """Sums of windows with a place for each of the names."""
    if names == windows.names:
        return windows.sums
    sums = np.empty((len(NOTHING), windows.size, len(names)), dtype=np.int64)
    sums[:] = np.array(NOTHING, dtype=np.int64)[:, np.newaxis, np.newaxis]
    sums[:, :, [names.index(name) for name in windows.names]] = windows.sums
    return sums


def _opened(window: OpenSignals) -> Windows:
    start, end, rows = np.array([[window.start], [window.end], [window.rows]], dtype=np.int64)
    sums = np.array(list(window.signals.values()), dtype=np.int64).reshape(-1, len(NOTHING))
    return Windows(tuple(window.signals), start, end, rows, sums.T[:, np.newaxis, :])


def _open(windows: Windows) -> OpenSignals:
    start, end, rows = (int(each[0]) for each in (windows.starts, windows.ends, windows.rows))
    return OpenSignals(start, end, rows, dict(_came(windows.names, windows.sums[:, 0, :])))


def _came(names: Iterable[str], sums: Ints) -> Iterator[tuple[str, list[int]]]:
    """Signals by name, as far as they came, and their sums: equal windows are equal states."""
    for name, each in sorted(zip(names, sums.T.tolist(), strict=True)):
        if each[SAMPLES] or each[REFUSALS]:
            yield name, each
