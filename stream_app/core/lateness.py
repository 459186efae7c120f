"""Samples later than the lateness: folded into the hole that they missed, or refused with a reason.

A late sample is folded at its place among the arrivals, and what it changed is published when the
clock has passed the five-minute slot in which the first such sample came. So neither results nor
the numbers of revisions depend on how samples were batched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from stream_app.core import integrator
from stream_app.core.clock import Admitted, Arrival, Samples, admit
from stream_app.core.energy import Ints
from stream_app.core.findings import outside_rating
from stream_app.core.holes import Hole, kept, place_of, split
from stream_app.core.integrator import (
    GAPS,
    KNOWN_MS,
    OUTSIDE_RATING,
    SAMPLES,
    InputResult,
    InputSpec,
    InputState,
    LateReason,
    by_slot,
    energy_between,
)
from stream_app.core.windows import Contribution, Run, change, forget, revise

_AT_ONCE = 2_048
"""Samples looked through at once where some are late; results do not depend on it."""


def step(state: InputState, spec: InputSpec, samples: Samples) -> InputResult:
    """Fold samples (in order of arrival, finite power) into ``state``, late ones too."""
    if len(state.pending) + samples.times.size <= spec.most_waiting:
        return InputResult.joined(list(_stretches(state, spec, samples)))
    return InputResult.joined(list(_in_bounds(state, spec, samples)))


def settle_until(state: InputState, spec: InputSpec, until: int) -> InputResult:
    """Fold all that waits at or before ``until``, and publish what late samples have changed."""
    result = integrator.settle_until(state, spec, until)
    late = result.admitted.late
    arrivals = zip(late.times.tolist(), late.power.tolist(), late.rows.tolist(), strict=True)
    refused: list[tuple[LateReason, Arrival]] = [("ahead", arrival) for arrival in arrivals]
    return replace(result, revised=publish(state, spec), refused=refused)


def hear(state: InputState, spec: InputSpec, time: int) -> dict[str, Run]:
    """Publish what late samples have changed, if ``time`` of a heartbeat has come far enough."""
    return publish(state, spec) if _is_due(state, time) else {}


def publish(state: InputState, spec: InputSpec) -> dict[str, Run]:
    """The closed windows that late samples have changed, by resolution."""
    state.revise_at = None
    runs = {name: revise(window) for name, window in state.windows.items()}
    _forget(state, spec)
    return {name: run for name, run in runs.items() if run is not None}


def close_holes(state: InputState, spec: InputSpec, since: int, until: int) -> dict[str, Run]:
    """Publish what late samples have changed, and forget the holes that reach into a span."""
    runs = publish(state, spec)
    state.holes = [hole for hole in state.holes if hole[2] <= since or hole[0] >= until]
    _forget(state, spec)
    return runs


def _in_bounds(state: InputState, spec: InputSpec, samples: Samples) -> Iterator[InputResult]:
    """Never more than room for one too many, so that no batching changes where the limit is."""
    while samples.times.size:
        room = max(1, spec.most_waiting + 1 - len(state.pending))
        yield from _stretches(state, spec, samples.between(0, room))
        samples = samples.between(room, samples.times.size)
        if len(state.pending) > spec.most_waiting:
            state.clock.settled = state.pending[len(state.pending) // 2][0]
            yield from _fold(state, spec, Admitted(Samples.of([]), Samples.of([])))


def _stretches(state: InputState, spec: InputSpec, samples: Samples) -> Iterator[InputResult]:
    """In bulk as long as nothing is late, else stretch by stretch."""
    before = state.clock.copy()
    admitted = _admit(state, spec, samples)
    if not admitted.late.times.size or not spec.rules.correction_ms:
        yield from _fold(state, spec, admitted)
        return
    state.clock = before
    for first in range(0, samples.times.size, _AT_ONCE):
        yield from _in_order(state, spec, samples.between(first, first + _AT_ONCE))


def _in_order(state: InputState, spec: InputSpec, rest: Samples) -> Iterator[InputResult]:
    while rest.times.size:
        before = state.clock.copy()
        admitted = _admit(state, spec, rest)
        count = _before_a_change(rest, admitted)
        if count < rest.times.size:
            state.clock = before
            admitted = _admit(state, spec, rest.between(0, count))
        yield from _fold(state, spec, admitted)
        rest = rest.between(count, rest.times.size)


def _before_a_change(samples: Samples, admitted: Admitted) -> int:
    """How many of the first samples are all late, or all not; at least one.

    One sample may take in others that were set aside, and find some of these late: it goes alone.
    """
    late = np.isin(samples.rows, admitted.late.rows)
    kind = late + 2 * (late & np.isin(samples.rows, admitted.taken.rows))
    other = np.flatnonzero((kind != kind[0]) | (kind > 1))
    return max(int(other[0]), 1) if other.size else samples.times.size


def _admit(state: InputState, spec: InputSpec, samples: Samples) -> Admitted:
    return admit(state.clock, samples, spec.rules.lateness_ms, spec.rules.skew_ms)


def _fold(state: InputState, spec: InputSpec, admitted: Admitted) -> Iterator[InputResult]:
    result = integrator.fold(state, spec, admitted)
    yield result
    _publish_if_due(state, spec, result)
    late = admitted.late
    for arrival in zip(late.times.tolist(), late.power.tolist(), late.rows.tolist(), strict=True):
        reason = _refusal(state, spec, arrival[0])
        if reason:
            result.refused.append((reason, arrival))
        elif state.last is None or arrival[0] > state.last[0]:
            more = _append(state, spec, arrival)
            yield more
            _publish_if_due(state, spec, more)
            _forget(state, spec)
        else:
            _fill(state, spec, arrival)
            _forget(state, spec)
    if state.holes or late.times.size:
        _forget(state, spec)


def _refusal(state: InputState, spec: InputSpec, time: int) -> LateReason | None:
    """Why a late sample cannot be folded."""
    clock, rules = state.clock, spec.rules
    if clock.settled is None or time > clock.settled:
        return "ahead"
    if clock.now is None or not rules.correction_ms or time <= clock.now - rules.correction_ms:
        return "beyond_horizon"
    if time - clock.now > rules.skew_ms:
        return "ahead"
    if state.last is None or time > state.last[0]:
        return None
    return "no_gap" if place_of(state.holes, time) is None else None


def _append(state: InputState, spec: InputSpec, arrival: Arrival) -> InputResult:
    """Fold a late sample behind which nothing is settled yet, as if it had come in time."""
    clock = state.clock
    assert clock.now is not None
    clock.now = max(clock.now, arrival[0])
    return integrator.fold(state, spec, Admitted(Samples.of([arrival]), Samples.of([])))


def _fill(state: InputState, spec: InputSpec, arrival: Arrival) -> None:
    """Take back the energy of a hole, and add that of its two parts."""
    time, power, _ = arrival
    place = place_of(state.holes, time)
    assert place is not None
    assert state.clock.now is not None
    hole, now = state.holes[place], state.clock.now
    state.holes[place : place + 1] = split(hole, time, power, spec.rules.interval_ms)
    difference = _difference(spec, hole, time, power)
    changed = [
        change(window, spec.calendar.edges(name, hole[0], hole[2]), difference)
        for name, window in state.windows.items()
    ]
    if any(changed) and state.revise_at is None:
        state.revise_at = int(spec.calendar.edges("5min", now, now)[1])


def _difference(spec: InputSpec, hole: Hole, time: int, power: float) -> Contribution:
    """What a sample in a hole changes, by five-minute slot.

    Samples, gaps, power outside the rating, known time and energy are corrected. Runs of frozen
    values and conflicts stay as they were first counted.
    """
    begin, before, end, after = hole
    slots = spec.calendar.edges("5min", begin, end)
    _, new, columns = _chain(spec, slots, [begin, time, end], [before, power, after])
    _, old, _ = _chain(spec, slots, [begin, end], [before, after])
    return slots[:-1], new - old, columns


def _chain(
    spec: InputSpec, slots: Ints, at: Sequence[int], levels: Sequence[float]
) -> Contribution:
    """What the samples after the first count, and the energy between them."""
    times, power = np.array(at, dtype=np.int64), np.array(levels, dtype=np.float64)
    counts = np.zeros((KNOWN_MS - SAMPLES, times.size - 1), dtype=np.int64)
    counts[SAMPLES] = 1
    counts[GAPS] = np.diff(times) > spec.rules.max_gap_ms
    counts[OUTSIDE_RATING] = outside_rating(power[1:], spec.rules)
    counted = times[1:], counts, slice(SAMPLES, KNOWN_MS)
    return by_slot(slots, [counted, energy_between(times, power, slots, spec)])


def _is_due(state: InputState, time: int | None) -> bool:
    return state.revise_at is not None and time is not None and time >= state.revise_at


def _publish_if_due(state: InputState, spec: InputSpec, result: InputResult) -> None:
    if _is_due(state, state.clock.now):
        result.revised = publish(state, spec)


def _forget(state: InputState, spec: InputSpec) -> None:
    """Keep the holes within the horizon and the bounds, and the closed windows that they touch."""
    if state.clock.now is not None:
        horizon = state.clock.now - spec.rules.correction_ms
        state.holes = kept(state.holes, horizon, spec.resolutions, spec.most_closed)
    for window in state.windows.values():
        if window.closed:
            forget(window, state.holes)
