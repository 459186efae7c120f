"""Event-time windows of one resolution: sums that close when the input's clock has passed them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.energy import Ints

Contribution = tuple[Ints, Ints, slice]


@dataclass
class OpenWindow:
    """The one window of a resolution that may still receive energy.

    Attributes
    ----------
    start
        Start [ms UTC].
    sums
        Column sums, see the integrator for their meaning.
    """

    start: int
    sums: list[int]


@dataclass
class WindowState:
    """Open window of a resolution, and what was already published of windows that may change.

    ``published`` maps a window's start to the revision and sums it was last published with.
    """

    open: OpenWindow | None = None
    published: dict[int, tuple[int, list[int]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Run:
    """Windows in time order: starts, ends [ms UTC], revisions (n,); sums (columns, n)."""

    starts: Ints
    ends: Ints
    sums: Ints
    revisions: Ints

    def between(self, first: int, last: int) -> "Run":
        """Windows ``first`` to before ``last``."""
        part = slice(first, last)
        return Run(self.starts[part], self.ends[part], self.sums[:, part], self.revisions[part])


def accumulate(state: WindowState, edges: Ints, contributions: Sequence[Contribution]) -> Run:
    """Add contributions and close every window but the last.

    Parameters
    ----------
    edges
        Window edges, (n + 1,), from the open window, if there is one, to the clock's.
    contributions
        (times, values, columns): values of shape (columns, m) at non-falling times, each added to
        the window that holds its time.

    Returns
    -------
    The n - 1 closed windows; the last becomes the open one.
    """
    sums = totals(state, edges, contributions)
    state.open = OpenWindow(int(edges[-2]), sums[:, -1].tolist())
    run = _revised(state, edges[:-1], sums[:, :-1])
    state.published = {s: seen for s, seen in state.published.items() if s >= state.open.start}
    return run


def preview(state: WindowState, edges: Ints, contributions: Sequence[Contribution]) -> Run:
    """All windows as they stand, the open one included; they stay open."""
    sums = totals(state, edges, contributions)
    run = _revised(state, edges, sums)
    revised = zip(run.revisions.tolist(), run.sums.T.tolist(), strict=True)
    state.published.update(zip(run.starts.tolist(), revised, strict=True))
    return run


def totals(state: WindowState, edges: Ints, contributions: Sequence[Contribution]) -> Ints:
    """Sums of shape (columns, n) for the n windows between ``edges``."""
    width = max(columns.stop for _, _, columns in contributions)
    sums = np.zeros((width, edges.size - 1), dtype=np.int64)
    if state.open is not None:
        sums[:, 0] += np.array(state.open.sums, dtype=np.int64)
    for times, values, columns in contributions:
        add_by_window(sums[columns], edges, times, values)
    return sums


def add_by_window(sums: Ints, edges: Ints, times: Ints, values: Ints) -> None:
    """Add values (columns, m) at non-falling times to the sums (columns, n) of their windows."""
    bounds = np.searchsorted(times, edges)
    filled = np.flatnonzero(np.diff(bounds))
    if filled.size:
        sums[:, filled] += np.add.reduceat(values, bounds[filled], axis=1)


def _revised(state: WindowState, edges: Ints, sums: Ints) -> Run:
    """Number the revisions; a window that was published with the same sums is left out."""
    starts, ends = edges[:-1], edges[1:]
    if not state.published:
        return Run(starts, ends, sums, np.ones_like(starts))
    seen = [state.published.get(start, (0, [])) for start in starts.tolist()]
    pairs = zip(seen, sums.T.tolist(), strict=True)
    new = np.array([known != now for (_, known), now in pairs], dtype=np.bool_)
    revisions = np.array([revision + 1 for revision, _ in seen], dtype=np.int64)
    return Run(starts[new], ends[new], sums[:, new], revisions[new])
