"""The energy integrator of one DC input: samples in, closed windows and findings out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Literal

import numpy as np

from stream_app.core import findings
from stream_app.core.allocation import Allocation, carried
from stream_app.core.calendar import SiteCalendar
from stream_app.core.clock import Admitted, Arrival, Clock, Samples, settle
from stream_app.core.energy import CHARGED, DISCHARGED, Floats, Ints, Pieces, held, ledger, pieces
from stream_app.core.findings import RuleState, Transition
from stream_app.core.holes import Hole, holes_between
from stream_app.core.silence import window_edges
from stream_app.core.topology import Rules
from stream_app.core.windows import (
    Contribution,
    Run,
    WindowState,
    accumulate,
    add_by_window,
    preview,
)

SAMPLES, GAPS, OUTSIDE_RATING, FROZEN, CONFLICTS, KNOWN_MS, LEDGER = range(7)
"""Columns of a window's sums; from LEDGER on, four rows for each group of equal shares."""
LEDGER_ROWS = 4

DAY = "1d"

ROLLOVER = 1 << 62
"""The running counters of energy begin anew here [W ms], 1.28 TWh, like the register of a meter."""


@dataclass
class InputState:
    """State of one DC input; plain values, so that snapshot and restore are one call each.

    Attributes
    ----------
    clock
        Event clock.
    allocation
        The enclosures whose energy the sums hold.
    pending
        Accepted samples not yet settled, by time: (time, power, 1 if doubles disagreed).
    last
        Last settled sample (time ms UTC, power W): the left end of the next interval.
    windows
        By resolution.
    energy
        For each group of equal shares: discharged and charged since the start, modulo ROLLOVER
        [W ms].
    latest
        Newest accepted sample (time ms UTC, power W), for display.
    holes
        Where a sample that is too late can still be folded, in time order.
    revise_at
        Clock [ms UTC] at which closed windows that late samples have changed are published again.
    """

    clock: Clock = field(default_factory=Clock)
    allocation: Allocation = field(default_factory=Allocation)
    pending: list[tuple[int, float, int]] = field(default_factory=list)
    last: tuple[int, float] | None = None
    windows: dict[str, WindowState] = field(default_factory=dict)
    rules: RuleState = field(default_factory=RuleState)
    energy: list[list[int]] = field(default_factory=list)
    latest: tuple[int, float] | None = None
    holes: list[Hole] = field(default_factory=list)
    revise_at: int | None = None


@dataclass(frozen=True)
class InputSpec:
    """What the integrator must know of an input.

    Attributes
    ----------
    shares
        Of each group of sums.
    most_waiting
        Samples that wait to be settled; when one more comes the older half is settled.
    most_closed
        Closed windows that its holes may touch.
    told
        Windows up to this time are given in any case, also inside a long silence [ms UTC].
    """

    rules: Rules
    calendar: SiteCalendar
    shares: tuple[float, ...]
    most_waiting: int
    most_closed: int
    told: int = 0

    @property
    def resolutions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.rules.resolutions, DAY)))


LateReason = Literal["no_gap", "beyond_horizon", "ahead"]
"""Why a late sample is not folded: its neighbours are not known any more, or are as near as they
should be; it came later than the correction reaches; it was set aside for too long."""


@dataclass
class InputResult:
    """What a step of one input gave.

    Attributes
    ----------
    revised
        Closed windows that late samples have changed, by resolution.
    refused
        Late samples that were not folded, and why, in order of arrival.
    """

    admitted: Admitted
    closed: dict[str, Run] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    revised: dict[str, Run] = field(default_factory=dict)
    refused: list[tuple[LateReason, Arrival]] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Sequence["InputResult"]) -> "InputResult":
        """The results of consecutive stretches as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            Admitted.joined([part.admitted for part in parts]),
            _followed([part.closed for part in parts]),
            [each for part in parts for each in part.transitions],
            _followed([part.revised for part in parts]),
            [each for part in parts for each in part.refused],
        )


def _followed(parts: Sequence[dict[str, Run]]) -> dict[str, Run]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: Run.joined([part[name] for part in parts if name in part]) for name in names}


def fold(state: InputState, spec: InputSpec, admitted: Admitted) -> InputResult:
    """Fold what the clock has admitted."""
    result = InputResult(admitted)
    _remember_latest(state, admitted.taken)
    _fold_settled(state, spec, admitted.taken, result)
    return result


def settle_until(state: InputState, spec: InputSpec, until: int) -> InputResult:
    """Fold all that waits at or before ``until``; later samples before it are too late."""
    released, given_up = settle(state.clock, until)
    samples = Samples.of([(*sample, 0) for sample in released])
    late = Samples.of([(*sample, 0) for sample in given_up])
    return fold(state, spec, Admitted(samples, late))


def preview_until(state: InputState, spec: InputSpec, until: int) -> dict[str, Run]:
    """The windows from the open ones to ``until`` as they stand, by resolution.

    With the method ``left`` the last sample holds for the nominal interval, as in a file that ends.
    Windows after the one that holds the last energy are empty: only days are worth saying so.
    """
    if state.last is None:
        return {}
    tail, known_until = tail_energy(state.last, spec)
    runs = {}
    for name, window in state.windows.items():
        if window.open is not None:
            last = max(until, known_until) if name == DAY else known_until
            edges = spec.calendar.edges(name, window.open.start, max(last - 1, state.last[0]))
            runs[name] = preview(window, edges, [tail])
    return runs


def reallocate(state: InputState, shares: Mapping[str, float]) -> None:
    """Give the energy of what is not settled yet to other enclosures.

    What is counted stays with those that it was counted for, also in the open windows.
    """
    old = state.allocation
    if state.last is None:
        state.allocation = Allocation(dict(shares))
    elif old.present != shares:
        day = state.windows[DAY].open
        assert day is not None
        # Windows may have been published with energy after the last sample, which the next revises.
        told = (
            start
            for window in state.windows.values()
            for start, (_, sums) in window.published.items()
            if any(sums[LEDGER:])
        )
        state.allocation = old.changed(shares, max([state.last[0], *told]), day.start)
        _carry(state, partial(carried, old, state.allocation))


def _carry(state: InputState, carry: Callable[[Sequence[list[int]]], list[list[int]]]) -> None:
    def carry_sums(sums: list[int]) -> list[int]:
        rows = [sums[at : at + LEDGER_ROWS] for at in range(LEDGER, len(sums), LEDGER_ROWS)]
        return [*sums[:LEDGER], *chain.from_iterable(carry(rows))]

    state.energy = carry(state.energy)
    for window in state.windows.values():
        if window.open is not None:
            window.open.sums = carry_sums(window.open.sums)
        window.published = {
            start: (revision, carry_sums(sums))
            for start, (revision, sums) in window.published.items()
        }


def tail_energy(last: tuple[int, float], spec: InputSpec) -> tuple[Contribution, int]:
    """Energy after the last sample of the data, and the time until which it is known [ms UTC]."""
    time, power = last
    hold_ms = spec.rules.held_ms
    slots = spec.calendar.edges("5min", time, time + hold_ms)
    return _energy_columns(held(time, power, slots, hold_ms), spec), time + hold_ms


def _remember_latest(state: InputState, taken: Samples) -> None:
    if taken.times.size:
        newest = int(np.argmax(taken.times))
        if state.latest is None or taken.times[newest] > state.latest[0]:
            state.latest = int(taken.times[newest]), float(taken.power[newest])


def _fold_settled(state: InputState, spec: InputSpec, taken: Samples, result: InputResult) -> None:
    times, power, conflicts = _settled(state, taken, spec.rules.lateness_ms)
    if not times.size:
        return
    rules = spec.rules
    outside = findings.outside_rating(power, rules)
    stuck, stuck_s = findings.frozen(state.rules, times, power, rules.frozen_ms)
    anchor = state.last or (int(times[0]), float(power[0]))
    all_times = np.concatenate(([anchor[0]], times)) if state.last else times
    all_power = np.concatenate(([anchor[1]], power)) if state.last else power
    result.transitions += findings.gaps(all_times, rules.max_gap_ms)
    limit_w, limit_s = rules.rating_w or 0.0, rules.frozen_ms / 1000
    changes = partial(findings.edges, state.rules, times=times)
    result.transitions += changes("POWER_OUTSIDE_RATING", outside, values=power, limit=limit_w)
    result.transitions += changes("FROZEN_VALUE", stuck, values=stuck_s, limit=limit_s)
    gap = np.zeros(times.size, dtype=np.int64)
    gap[times.size - all_times.size + 1 :] = np.diff(all_times) > rules.max_gap_ms
    counts = np.stack([np.ones_like(times), gap, outside, stuck, conflicts]).astype(np.int64)
    if rules.correction_ms:
        state.holes += holes_between(all_times, all_power, rules.interval_ms)
    _fold_windows(state, spec, all_times, all_power, (times, counts), result)
    state.last = int(times[-1]), float(power[-1])


def _fold_windows(
    state: InputState,
    spec: InputSpec,
    times: Ints,
    power: Floats,
    counted: tuple[Ints, Ints],
    result: InputResult,
) -> None:
    first = int(times[0])
    slots, _ = window_edges(spec.calendar, spec.rules, "5min", times, first, first)
    energy = energy_between(times, power, slots, spec)
    _count_energy(state, energy[1])
    contribution = by_slot(slots, [(*counted, slice(SAMPLES, KNOWN_MS)), energy])
    for name in spec.resolutions:
        window = state.windows.setdefault(name, WindowState())
        start = int(times[0]) if window.open is None else window.open.start
        told = max([spec.told, *window.published])
        edges, silent = window_edges(spec.calendar, spec.rules, name, times, start, told)
        closed = accumulate(window, edges, [contribution], state.holes)
        result.closed[name] = closed.without(silent)


def energy_between(times: Ints, power: Floats, slots: Ints, spec: InputSpec) -> Contribution:
    """Known time and energy between consecutive samples (n,), by piece."""
    rules = spec.rules
    cut = pieces(times, power, slots, rules.method, rules.max_gap_ms, rules.interval_ms)
    return _energy_columns(cut, spec)


def by_slot(slots: Ints, contributions: Sequence[Contribution]) -> Contribution:
    """Sum by slot once, so that the longer windows add up slots rather than samples."""
    width = contributions[-1][2].stop
    sums = np.zeros((width, slots.size - 1), dtype=np.int64)
    for times, values, columns in contributions:
        add_by_window(sums[columns], slots, times, values)
    return slots[:-1], sums, slice(0, width)


def _energy_columns(cut: Pieces, spec: InputSpec) -> tuple[Ints, Ints, slice]:
    rows = np.concatenate([cut.length[np.newaxis], *(ledger(cut, s) for s in spec.shares)])
    return cut.start, rows, slice(KNOWN_MS, KNOWN_MS + rows.shape[0])


def _count_energy(state: InputState, rows: Ints) -> None:
    sums = rows.sum(axis=1).tolist()
    groups = (len(sums) - 1) // LEDGER_ROWS
    state.energy = state.energy or [[0, 0] for _ in range(groups)]
    for group, total in enumerate(state.energy):
        # A sum of years may overflow its 64 bits, which ROLLOVER divides: the rest is right.
        total[0] = (total[0] + sums[1 + group * LEDGER_ROWS + DISCHARGED]) % ROLLOVER
        total[1] = (total[1] + sums[1 + group * LEDGER_ROWS + CHARGED]) % ROLLOVER


def _settled(state: InputState, taken: Samples, lateness_ms: int) -> tuple[Ints, Floats, Ints]:
    """Take the settled part, by time and without doubles, out of what was accepted."""
    if not lateness_ms and not state.pending and (np.diff(taken.times) > 0).all():
        return taken.times, taken.power, np.zeros_like(taken.times)
    times = np.concatenate([[t for t, _, _ in state.pending], taken.times]).astype(np.int64)
    power = np.concatenate([[p for _, p, _ in state.pending], taken.power]).astype(np.float64)
    conflict = np.concatenate([[c for _, _, c in state.pending], np.zeros(taken.times.size)])
    order = np.lexsort((power, np.abs(power), times))
    times, power, conflict = times[order], power[order], conflict[order].astype(np.int64)
    times, power, conflict = _without_doubles(times, power, conflict)
    assert state.clock.settled is not None or not times.size
    ready = int(np.searchsorted(times, state.clock.settled or 0, side="right"))
    waiting = zip(times[ready:], power[ready:], conflict[ready:], strict=True)
    state.pending = [(int(t), float(p), int(c)) for t, p, c in waiting]
    return times[:ready], power[:ready], conflict[:ready]


def _without_doubles(times: Ints, power: Floats, conflict: Ints) -> tuple[Ints, Floats, Ints]:
    """Of samples at one time the largest in size is kept, discharge on a tie, in any order."""
    if times.size < 2:
        return times, power, conflict
    first = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    last = np.append(first[1:], times.size) - 1
    marked = np.maximum.reduceat(conflict, first) | (power[first] != power[last])
    return times[last], power[last], marked.astype(np.int64)
