"""The flow of one power block, spelled out once: messages in, windows and findings out.

Batch, replay and live operation all come through :func:`fold`, and its results do not depend on how
the messages were cut into batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from stream_app.core import integrator
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
    Rollup,
    TooLate,
)
from stream_app.core.topology import PowerBlock, share_groups
from stream_app.core.windows import Run, WindowState


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
        return None
    if state.block is None:
        return "no topology is known for this power block: publish it before its telemetry"
    if isinstance(message, PowerSamples):
        unknown = sorted(set(message.power_w) - set(state.block.inputs))
        if unknown:
            known = ", ".join(state.block.inputs)
            return f"the topology has no DC input {', '.join(unknown)}; it has {known}"
    return None


def _configure(state: BlockState, block: PowerBlock) -> Outputs:
    """Take a new topology; inputs that changed or went publish what they have."""
    outputs = Outputs()
    old = state.block
    for name, shares in old.inputs.items() if old is not None else ():
        if list(shares.items()) != list(block.inputs.get(name, {}).items()):
            assert old is not None
            outputs.extend(_leave(old, name, state.inputs[name], gone=name not in block.inputs))
            state.inputs[name] = _reopened(state.inputs[name])
    state.inputs = {name: state.inputs.get(name, InputState()) for name in block.inputs}
    state.block = block
    return outputs


def _leave(block: PowerBlock, name: str, state: InputState, *, gone: bool) -> Outputs:
    outputs, now = Outputs(), state.clock.now
    if now is None:
        return outputs
    result = integrator.settle_until(state, _spec(block, name), now)
    transitions = list(result.transitions)
    if gone:
        standing = [rule for rule in RULES if rule in state.rules.active]
        transitions += [change(state.rules, rule, False, now, 0.0, 0.0) for rule in standing]
    outputs.findings += _findings(block, [(name, each) for each in transitions])
    _add_result(outputs, block, name, result)
    outputs.rollups += _preview(block, name, state, None)
    return outputs


def _reopened(state: InputState) -> InputState:
    """Conditions and clock go on; energy begins anew, in revisions after those published."""
    seen: dict[str, dict[int, tuple[int, list[int]]]] = {
        name: {s: (r, []) for s, (r, _) in w.published.items()} for name, w in state.windows.items()
    }
    windows = {name: WindowState(published=published) for name, published in seen.items()}
    clock = replace(state.clock, settled=state.clock.now)
    return InputState(clock=clock, windows=windows, rules=state.rules, latest=state.latest)


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
        result = integrator.step(
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
    return Outputs(findings=_findings(state.block, silence.transitions()))


def _end(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    block, outputs = state.block, Outputs()
    transitions: list[tuple[str, Transition]] = []
    for name, kept in state.inputs.items():
        result = integrator.settle_until(kept, _spec(block, name), time)
        transitions += [(name, each) for each in result.transitions]
        _add_result(outputs, block, name, result)
        outputs.rollups += _preview(block, name, kept, time)
    outputs.findings += _findings(block, transitions)
    return outputs


def _spec(block: PowerBlock, name: str) -> InputSpec:
    return InputSpec.of(block.rules, calendar(block.zone), block.inputs[name])


def _preview(block: PowerBlock, name: str, state: InputState, until: int | None) -> list[Rollup]:
    end = until if until is not None else state.last[0] if state.last else 0
    runs = integrator.preview_until(state, _spec(block, name), end)
    return _rollups(block, name, runs, final=False)


def _add_result(outputs: Outputs, block: PowerBlock, name: str, result: InputResult) -> None:
    outputs.rollups += _rollups(block, name, result.closed, final=True)
    late = result.admitted.late
    if late.times.size:
        outputs.too_late.append(TooLate(block, name, late.times, late.power))


def _rollups(block: PowerBlock, name: str, runs: dict[str, Run], *, final: bool) -> list[Rollup]:
    groups = share_groups(block.inputs[name])
    return [
        Rollup(block, name, tuple(enclosures), group, resolution, run, final)
        for resolution, run in runs.items()
        if run.starts.size
        for group, (_, enclosures) in enumerate(groups)
    ]


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
