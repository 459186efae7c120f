"""The BMS's state of charge against the charge ledger: anchors, drift, jumps, frozen values.

Everything is judged at the rows that have both a SOC and a current; SOC in ppm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.core.energy import Floats, Ints
from stream_app.core.health.ledger import (
    COUNTERS,
    GAPS,
    KNOWN_MS,
    METHOD,
    NET,
    PPM,
    THROUGHPUT,
    Anchor,
    Capacity,
)
from stream_app.core.health.rules import HealthRules
from stream_app.core.rows import NONE

SocRule = Literal["SOC_JUMP", "SOC_FROZEN", "SOC_DRIFT"]
SOC_RULES: tuple[SocRule, ...] = ("SOC_JUMP", "SOC_FROZEN", "SOC_DRIFT")

CLEARS = 0.8
"""SOC_DRIFT ends below this part of the bound, so that it does not chatter."""

CREDIBLE = 0.5, 1.2
"""A measured capacity outside these parts of the rated one does not judge the SOC."""

Bools = NDArray[np.bool_]


@dataclass
class SocState:
    """What is remembered of a SOC and its anchors; times in ms UTC, counters of the ledger.

    Attributes
    ----------
    resting
        When the rest began that the battery is in.
    anchored
        When the rest began that gave the newest anchor of its kind.
    anchor, rest_anchor
        Newest of all kinds; newest after a rest.
    capacity
        Newest measured one.
    newest
        Newest row with SOC and current: time, SOC, counters.
    changed
        Counters when the SOC took its present value.
    soh
        Newest credible SOH of the BMS [ppm].
    active
        Rules that hold, and since when.
    """

    resting: int | None = None
    anchored: int | None = None
    anchor: Anchor | None = None
    rest_anchor: Anchor | None = None
    capacity: Capacity | None = None
    newest: tuple[int, int, list[int]] | None = None
    changed: list[int] = field(default_factory=list)
    soh: int = PPM
    active: dict[str, int] = field(default_factory=dict)


class SocRows(NamedTuple):
    """Rows with SOC and current: times (n,), SOC (n,), counters (COUNTERS, n).

    ``resting`` (n,): when the rest began in which each lies, else NONE; ``rated`` (n,): capacity by
    rating and the BMS's SOH [uC], 0: not known.
    """

    times: Ints
    soc: Ints
    counters: Ints
    resting: Ints
    rated: Ints


class Audit(NamedTuple):
    """SOC by ledger, its bound, and whether they can be told (n,); the anchors' times [ms UTC]."""

    ledger: Ints
    bound: Ints
    known: Bools
    anchored: Ints


@dataclass(frozen=True)
class SocChange:
    """A condition that began or ended; value and limit as a ratio of the capacity."""

    rule: SocRule
    raised: bool
    time: int
    since: int
    value: float
    limit: float


def rated_by_soh(state: SocState, soh: Ints, rated: int) -> Ints:
    """Capacity [uC] at each row (n,) by rating and the newest SOH [ppm] that can be true."""
    good = (soh >= CREDIBLE[0] * PPM) & (soh <= CREDIBLE[1] * PPM)
    newest = np.maximum.accumulate(np.where(good, np.arange(1, soh.size + 1), 0))
    every = np.append(state.soh, soh)[newest]
    state.soh = int(every[-1])
    return np.rint(every * (rated / PPM)).astype(np.int64)


def rests(state: SocState, times: Ints, current: Ints, limit: int, max_gap_ms: int) -> Ints:
    """When the rest began in which each current sample lies, else NONE.

    Parameters
    ----------
    times, current
        (n,) ms UTC and mA; the first is the sample known before, if there was one.
    """
    quiet = np.abs(current) <= limit
    begins = quiet.copy()
    begins[1:] &= ~quiet[:-1] | (np.diff(times) > max_gap_ms)
    marks = np.where(begins, times, NONE)
    if quiet[0] and state.resting is not None:
        marks[0] = state.resting
    found = np.where(quiet, np.maximum.accumulate(marks), NONE)
    state.resting = int(found[-1]) if quiet[-1] else None
    return found


def audit(
    state: SocState, rows: SocRows, rules: HealthRules, rest_ms: int, max_gap_ms: int
) -> tuple[Audit, list[SocChange]]:
    """Judge rows (n >= 1) against the anchors before each, and take the anchors they bring."""
    before = state.anchor
    events, capacity = _take_anchors(state, rows, rules, rest_ms)
    found = _drift(before, events, rows, rules)
    changes = _changes(state, rows, rules, capacity, max_gap_ms, found)
    return found, changes


def _take_anchors(
    state: SocState, rows: SocRows, rules: HealthRules, rest_ms: int
) -> tuple[Ints, Ints]:
    """Places of the anchors in ``rows``, and the capacity that holds from each row on."""
    capacity = _reference(state, rows.rated)
    rested = _rest_events(state, rows, rules, rest_ms)
    for at in rested.tolist():
        _rest_anchor(state, rows, at, rules)
        capacity[at:] = _reference(state, rows.rated[at:])
    ends = (rows.soc >= rules.full) | (rows.soc <= rules.empty)
    events = np.union1d(rested, np.flatnonzero(ends)).astype(np.int64)
    if events.size and events[-1] not in rested:
        at = int(events[-1])
        kind: Literal["full", "empty"] = "full" if rows.soc[at] >= rules.full else "empty"
        state.anchor = Anchor(*_moment(rows, at, kind), int(capacity[at]))
    return np.stack([events, capacity[events]]), capacity


def _reference(state: SocState, rated: Ints) -> Ints:
    """Capacity by which charge becomes SOC: the measured one, unless it cannot be true."""
    if state.capacity is None:
        return rated.copy()
    measured = state.capacity.charge
    least, most = (rated * each for each in CREDIBLE)
    return np.where((rated == 0) | ((measured >= least) & (measured <= most)), measured, rated)


def _rest_events(state: SocState, rows: SocRows, rules: HealthRules, rest_ms: int) -> Ints:
    """First row of each rest that is an anchor."""
    quiet = np.flatnonzero((rows.resting != NONE) & (rows.times - rows.resting >= rest_ms))
    if rules.plateau is not None:
        soc = rows.soc[quiet]
        quiet = quiet[(soc <= rules.plateau[0]) | (soc >= rules.plateau[1])]
    begun, first = np.unique(rows.resting[quiet], return_index=True)
    if begun.size and begun[0] == state.anchored:
        begun, first = begun[1:], first[1:]
    if begun.size:
        state.anchored = int(begun[-1])
    return quiet[first]


def _moment(
    rows: SocRows, at: int, kind: Literal["rest", "full", "empty"]
) -> tuple[int, Literal["rest", "full", "empty"], int, list[int]]:
    return int(rows.times[at]), kind, int(rows.soc[at]), rows.counters[:, at].tolist()


def _rest_anchor(state: SocState, rows: SocRows, at: int, rules: HealthRules) -> None:
    anchor = Anchor(*_moment(rows, at, "rest"), 0)
    if state.rest_anchor is not None:
        state.capacity = capacity_between(state.rest_anchor, anchor, rules) or state.capacity
    anchor.capacity = int(_reference(state, rows.rated[at : at + 1])[0])
    state.anchor = state.rest_anchor = anchor


def capacity_between(first: Anchor, last: Anchor, rules: HealthRules) -> Capacity | None:
    """Capacity from the charge between two anchors; None where they cannot tell it.

    The error is that of the ledger and of the SOC at both anchors.
    """
    change = first.soc - last.soc
    since = [b - a for a, b in zip(first.counters, last.counters, strict=True)]
    if since[GAPS] or abs(change) < rules.span or since[NET] * change <= 0:
        return None
    charge = since[NET] * PPM // change
    doubt = ledger_error(since, rules) * PPM // abs(change)
    return Capacity(last.time, charge, doubt + charge * 2 * rules.soc_error // abs(change))


def ledger_error(since: list[int], rules: HealthRules) -> int:
    """How far the net charge of the counters ``since`` may be wrong [uC]."""
    return round(float(_error(np.array(since, dtype=np.int64), rules)))


def _error(since: Ints, rules: HealthRules) -> Floats:
    sensor = since[THROUGHPUT] * (rules.current_error / PPM) + since[KNOWN_MS] * rules.offset_ma
    error: Floats = sensor + since[METHOD]
    return error


def _drift(before: Anchor | None, events: Ints, rows: SocRows, rules: HealthRules) -> Audit:
    places, capacities = events
    which = np.searchsorted(places, np.arange(rows.times.size), side="left")
    base = before or Anchor(0, "rest", 0, [0] * COUNTERS, 0)
    soc = np.append(base.soc, rows.soc[places])[which]
    counters = np.column_stack([base.counters, rows.counters[:, places]])[:, which]
    by = np.append(base.capacity, capacities)[which]
    since = rows.counters - counters
    known = (by > 0) & (since[GAPS] == 0) & ((which > 0) | (before is not None))
    per_ppm = np.where(by > 0, PPM / np.where(by > 0, by, 1), 0.0)
    net = since[NET] * per_ppm
    bound = _error(since, rules) * per_ppm + np.abs(net) * (rules.capacity_error / PPM)
    bound = np.rint(bound).astype(np.int64) + rules.soc_error
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
        _frozen(state, steps, rules),
        _drifted(state, rows, found),
    )
    newest = rows.times, rows.soc, rows.counters.T
    time, soc, counters = (each[-1].tolist() for each in newest)
    state.newest = time, soc, counters
    return list(_edges(state, rows.times, judged))


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
    grown = np.diff(every, axis=1)
    near = np.diff(rows.times, prepend=time) <= max_gap_ms
    per_uc = np.where(capacity > 0, PPM / np.maximum(capacity, 1), 0.0)
    return Steps(every, grown, np.diff(rows.soc, prepend=soc), per_uc, near & (grown[GAPS] == 0))


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


def _frozen(state: SocState, steps: Steps, rules: HealthRules) -> Judged:
    """It holds until the SOC changes, or a gap hides whether it did."""
    changed = (steps.soc != 0) | (steps.grown[GAPS] > 0)
    start = np.maximum.accumulate(np.where(changed, np.arange(1, changed.size + 1), 0))
    # Place 0 stands for the newest row before these, whose SOC may have been older still.
    known = steps.counters.copy()
    known[:, 0] = state.changed or known[:, 0]
    state.changed = known[:, start[-1]].tolist()
    same = steps.counters[:, 1:] - known[:, start]
    value = np.abs(same[NET]) * steps.per_uc
    limit = rules.frozen + _error(same, rules) * steps.per_uc
    holds = _latched("SOC_FROZEN" in state.active, value > limit, changed)
    return Judged("SOC_FROZEN", holds, value, limit)


def _drifted(state: SocState, rows: SocRows, found: Audit) -> Judged:
    """It holds until the drift is well within the bound, or the ledger says nothing any more."""
    value = np.where(found.known, rows.soc - found.ledger, 0).astype(np.float64)
    limit = np.where(found.known, found.bound, 0).astype(np.float64)
    size = np.abs(value)
    ends = ~found.known | (size < CLEARS * limit)
    holds = _latched("SOC_DRIFT" in state.active, size > limit, ends)
    return Judged("SOC_DRIFT", holds, value, limit)


def _latched(active: bool, begins: Bools, ends: Bools) -> Bools:
    """What begins stays until it ends; no row does both."""
    places = np.arange(1, begins.size + 1)
    begun = np.maximum.accumulate(np.where(begins, places, 0))
    ended = np.maximum.accumulate(np.where(ends, places, 0))
    holds: Bools = (begun > ended) | ((ended == 0) & active)
    return holds


def _edges(state: SocState, times: Ints, judged: Sequence[Judged]) -> Iterator[SocChange]:
    holds = np.stack([each.holds for each in judged], axis=1)
    before = np.concatenate([[[each.rule in state.active for each in judged]], holds[:-1]])
    for at, which in np.argwhere(holds != before).tolist():
        each, time, raised = judged[which], int(times[at]), bool(holds[at, which])
        since = time if raised else state.active.pop(each.rule)
        if raised:
            standing = {**state.active, each.rule: time}
            state.active = {rule: standing[rule] for rule in SOC_RULES if rule in standing}
        value, limit = float(each.values[at]) / PPM, float(each.limits[at]) / PPM
        yield SocChange(each.rule, raised, time, since, value, limit)
