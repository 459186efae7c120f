"""The flow of one power block, spelled out once: messages in, windows and findings out.

Batch, replay and live operation all come through :func:`fold`, and its results do not depend on how
the messages were cut into batches.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from stream_app.core import integrator, lateness
from stream_app.core.calendar import calendar
from stream_app.core.clock import DAY_MS, Samples, witnessed
from stream_app.core.energy import Ints
from stream_app.core.findings import RULES, Transition, change
from stream_app.core.integrator import InputResult, InputSpec, InputState
from stream_app.core.messages import (
    Configure,
    Finding,
    Heartbeat,
    Message,
    Outputs,
    PowerSamples,
    Refusal,
    RevisionReason,
    Rollup,
    TooLate,
)
from stream_app.core.silence import LONGEST_SILENCE_MS
from stream_app.core.succession import objection, owners
from stream_app.core.topology import PowerBlock
from stream_app.core.windows import Run

LATEST = 1 << 42
"""A time after any [ms UTC]."""
HEARTBEAT_LIMIT_MS = 7 * DAY_MS
"""A heartbeat further ahead of all that was heard of its block is refused."""
MOST_WAITING = 32_768
"""Samples of a block that wait to be settled, the same number for each of its inputs."""


@dataclass
class BlockState:
    """Everything remembered of one power block.

    Attributes
    ----------
    block
        Its topology.
    inputs
        By name: those of the topology in its order, then those that a topology once had.
    heard
        Newest heartbeat [ms UTC].
    owners
        DC input of each enclosure that had energy under an earlier topology.
    """

    block: PowerBlock | None = None
    inputs: dict[str, InputState] = field(default_factory=dict)
    heard: int | None = None
    owners: dict[str, str] = field(default_factory=dict)

    @property
    def present(self) -> dict[str, InputState]:
        """The inputs of the topology."""
        return {name: self.inputs[name] for name in self.block.inputs} if self.block else {}

    @property
    def counted(self) -> dict[str, InputState]:
        """The inputs with energy, those that a topology once had among them."""
        return {name: each for name, each in self.inputs.items() if each.last is not None}

    @property
    def newest(self) -> int | None:
        """Newest time of its heartbeats and accepted samples [ms UTC]."""
        times = (self.heard, *(each.clock.now for each in self.present.values()))
        return max((time for time in times if time is not None), default=None)


def fold(state: BlockState, messages: Sequence[Message]) -> Outputs:
    """Fold messages of one block, in order, into ``state``.

    Consecutive samples with the same inputs are folded as one batch, which is only faster.
    """
    outputs = Outputs()
    for batch in _batches(messages):
        first = batch[0][1]
        reason = _refusal(state, first)
        if reason:
            outputs.refusals += [Refusal(place, reason) for place, _ in batch]
        elif isinstance(first, Configure):
            outputs.extend(_configure(state, first.block))
        elif isinstance(first, PowerSamples):
            outputs.extend(_fold_power(state, [m for _, m in batch if isinstance(m, PowerSamples)]))
        elif isinstance(first, Heartbeat):
            outputs.extend(_hear(state, first.time))
        else:
            outputs.extend(_end(state, first.time))
    return outputs


def _batches(messages: Sequence[Message]) -> Iterator[list[tuple[int, Message]]]:
    def kind(numbered: tuple[int, Message]) -> object:
        place, message = numbered
        return tuple(message.power_w) if isinstance(message, PowerSamples) else place

    for _, batch in groupby(enumerate(messages), key=kind):
        yield list(batch)


def _refusal(state: BlockState, message: Message) -> str | None:
    if isinstance(message, Configure):
        owner_of = owners(state.counted, state.owners)
        return objection(state.block, message.block, state.counted, owner_of)
    if state.block is None:
        return "no topology is known for this power block: publish it before its telemetry"
    if isinstance(message, PowerSamples):
        unknown = sorted(set(message.power_w) - set(state.block.inputs))
        if unknown:
            known = ", ".join(state.block.inputs)
            return f"the topology has no DC input {', '.join(unknown)}; it has {known}"
    if isinstance(message, Heartbeat) and state.newest is not None:
        ahead = message.time - state.newest
        if ahead > HEARTBEAT_LIMIT_MS:
            return (
                f"the heartbeat is {ahead // DAY_MS} days ahead of all that the block has sent: "
                "check the sender's clock; after such a silence a sample must come first"
            )
    return None


def _configure(state: BlockState, block: PowerBlock) -> Outputs:
    """Take a new topology; windows that it changes or ends are published as they are."""
    outputs = Outputs()
    if block != state.block:
        outputs.rollups += _close_holes(state, 0, LATEST)
    old, counted = state.block, state.counted
    resolutions = {*block.rules.resolutions, integrator.DAY}
    for name in old.inputs if old is not None else ():
        assert old is not None
        if name in counted:
            changes = counted[name].allocation.present != block.inputs.get(name)
            kept = set() if changes else resolutions
            outputs.rollups += _ending(old, name, counted[name], kept)
    state.owners = owners(state.counted, state.owners)
    for each in state.inputs.values():
        each.windows = {name: run for name, run in each.windows.items() if name in resolutions}
    gone = {name: each for name, each in counted.items() if name not in block.inputs}
    state.inputs = {name: state.inputs.get(name, InputState()) for name in block.inputs} | gone
    for name, shares in block.inputs.items():
        integrator.reallocate(state.inputs[name], shares)
    state.block = block
    return outputs


def _close_holes(state: BlockState, since: int, until: int) -> list[Rollup]:
    """Publish what late samples have changed, and forget the holes in a span [ms UTC]."""
    rollups: list[Rollup] = []
    for name, each in state.present.items():
        assert state.block is not None
        runs = lateness.close_holes(each, _spec(state.block, each), since, until)
        rollups += _rollups(state.block, name, each, runs, final=True, reason="late_data")
    return rollups


def _ending(block: PowerBlock, name: str, state: InputState, kept: set[str]) -> list[Rollup]:
    """The open windows as they stand, but for the resolutions that are kept."""
    assert state.last is not None
    if set(state.windows) <= kept:
        return []
    runs = integrator.preview_until(state, _spec(block, state), state.last[0])
    ended = {resolution: run for resolution, run in runs.items() if resolution not in kept}
    return _rollups(block, name, state, ended, final=False)


def _fold_power(state: BlockState, messages: Sequence[PowerSamples]) -> Outputs:
    assert state.block is not None
    block, outputs = state.block, Outputs()
    times = np.concatenate([message.times for message in messages])
    silence = _Silence(state, times.size)
    transitions: list[_Seen] = []
    for name in messages[0].power_w:
        power = np.concatenate([message.power_w[name] for message in messages])
        rows = np.flatnonzero(np.isfinite(power))
        kept = state.inputs[name]
        before = kept.clock.now
        samples = Samples(times[rows], power[rows], rows)
        result = lateness.step(kept, _spec(block, kept), samples)
        silence.heard(name, before, result.admitted.taken)
        transitions += [_Seen(row, name, each) for row, each in _skew(kept, result, times)]
        transitions += silence.settling(name, result)
        _add_result(outputs, block, name, kept, result)
        outputs.samples += rows.size
    transitions += silence.transitions()
    outputs.findings += _findings(block, transitions)
    return outputs


def _hear(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    if state.newest is None:
        # Nothing yet says whether its clock is right, and there is nothing that could be silent.
        return Outputs()
    silence = _Silence(state, 1, heard=time)
    state.heard = time if state.heard is None else max(state.heard, time)
    outputs = Outputs(findings=_findings(state.block, silence.transitions()))
    for name, each in state.present.items():
        revised = lateness.hear(each, _spec(state.block, each), time)
        outputs.rollups += _rollups(
            state.block, name, each, revised, final=True, reason="late_data"
        )
    return outputs


def _end(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    block, outputs = state.block, Outputs()
    span = max(DAY_MS, block.rules.skew_ms)
    times = (witnessed(each.clock, time, span) for each in state.present.values())
    newest = max((each for each in times if each is not None), default=None)
    if newest is None:
        return outputs
    until = min(time, newest + span)
    shown = time if time - newest <= LONGEST_SILENCE_MS else until
    transitions: list[_Seen] = []
    for name, kept in state.present.items():
        result = lateness.settle_until(kept, _spec(block, kept), until - 1)
        transitions += [_Seen(0, name, each) for each in result.transitions]
        _add_result(outputs, block, name, kept, result)
        runs = integrator.preview_until(kept, _spec(block, kept), shown)
        outputs.rollups += _rollups(block, name, kept, runs, final=False)
    outputs.findings += _findings(block, transitions)
    return outputs


def _spec(block: PowerBlock, state: InputState) -> InputSpec:
    shares = tuple(share for share, _ in state.allocation.groups())
    return InputSpec(block.rules, calendar(block.zone), shares, MOST_WAITING // len(block.inputs))


def _add_result(
    outputs: Outputs, block: PowerBlock, name: str, state: InputState, result: InputResult
) -> None:
    outputs.rollups += _rollups(block, name, state, result.closed, final=True)
    outputs.rollups += _rollups(block, name, state, result.revised, final=True, reason="late_data")
    for reason, refused in groupby(result.refused, key=lambda each: each[0]):
        late = Samples.of([arrival for _, arrival in refused])
        outputs.too_late.append(TooLate(block, name, late.times, late.power, reason))


def _rollups(
    block: PowerBlock,
    name: str,
    state: InputState,
    runs: dict[str, Run],
    *,
    final: bool,
    reason: RevisionReason = "end_of_data",
) -> list[Rollup]:
    """First publications and revisions apart; ``reason`` is that of the revisions."""
    left = state.allocation.left
    found = [
        (resolution, group, enclosures, run.until(left[first]) if first in left else run, why)
        for resolution, every in runs.items()
        for run, why in _by_reason(every, reason)
        for group, (_, enclosures) in enumerate(state.allocation.groups())
        for first in enclosures[:1]
    ]
    return [
        Rollup(block, name, tuple(enclosures), group, resolution, run, final, why)
        for resolution, group, enclosures, run, why in found
        if run.starts.size
    ]


def _by_reason(run: Run, reason: RevisionReason) -> list[tuple[Run, RevisionReason | None]]:
    if run.deltas is None:
        return [(run, None)]
    revised = run.revisions > 1
    return [(run.where(~revised), None), (run.where(revised), reason)]


def _skew(state: InputState, result: InputResult, times: Ints) -> list[tuple[int, Transition]]:
    rules = state.rules
    found = []
    for row, ahead in result.admitted.skew:
        raised = ahead is not None
        if raised == ("CLOCK_SKEW" in rules.active):
            continue
        cause = int(times[row])
        value = (ahead - cause) / 1000 if ahead is not None else 0.0
        found.append((row, change(rules, "CLOCK_SKEW", raised, cause, value, 0.0)))
    return found


class _Seen(NamedTuple):
    """A transition, and the row of the batch that brought it about."""

    row: int
    input: str
    transition: Transition


class _Silence:
    """STALE_DATA of each input, judged row by row against the newest time in its block."""

    def __init__(self, state: BlockState, rows: int, heard: int | None = None) -> None:
        self.state, self.rows = state, rows
        self.newest = {name: self._start(each.clock.now) for name, each in state.present.items()}
        self.block_time = self._start(max(state.heard or -1, -1 if heard is None else heard))

    def _start(self, time: int | None) -> Ints:
        return np.full(self.rows, -1 if time is None else time, dtype=np.int64)

    def heard(self, name: str, before: int | None, taken: Samples) -> None:
        newest = self._start(before)
        np.maximum.at(newest, taken.rows, taken.times)
        self.newest[name] = np.maximum.accumulate(newest)

    def settling(self, name: str, result: InputResult) -> list[_Seen]:
        """The transitions of settled samples, with the row that settled the sample of each."""
        if not result.transitions:
            return []
        assert self.state.block is not None
        taken, lateness_ms = result.admitted.taken, self.state.block.rules.lateness_ms
        arrived = dict(zip(taken.times[::-1].tolist(), taken.rows[::-1].tolist(), strict=True))
        passed = [each.cause + lateness_ms for each in result.transitions]
        rows = np.searchsorted(self.newest[name], passed).tolist()
        return [
            _Seen(max(row, arrived.get(each.cause, 0)), name, each)
            for row, each in zip(rows, result.transitions, strict=True)
        ]

    def transitions(self) -> list[_Seen]:
        assert self.state.block is not None
        stale_ms = self.state.block.rules.stale_ms
        clock = np.maximum.reduce([self.block_time, *self.newest.values()])
        found: list[_Seen] = []
        for name, newest in self.newest.items():
            rules = self.state.inputs[name].rules
            stale = (newest >= 0) & (clock - newest > stale_ms)
            if "STALE_DATA" not in rules.active and not stale.any():
                continue
            before = np.concatenate((["STALE_DATA" in rules.active], stale[:-1]))
            for row in np.flatnonzero(stale != before).tolist():
                raised, seen, now = bool(stale[row]), int(newest[row]), int(clock[row])
                time = seen + stale_ms if raised else seen
                value = (now - seen) / 1000
                each = change(rules, "STALE_DATA", raised, time, value, stale_ms / 1000, now)
                found.append(_Seen(row, name, each))
        return found


def _findings(block: PowerBlock, transitions: Iterable[_Seen]) -> list[Finding]:
    """In the order in which the rows brought them about, as if each had come alone."""
    order = {name: place for place, name in enumerate(block.inputs)}

    def place(seen: _Seen) -> tuple[int, int, int, int, int]:
        each = seen.transition
        return seen.row, each.cause, order[seen.input], RULES.index(each.rule), each.time

    return [
        Finding(block, seen.input, tuple(block.inputs[seen.input]), replace(seen.transition))
        for seen in sorted(transitions, key=place)
    ]
