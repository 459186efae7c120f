"""The BMS's state of charge against the charge ledger: anchors, drift, jumps, frozen values.

Everything is judged at the rows that have both a SOC and a current; SOC in ppm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from stream_app.core.charge.anchors import (
    AnchorState,
    Events,
    SocRows,
    ledger_error,
    take_anchors,
)
from stream_app.core.charge.ledger import COUNTERS, GAPS, METHOD, NET, PPM, Anchor
from stream_app.core.charge.rules import HealthRules
from stream_app.core.energy import Bools, Floats, Ints
from stream_app.core.watch import Worst, worse

SocRule = Literal["SOC_JUMP", "SOC_FROZEN", "SOC_DRIFT"]
Wrong = Literal["soc_drift", "soc_jump"]
"""What a SOC was by the ledger: far from it, or it leapt and the leap was believed."""
SOC_RULES: tuple[SocRule, ...] = ("SOC_JUMP", "SOC_FROZEN", "SOC_DRIFT")

CLEARS = 0.8
"""SOC_DRIFT ends below this part of its bound, so that it does not chatter."""


@dataclass
class SocState(AnchorState):
    """What is remembered of a SOC and its anchors; times in ms UTC, counters of the ledger.

    Attributes
    ----------
    newest
        Newest row with SOC and current: time, SOC, counters.
    changed
        Counters since which charge counts as what a frozen SOC leaves out.
    active
        Rules that hold, and since when.
    worst
        Of each, what lay furthest beyond its limit since.
    believed
        Newest row whose SOC was believed: SOC, counters.
    beyond
        Least bound that the SOC_DRIFT that holds has been beyond [ppm]; None where none holds.
    """

    newest: tuple[int, int, list[int]] | None = None
    changed: list[int] = field(default_factory=list)
    active: dict[SocRule, int] = field(default_factory=dict)
    worst: dict[SocRule, Worst] = field(default_factory=dict)
    beyond: float | None = None
    believed: tuple[int, list[int]] | None = None


class Audit(NamedTuple):
    """SOC by ledger, its bound, and whether they can be told (n,); the anchors' times [ms UTC]."""

    ledger: Ints
    bound: Ints
    known: Bools
    anchored: Ints

    def told(self, rows: SocRows, at: int) -> list[int]:
        """What ``DayFacts.audit`` remembers of a row."""
        if not self.known[at]:
            return []
        found = rows.times, rows.soc, self.ledger, self.bound, self.anchored
        return [int(each[at]) for each in found]


@dataclass(frozen=True)
class SocChange:
    """A condition that began or ended; value and limit as a ratio of the capacity.

    ``judged``: False where it ended because nothing can tell any more. ``worst``: of one that
    ended, the value furthest beyond its limit since it began, and that limit.
    """

    rule: SocRule
    raised: bool
    time: int
    since: int
    value: float
    limit: float
    judged: bool = True
    worst: Worst | None = None


def audit(
    state: SocState, rows: SocRows, rules: HealthRules, rest_ms: int, max_gap_ms: int
) -> tuple[Audit, list[SocChange], Wrong | None]:
    """Judge rows (n >= 1) against the anchors before each, and take the anchors they bring.

    Tells also whether the SOC was wrong at any of them.
    """
    before = state.anchor
    events, capacity = take_anchors(state, rows, rules, rest_ms)
    found = _drift(before, events, rows, rules)
    drifts = "SOC_DRIFT" in state.active
    changes = _changes(state, rows, rules, capacity, max_gap_ms, found)
    leapt = _leapt(state, rows, rules, capacity)
    drifts |= any(each.rule == "SOC_DRIFT" for each in changes)
    return found, changes, "soc_jump" if leapt else "soc_drift" if drifts else None


def _leapt(state: SocState, rows: SocRows, rules: HealthRules, capacity: Ints) -> bool:
    """Whether the SOC went from one value that was believed to the next by a jump."""
    good = np.flatnonzero(rows.believed)
    if not good.size:
        return False
    soc, counters = rows.soc[good], rows.counters[:, good]
    first = (int(soc[0]), counters[:, 0].tolist()) if state.believed is None else state.believed
    every = np.column_stack([first[1], counters])
    state.believed = int(soc[-1]), every[:, -1].tolist()
    steps = _told_steps(every, np.diff(soc, prepend=first[0]), capacity[good])
    return bool(_jump(steps, rules).holds.any())


def _drift(before: Anchor | None, events: Events, rows: SocRows, rules: HealthRules) -> Audit:
    places = events.places
    which = np.searchsorted(places, np.arange(rows.times.size), side="left")
    base = before or Anchor(0, "rest", 0, 0, [0] * COUNTERS)
    soc = np.append(base.soc, events.soc)[which]
    counters = np.column_stack([base.counters, rows.counters[:, places]])[:, which]
    by = np.append(base.capacity, events.capacity)[which]
    doubt = np.append(base.doubt, events.doubt)[which]
    since = rows.counters - counters
    known = (by > 0) & (since[GAPS] == 0) & ((which > 0) | (before is not None))
    per_ppm = np.where(by > 0, PPM / np.where(by > 0, by, 1), 0.0)
    net = since[NET] * per_ppm
    bound = ledger_error(since, rules) * per_ppm + np.abs(net) * (doubt / PPM)
    bound = np.rint(bound).astype(np.int64) + rules.soc_error
    bound += np.append(base.error, events.error)[which]
    anchored = np.append(base.time, rows.times[places])[which]
    return Audit(soc - np.rint(net).astype(np.int64), bound, known, anchored)


def _changes(
    state: SocState,
    rows: SocRows,
    rules: HealthRules,
    capacity: Ints,
    max_gap_ms: int,
    found: Audit,
) -> list[SocChange]:
    steps = _steps(state, rows, capacity, max_gap_ms)
    judged = (
        _jump(steps, rules),
        _frozen(state, rows, steps, rules),
        _drifted(state, rows, found, max_gap_ms),
    )
    newest = rows.times, rows.soc, rows.counters.T
    time, soc, counters = (each[-1].tolist() for each in newest)
    state.newest = time, soc, counters
    return _edges(state, rows.times, judged)


class Steps(NamedTuple):
    """From each row to the next (n,), the newest row before them first.

    Counters of n + 1 rows and what they grew by, change of SOC, ppm of the capacity for each uC (0:
    not known), and whether nothing is missing in between.
    """

    counters: Ints
    grown: Ints
    soc: Ints
    per_uc: Floats
    whole: Bools


def _steps(state: SocState, rows: SocRows, capacity: Ints, max_gap_ms: int) -> Steps:
    first = rows.times[0], rows.soc[0], rows.counters[:, 0]
    time, soc, counters = first if state.newest is None else state.newest
    every = np.column_stack([counters, rows.counters])
    near = np.diff(rows.times, prepend=time) <= max_gap_ms
    steps = _told_steps(every, np.diff(rows.soc, prepend=soc), capacity)
    return steps._replace(whole=steps.whole & near)


def _told_steps(counters: Ints, soc: Ints, capacity: Ints) -> Steps:
    grown = np.diff(counters, axis=1)
    per_uc = np.where(capacity > 0, PPM / np.maximum(capacity, 1), 0.0)
    return Steps(counters, grown, soc, per_uc, grown[GAPS] == 0)


class Judged(NamedTuple):
    """Whether a rule holds at each row, what was judged and against what [ppm]; each (n,)."""

    rule: SocRule
    holds: Bools
    values: Floats
    limits: Floats


def _jump(steps: Steps, rules: HealthRules) -> Judged:
    moved = steps.grown[NET] * steps.per_uc
    slack = steps.grown[METHOD] * steps.per_uc + np.abs(moved) * (rules.capacity_error / PPM)
    value, limit = steps.soc + moved, rules.jump + slack
    known = steps.whole & (steps.per_uc > 0)
    return Judged("SOC_JUMP", known & (np.abs(value) > limit), value, limit)


def _frozen(state: SocState, rows: SocRows, steps: Steps, rules: HealthRules) -> Judged:
    """It holds until the SOC changes, or a gap hides whether it did."""
    changed = (steps.soc != 0) | (steps.grown[GAPS] > 0)
    start = np.maximum.accumulate(np.where(changed, np.arange(1, changed.size + 1), 0))
    # Place 0 stands for the newest row before these, whose SOC may have been older still.
    known = steps.counters.copy()
    known[:, 0] = state.changed or known[:, 0]
    start = _from_the_end(start, rows.soc, known[NET], rules)
    state.changed = known[:, start[-1]].tolist()
    same = steps.counters[:, 1:] - known[:, start]
    value = np.abs(same[NET]) * steps.per_uc
    limit = rules.frozen + ledger_error(same, rules) * steps.per_uc
    holds = _latched("SOC_FROZEN" in state.active, value > limit, changed)
    return Judged("SOC_FROZEN", holds, value, limit)


def _from_the_end(start: Ints, soc: Ints, net: Ints, rules: HealthRules) -> Ints:
    """Where charge begins to count: at full and empty only what leads away from there counts.

    Parameters
    ----------
    start
        (n,) where the SOC took its value; a place in ``net``, whose place 0 is before the rows.
    """
    found = start.copy()
    clamped = (soc >= rules.full).astype(np.int64) - (soc <= rules.empty)
    for first in np.unique(start[clamped != 0]).tolist():
        begin, end = np.searchsorted(start, [first, first + 1]).tolist()
        places = np.append(first, np.arange(begin + 1, end + 1))
        into = net[places] * clamped[begin]
        furthest = into == np.minimum.accumulate(into)
        found[begin:end] = np.maximum.accumulate(np.where(furthest, places, 0))[1:]
    return found


def _drifted(state: SocState, rows: SocRows, found: Audit, max_gap_ms: int) -> Judged:
    """It holds until the drift is measured to be well within its bound.

    A bound grows until the next anchor, so to be within it may be to know less. What a drift has to
    come back within is the least bound that it was beyond; a row measures that if an anchor is no
    further than the row before, or if its own bound is no wider. A SOC that cannot be true is no
    drift, nor the end of one; nor is a gap.
    """
    value = np.where(found.known, rows.soc - found.ledger, 0).astype(np.float64)
    limit = np.where(found.known, found.bound, 0).astype(np.float64)
    known, size = found.known & rows.believed, np.abs(value)
    beyond = known & (size > limit)
    holds = np.zeros(size.size, dtype=np.bool_)
    if state.beyond is not None or beyond.any():
        within = known & (size < CLEARS * limit)
        fresh = rows.times - found.anchored <= max_gap_ms
        every = (each.tolist() for each in (beyond, within, fresh, size, limit))
        for at, (begins, may_end, anchored, drift, bound) in enumerate(zip(*every, strict=True)):
            least = bound if state.beyond is None else min(state.beyond, bound)
            if begins:
                state.beyond = least
            elif may_end and drift < CLEARS * least and (anchored or bound <= least):
                state.beyond = None
            holds[at] = state.beyond is not None
    return Judged("SOC_DRIFT", holds, value, limit)


def reconfigure(state: SocState, rules: HealthRules, rated: int, time: int) -> list[SocChange]:
    """What ends as a battery's record says that no anchor will tell the charge again."""
    if rules.curve is not None and (rated or state.capacity is not None):
        return []
    state.anchor = state.beyond = None
    since = state.active.pop("SOC_DRIFT", None)
    if since is None:
        return []
    worst = state.worst.pop("SOC_DRIFT")
    return [SocChange("SOC_DRIFT", False, time, since, *worst, judged=False, worst=worst)]


def _latched(active: bool, begins: Bools, ends: Bools) -> Bools:
    """What begins stays until it ends; no row does both."""
    places = np.arange(1, begins.size + 1)
    begun = np.maximum.accumulate(np.where(begins, places, 0))
    ended = np.maximum.accumulate(np.where(ends, places, 0))
    holds: Bools = (begun > ended) | ((ended == 0) & active)
    return holds


def _edges(state: SocState, times: Ints, judged: Sequence[Judged]) -> list[SocChange]:
    """What began and ended, by time and in the order of the rules."""
    found = [
        change
        for each in judged
        if each.rule in state.active or each.holds.any()
        for change in _of_rule(state, times, each)
    ]
    # Equal states have equal bytes, however rows came.
    state.active = {rule: state.active[rule] for rule in SOC_RULES if rule in state.active}
    state.worst = {rule: state.worst[rule] for rule in SOC_RULES if rule in state.worst}
    return sorted(found, key=lambda change: change.time)


def _of_rule(state: SocState, times: Ints, judged: Judged) -> Iterator[SocChange]:
    rule, values, limits = judged.rule, judged.values / PPM, judged.limits / PPM
    beyond = np.abs(values) > limits
    turns = np.flatnonzero(np.diff(judged.holds, prepend=rule in state.active))
    for rows in np.split(np.arange(times.size), turns):
        if not rows.size:
            continue
        at, since = int(rows[0]), state.active.get(rule)
        time, value, limit = int(times[at]), float(values[at]), float(limits[at])
        if judged.holds[at]:
            if since is None:
                state.active[rule] = time
                yield SocChange(rule, True, time, time, value, limit)
            far = rows[beyond[rows]]
            if far.size:
                state.worst[rule] = worse(state.worst.get(rule), values[far], limits[far])
        elif since is not None:
            del state.active[rule]
            worst = state.worst.pop(rule)
            yield SocChange(rule, False, time, since, value, limit, worst=worst)
