"""Event-time windows of one resolution: sums that close when the input's clock has passed them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.energy import Bools, Ints
from stream_app.core.holes import Hole, touched

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
class Closed:
    """A closed window as it was last published, and what late samples have changed since."""

    end: int
    revision: int
    sums: list[int]
    change: list[int] = field(default_factory=list)


@dataclass
class WindowState:
    """Open window of a resolution, and what was already published of windows that may change.

    Attributes
    ----------
    published
        Start of a window that is not closed -> revision and sums it was last published with.
    closed
        Start -> closed window that a hole touches; one that is not here was empty, revision 1.
    """

    open: OpenWindow | None = None
    published: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    closed: dict[int, Closed] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Run:
    """Windows in time order: starts, ends [ms UTC], revisions (n,); sums (columns, n).

    ``deltas`` (columns, n) is what changed since the revision before, zero for the first one; None
    where all are the first.
    """

    starts: Ints
    ends: Ints
    sums: Ints
    revisions: Ints
    deltas: Ints | None = None

    def between(self, first: int, last: int) -> "Run":
        """Windows ``first`` to before ``last``."""
        return self.where(slice(first, last))

    def where(self, part: "slice | Bools") -> "Run":
        """Those windows that a slice or a mask selects."""
        deltas = None if self.deltas is None else self.deltas[:, part]
        starts, ends, revisions = self.starts[part], self.ends[part], self.revisions[part]
        return Run(starts, ends, self.sums[:, part], revisions, deltas)

    @classmethod
    def joined(cls, runs: Sequence["Run"]) -> "Run":
        """The windows of all runs, one run after the other."""
        some = any(run.deltas is not None for run in runs)
        deltas = [np.zeros_like(run.sums) if run.deltas is None else run.deltas for run in runs]
        return cls(
            np.concatenate([run.starts for run in runs]),
            np.concatenate([run.ends for run in runs]),
            np.concatenate([run.sums for run in runs], axis=1),
            np.concatenate([run.revisions for run in runs]),
            np.concatenate(deltas, axis=1) if some else None,
        )

    def until(self, last: int) -> "Run":
        """The windows that begin at or before ``last`` [ms UTC]."""
        return self.between(0, int(np.searchsorted(self.starts, last, side="right")))

    def without(self, starts: Ints) -> "Run":
        """The windows that begin at none of ``starts``."""
        if not starts.size:
            return self
        return self.where(~np.isin(self.starts, starts))


def accumulate(
    state: WindowState,
    edges: Ints,
    contributions: Sequence[Contribution],
    holes: Sequence[Hole] = (),
) -> Run:
    """Add contributions and close every window but the last.

    Parameters
    ----------
    edges
        Window edges, (n + 1,), from the open window, if there is one, to the clock's.
    contributions
        (times, values, columns): values of shape (columns, m) at non-falling times, each added to
        the window that holds its time.
    holes
        Closed windows that they touch are remembered.

    Returns
    -------
    The n - 1 closed windows but those published before as they are; the last becomes the open one.
    """
    sums = totals(state, edges, contributions)
    state.open = OpenWindow(int(edges[-2]), sums[:, -1].tolist())
    run = _numbered(state, edges[:-1], sums[:, :-1])
    _remember(state, run, holes)
    news = _news(state, run)
    state.published = {s: seen for s, seen in state.published.items() if s >= state.open.start}
    return news


def forget(state: WindowState, holes: Sequence[Hole]) -> None:
    """Forget the closed windows that no hole touches and that are published as they are."""
    closed = sorted(state.closed.items())
    starts = np.array([start for start, _ in closed], dtype=np.int64)
    near = touched(holes, starts, np.array([each.end for _, each in closed], dtype=np.int64))
    state.closed = {
        start: each
        for (start, each), wanted in zip(closed, near.tolist(), strict=True)
        if wanted or each.change
    }


def change(state: WindowState, edges: Ints, contribution: Contribution) -> bool:
    """Add a late contribution to windows up to the open one; whether it changed a closed one."""
    assert state.open is not None
    times, values, columns = contribution
    sums = np.zeros((columns.stop, edges.size - 1), dtype=np.int64)
    add_by_window(sums[columns], edges, times, values)
    changed = False
    for place in np.flatnonzero(sums.any(axis=0)).tolist():
        start, moved = int(edges[place]), sums[:, place].tolist()
        if start == state.open.start:
            state.open.sums = _added(state.open.sums, moved)
            continue
        end, zeros = int(edges[place + 1]), [0] * len(moved)
        closed = state.closed.setdefault(start, Closed(end, 1, zeros))
        closed.change = _added(closed.change or zeros, moved)
        changed = True
    return changed


def revise(state: WindowState) -> Run | None:
    """Publish the closed windows that late samples have changed; None if there are none."""
    changed = [(s, each) for s, each in sorted(state.closed.items()) if any(each.change)]
    deltas = np.array([each.change for _, each in changed], dtype=np.int64).T
    for _, each in changed:
        each.revision, each.sums = each.revision + 1, _added(each.sums, each.change)
    for each in state.closed.values():
        each.change = []
    if not changed:
        return None
    return Run(
        np.array([start for start, _ in changed], dtype=np.int64),
        np.array([each.end for _, each in changed], dtype=np.int64),
        np.array([each.sums for _, each in changed], dtype=np.int64).T,
        np.array([each.revision for _, each in changed], dtype=np.int64),
        deltas,
    )


def preview(state: WindowState, edges: Ints, contributions: Sequence[Contribution]) -> Run:
    """All windows as they stand, the open one included; they stay open."""
    sums = totals(state, edges, contributions)
    run = _news(state, _numbered(state, edges, sums))
    revised = zip(run.revisions.tolist(), run.sums.T.tolist(), strict=True)
    state.published.update(zip(run.starts.tolist(), revised, strict=True))
    return run


def totals(state: WindowState, edges: Ints, contributions: Sequence[Contribution]) -> Ints:
    """Sums of shape (columns, n) for the n windows between ``edges``."""
    widths = [columns.stop for _, _, columns in contributions]
    width = max(widths, default=0) if state.open is None else len(state.open.sums)
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


def _numbered(state: WindowState, edges: Ints, sums: Ints) -> Run:
    """Windows with their revisions: one with the sums of its last revision keeps that number."""
    starts, ends = edges[:-1], edges[1:]
    if not state.published or not starts.size:
        return Run(starts, ends, sums, np.ones_like(starts))
    never = 0, [0] * sums.shape[0]
    seen = [state.published.get(start, never) for start in starts.tolist()]
    before = np.array([known for _, known in seen], dtype=np.int64).T
    revisions = np.array([revision for revision, _ in seen], dtype=np.int64)
    new = (revisions == 0) | (before != sums).any(axis=0)
    return Run(starts, ends, sums, revisions + new, np.where(revisions > 0, sums - before, 0))


def _news(state: WindowState, run: Run) -> Run:
    """The windows that were not published with this revision before."""
    if run.deltas is None:
        return run
    known = [state.published.get(start, (0, []))[0] for start in run.starts.tolist()]
    return run.where(run.revisions != np.array(known))


def _remember(state: WindowState, run: Run, holes: Sequence[Hole]) -> None:
    if not holes or not run.starts.size or run.starts[0] > holes[-1][2]:
        return
    wanted = touched(holes, run.starts, run.ends) & (run.sums.any(axis=0) | (run.revisions > 1))
    near = run.where(wanted)
    columns = near.starts, near.ends, near.revisions, near.sums.T
    for start, *closed in zip(*(column.tolist() for column in columns), strict=True):
        state.closed[start] = Closed(*closed)


def _added(sums: Sequence[int], moved: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(sums, moved, strict=True)]
