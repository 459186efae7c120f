"""The flow of one power block, spelled out once: messages in, windows and findings out.

Batch, replay and live operation all come through :func:`fold`, and its results do not depend on how
the messages were cut into batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from stream_app.core import integrator, lateness
from stream_app.core.calendar import calendar
from stream_app.core.clock import Samples
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
from stream_app.core.topology import PowerBlock, share_groups
from stream_app.core.windows import Run

LATEST = 1 << 42
"""A time after any [ms UTC]."""


@dataclass
class BlockState:
    """Everything remembered of one power block; ``heard`` is its newest heartbeat [ms UTC]."""

    block: PowerBlock | None = None
    inputs: dict[str, InputState] = field(default_factory=dict)
    heard: int | None = None


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
        return _moved(state, message.block)
    if state.block is None:
        return "no topology is known for this power block: publish it before its telemetry"
    if isinstance(message, PowerSamples):
        unknown = sorted(set(message.power_w) - set(state.block.inputs))
        if unknown:
            known = ", ".join(state.block.inputs)
            return f"the topology has no DC input {', '.join(unknown)}; it has {known}"
    return None


def _moved(state: BlockState, block: PowerBlock) -> str | None:
    """Why a topology cannot follow the one that energy was already counted with."""
    old = state.block
    counted = [name for name, each in state.inputs.items() if each.last is not None]
    if old is None or not counted:
        return None
    moved = [
        name
        for name in counted
        if list(old.inputs[name].items()) != list(block.inputs.get(name, {}).items())
    ]
    what = f"the zone {old.zone}" if old.zone != block.zone else ""
    what = what or (f"the enclosures or shares of DC input {', '.join(moved)}" if moved else "")
    if not what:
        return None
    return f"the topology changes {what}, with which energy is counted: use another site name"


def _configure(state: BlockState, block: PowerBlock) -> Outputs:
    """Take a new topology; windows of resolutions that went are published as they are."""
    outputs = Outputs()
    if block != state.block:
        outputs.rollups += _close_holes(state, 0, LATEST)
    kept = {*block.rules.resolutions, integrator.DAY}
    for name, each in state.inputs.items():
        if set(each.windows) - kept and state.block is not None and each.last is not None:
            runs = integrator.preview_until(each, _spec(state.block, name), each.last[0])
            gone = {resolution: run for resolution, run in runs.items() if resolution not in kept}
            outputs.rollups += _rollups(state.block, name, gone, final=False)
        each.windows = {name: window for name, window in each.windows.items() if name in kept}
    state.inputs = {name: state.inputs.get(name, InputState()) for name in block.inputs}
    state.block = block
    return outputs


def _close_holes(state: BlockState, since: int, until: int) -> list[Rollup]:
    """Publish what late samples have changed, and forget the holes in a span [ms UTC]."""
    rollups: list[Rollup] = []
    for name, each in state.inputs.items():
        assert state.block is not None
        runs = lateness.close_holes(each, _spec(state.block, name), since, until)
        rollups += _rollups(state.block, name, runs, final=True, reason="late_data")
    return rollups


def _fold_power(state: BlockState, messages: Sequence[PowerSamples]) -> Outputs:
    assert state.block is not None
    block, outputs = state.block, Outputs()
    times = np.concatenate([message.times for message in messages])
    silence = _Silence(state, times.size)
    transitions: list[tuple[str, Transition]] = []
    for name in messages[0].power_w:
        power = np.concatenate([message.power_w[name] for message in messages])
        rows = np.flatnonzero(np.isfinite(power))
        before = state.inputs[name].clock.now
        result = lateness.step(
            state.inputs[name], _spec(block, name), Samples(times[rows], power[rows], rows)
        )
        silence.heard(name, before, result.admitted.taken)
        transitions += [(name, each) for each in _skew(state.inputs[name], result, times)]
        transitions += [(name, each) for each in result.transitions]
        _add_result(outputs, block, name, result)
        outputs.samples += rows.size
    transitions += silence.transitions()
    outputs.findings += _findings(block, transitions)
    return outputs


def _hear(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    silence = _Silence(state, 1, heard=time)
    state.heard = time if state.heard is None else max(state.heard, time)
    outputs = Outputs(findings=_findings(state.block, silence.transitions()))
    for name, each in state.inputs.items():
        revised = lateness.hear(each, _spec(state.block, name), time)
        outputs.rollups += _rollups(state.block, name, revised, final=True, reason="late_data")
    return outputs


def _end(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    block, outputs = state.block, Outputs()
    transitions: list[tuple[str, Transition]] = []
    for name, kept in state.inputs.items():
        result = lateness.settle_until(kept, _spec(block, name), time - 1)
        transitions += [(name, each) for each in result.transitions]
        _add_result(outputs, block, name, result)
        outputs.rollups += _preview(block, name, kept, time)
    outputs.findings += _findings(block, transitions)
    return outputs


def _spec(block: PowerBlock, name: str) -> InputSpec:
    return InputSpec.of(block.rules, calendar(block.zone), block.inputs[name])


def _preview(block: PowerBlock, name: str, state: InputState, until: int) -> list[Rollup]:
    runs = integrator.preview_until(state, _spec(block, name), until)
    return _rollups(block, name, runs, final=False)


def _add_result(outputs: Outputs, block: PowerBlock, name: str, result: InputResult) -> None:
    outputs.rollups += _rollups(block, name, result.closed, final=True)
    outputs.rollups += _rollups(block, name, result.revised, final=True, reason="late_data")
    for reason, refused in groupby(result.refused, key=lambda each: each[0]):
        late = Samples.of([arrival for _, arrival in refused])
        outputs.too_late.append(TooLate(block, name, late.times, late.power, reason))


def _rollups(
    block: PowerBlock,
    name: str,
    runs: dict[str, Run],
    *,
    final: bool,
    reason: RevisionReason = "end_of_data",
) -> list[Rollup]:
    """First publications and revisions apart; ``reason`` is that of the revisions."""
    groups = share_groups(block.inputs[name])
    return [
        Rollup(block, name, tuple(enclosures), group, resolution, part, final, why)
        for resolution, run in runs.items()
        for part, why in _by_reason(run, reason)
        if part.starts.size
        for group, (_, enclosures) in enumerate(groups)
    ]


def _by_reason(run: Run, reason: RevisionReason) -> list[tuple[Run, RevisionReason | None]]:
    if run.deltas is None:
        return [(run, None)]
    revised = run.revisions > 1
    return [(run.where(~revised), None), (run.where(revised), reason)]


def _skew(state: InputState, result: InputResult, times: Ints) -> list[Transition]:
    rules = state.rules
    found = []
    for row, ahead in result.admitted.skew:
        raised = ahead is not None
        if raised == ("CLOCK_SKEW" in rules.active):
            continue
        cause = int(times[row])
        value = (ahead - cause) / 1000 if ahead is not None else 0.0
        found.append(change(rules, "CLOCK_SKEW", raised, cause, value, 0.0))
    return found


class _Silence:
    """STALE_DATA of each input, judged row by row against the newest time in its block."""

    def __init__(self, state: BlockState, rows: int, heard: int | None = None) -> None:
        self.state, self.rows = state, rows
        self.newest = {name: self._start(each.clock.now) for name, each in state.inputs.items()}
        self.block_time = self._start(max(state.heard or -1, -1 if heard is None else heard))

    def _start(self, time: int | None) -> Ints:
        return np.full(self.rows, -1 if time is None else time, dtype=np.int64)

    def heard(self, name: str, before: int | None, taken: Samples) -> None:
        newest = self._start(before)
        np.maximum.at(newest, taken.rows, taken.times)
        self.newest[name] = np.maximum.accumulate(newest)

    def transitions(self) -> list[tuple[str, Transition]]:
        assert self.state.block is not None
        stale_ms = self.state.block.rules.stale_ms
        clock = np.maximum.reduce([self.block_time, *self.newest.values()])
        found: list[tuple[str, Transition]] = []
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
                found.append((name, each))
        return found


def _findings(block: PowerBlock, transitions: Sequence[tuple[str, Transition]]) -> list[Finding]:
    order = {name: place for place, name in enumerate(block.inputs)}

    def place(item: tuple[str, Transition]) -> tuple[int, int, int, int]:
        name, each = item
        return each.cause, order[name], RULES.index(each.rule), each.time

    return [
        Finding(block, name, tuple(block.inputs[name]), replace(each))
        for name, each in sorted(transitions, key=place)
    ]
