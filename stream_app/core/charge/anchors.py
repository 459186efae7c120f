"""Moments at which the charge is known without the BMS's count, and the capacity between them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_app.core.charge.ledger import (
    GAPS,
    KNOWN_MS,
    METHOD,
    NET,
    PPM,
    THROUGHPUT,
    Anchor,
    AnchorKind,
    Capacity,
)
from stream_app.core.charge.ocv import VOLTAGE_ERROR_UV, charge_at_rest
from stream_app.core.charge.rules import HealthRules
from stream_app.core.energy import Bools, Floats, Ints
from stream_app.core.rows import NONE

CREDIBLE = 0.5, 1.2
"""A measured capacity outside these parts of the rated one does not judge the SOC."""


@dataclass
class AnchorState:
    """What is remembered of anchors; times in ms UTC, counters of the ledger.

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
    soh
        Newest credible SOH of the BMS [ppm].
    volts
        ``low`` and ``high`` of the newest row that had both [uV]; empty before it.
    end
        At which end the newest row was: 1 full, -1 empty, 0 neither.
    """

    resting: int | None = None
    anchored: int | None = None
    anchor: Anchor | None = None
    rest_anchor: Anchor | None = None
    capacity: Capacity | None = None
    soh: int = PPM
    volts: list[int] = field(default_factory=list)
    end: int = 0


class SocRows(NamedTuple):
    """Rows with SOC and current.

    Attributes
    ----------
    times, soc
        (n,) [ms UTC] and [ppm].
    believed
        (n,) whether the SOC can be true.
    counters
        (COUNTERS, n).
    resting
        (n,) when the rest began in which each lies, else NONE.
    rated
        (n,) capacity by rating and the BMS's SOH [uC], 0: not known.
    low, high
        (n,) lowest and highest of the packs' median cell voltages, or of all cells where medians
        are not known [uV]; NONE where there is none.
    """

    times: Ints
    soc: Ints
    believed: Bools
    counters: Ints
    resting: Ints
    rated: Ints
    low: Ints
    high: Ints


class Reference(NamedTuple):
    """Capacity by which charge becomes SOC [uC], and its relative error [ppm]; each (n,)."""

    capacity: Ints
    doubt: Ints


class Events(NamedTuple):
    """Anchors in rows: places, SOC and its error [ppm], capacity and its doubt; each (n,)."""

    places: Ints
    soc: Ints
    error: Ints
    capacity: Ints
    doubt: Ints


def rated_by_soh(state: AnchorState, soh: Ints, rated: int) -> Ints:
    """Capacity [uC] at each row (n,) by rating and the newest SOH [ppm] that can be true."""
    good = (soh >= CREDIBLE[0] * PPM) & (soh <= CREDIBLE[1] * PPM)
    newest = np.maximum.accumulate(np.where(good, np.arange(1, soh.size + 1), 0))
    every = np.append(state.soh, soh)[newest]
    state.soh = int(every[-1])
    return np.rint(every * (rated / PPM)).astype(np.int64)


def rests(state: AnchorState, times: Ints, current: Ints, limit: int, max_gap_ms: int) -> Ints:
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


def take_anchors(
    state: AnchorState, rows: SocRows, rules: HealthRules, rest_ms: int
) -> tuple[Events, Ints]:
    """The anchors in ``rows``, and the capacity that holds from each row on [uC].

    A rest is an anchor once, at the first row at which its voltages tell the charge; full and empty
    at every row, for what flows at an end is not stored.
    """
    soc, error = _told_by_voltage(state, rows, rules)
    ends = _ends(state, rows, rules)
    rested = _rest_events(state, rows, soc != NONE, rest_ms)
    at_end = np.setdiff1d(np.flatnonzero(ends), rested)
    soc[at_end], error[at_end] = np.where(ends[at_end] > 0, PPM, 0), rules.end_error
    reference = _reference(state, rows.rated, rules)
    places = np.union1d(rested, at_end).astype(np.int64)
    for at in sorted({*rested.tolist(), *places[-1:].tolist()}):
        kind: AnchorKind = "rest" if at in rested else "full" if ends[at] > 0 else "empty"
        anchor = _anchor(rows, at, kind, (int(soc[at]), int(error[at])))
        if kind == "rest":
            _measure(state, anchor, rules)
            for each, later in zip(
                reference, _reference(state, rows.rated[at:], rules), strict=True
            ):
                each[at:] = later
        anchor.capacity, anchor.doubt = (int(each[at]) for each in reference)
        state.anchor = anchor
    told = (each[places] for each in (soc, error, *reference))
    return Events(places, *told), reference.capacity


def _told_by_voltage(state: AnchorState, rows: SocRows, rules: HealthRules) -> tuple[Ints, Ints]:
    """SOC and its error by the voltages of each row, where these stood still since before."""
    nothing = np.full(rows.times.size, NONE, dtype=np.int64)
    known = np.flatnonzero((rows.low != NONE) & (rows.high != NONE))
    if rules.curve is None or not known.size:
        return nothing, nothing.copy()
    volts = np.stack([rows.low[known], rows.high[known]])
    before = np.array(state.volts or [NONE // 2, NONE // 2], dtype=np.int64)
    steady = np.abs(np.diff(volts, axis=1, prepend=before[:, np.newaxis])) <= VOLTAGE_ERROR_UV
    state.volts = volts[:, -1].tolist()
    soc, error = charge_at_rest(rules.curve, *volts)
    found = nothing.copy(), nothing
    for all_rows, told in zip(found, (soc, error), strict=True):
        all_rows[known] = np.where(steady.all(axis=0), told, NONE)
    return found


def _ends(state: AnchorState, rows: SocRows, rules: HealthRules) -> Ints:
    """1 where the battery is full, -1 where it is empty, else 0.

    The BMS and a cell voltage must say so, at this row and at the one before.
    """
    if rules.curve is None:
        return np.zeros(rows.times.size, dtype=np.int64)
    full = (rows.soc >= rules.full) & (rows.high >= rules.curve.full_uv)
    low = (rows.low <= rules.curve.empty_uv) & (rows.low != NONE)
    empty = (rows.soc <= rules.empty) & low
    end = rows.believed * (full.astype(np.int64) - empty)
    found: Ints = np.where(end == np.append(state.end, end[:-1]), end, 0)
    state.end = int(end[-1])
    return found


def _rest_events(state: AnchorState, rows: SocRows, told: Bools, rest_ms: int) -> Ints:
    """First row of each rest that is an anchor."""
    quiet = np.flatnonzero((rows.resting != NONE) & (rows.times - rows.resting >= rest_ms) & told)
    begun, first = np.unique(rows.resting[quiet], return_index=True)
    if begun.size and begun[0] == state.anchored:
        begun, first = begun[1:], first[1:]
    if begun.size:
        state.anchored = int(begun[-1])
    return quiet[first]


def _anchor(rows: SocRows, at: int, kind: AnchorKind, charge: tuple[int, int]) -> Anchor:
    counters = rows.counters[:, at].tolist()
    return Anchor(int(rows.times[at]), kind, *charge, counters)


def _measure(state: AnchorState, anchor: Anchor, rules: HealthRules) -> None:
    if state.rest_anchor is not None:
        state.capacity = capacity_between(state.rest_anchor, anchor, rules) or state.capacity
    state.rest_anchor = anchor


def _reference(state: AnchorState, rated: Ints, rules: HealthRules) -> Reference:
    """The measured capacity and its error, unless it cannot be true."""
    doubt = np.full(rated.size, rules.capacity_error, dtype=np.int64)
    if state.capacity is None:
        return Reference(rated.copy(), doubt)
    measured, error = state.capacity.charge, state.capacity.error
    least, most = (rated * each for each in CREDIBLE)
    taken = (rated == 0) | ((measured >= least) & (measured <= most))
    own = error * PPM // measured
    return Reference(np.where(taken, measured, rated), np.where(taken, own, doubt))


def capacity_between(first: Anchor, last: Anchor, rules: HealthRules) -> Capacity | None:
    """Capacity from the charge between two anchors; None where they cannot tell it.

    The error is that of the ledger and of the SOC at both anchors.
    """
    change = first.soc - last.soc
    since = [b - a for a, b in zip(first.counters, last.counters, strict=True)]
    if since[GAPS] or abs(change) < rules.span or since[NET] * change <= 0:
        return None
    charge = since[NET] * PPM // change
    doubt = round(float(ledger_error(np.array(since, dtype=np.int64), rules)))
    at_anchors = charge * (first.error + last.error) // abs(change)
    return Capacity(last.time, charge, doubt * PPM // abs(change) + at_anchors)


def ledger_error(since: Ints, rules: HealthRules) -> Floats:
    """How far the net charge of the counters ``since`` (COUNTERS, ...) may be wrong [uC]."""
    sensor = since[THROUGHPUT] * (rules.current_error / PPM) + since[KNOWN_MS] * rules.offset_ma
    error: Floats = sensor + since[METHOD]
    return error
