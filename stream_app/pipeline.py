"""The flow of one power block, spelled out once: messages in, windows and findings out.

Batch, replay and live operation all come through :func:`fold`, and its results do not depend on how
the messages were cut into batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from stream_app.core import corrections, integrator, lateness
from stream_app.core.calendar import DAY_MS, calendar
from stream_app.core.clock import HEARTBEAT_LIMIT_MS, Samples, advance, witnessed
from stream_app.core.conditions import Seen, Silence, findings, skew
from stream_app.core.corrections import Correction
from stream_app.core.energy import Floats, Ints
from stream_app.core.integrator import InputResult, InputSpec, InputState
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
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
from stream_app.core.stale import Expected
from stream_app.core.succession import objection, owners
from stream_app.core.topology import PowerBlock
from stream_app.core.windows import Run

LATEST = 1 << 42
"""A time after any [ms UTC]."""
MOST_WAITING = 32_768
"""Samples of a block that wait to be settled, the same number for each of its inputs."""
MOST_CLOSED = 1 << 18
"""Sums in the closed windows that the holes of a block touch, the same number for each input."""


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
    allocated
        When the enclosures or shares of an input with energy last changed [ms UTC]; 0: never.
    corrections
        How many corrections have begun.
    correction
        The one that is under way.
    """

    block: PowerBlock | None = None
    inputs: dict[str, InputState] = field(default_factory=dict)
    heard: int | None = None
    owners: dict[str, str] = field(default_factory=dict)
    allocated: int = 0
    corrections: int = 0
    correction: Correction | None = None

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

    @property
    def expects(self) -> Expected | None:
        """The block's newest sample, and the silence after it that raises STALE_DATA.

        None where nothing is to come or to tell: before the first samples, after an end of data,
        and once all inputs are told silent.
        """
        heard = [each for each in self.present.values() if each.clock.now is not None]
        waits = [each for each in heard if "STALE_DATA" not in each.rules.active]
        if self.block is None or not waits or all(each.clock.ended for each in heard):
            return None
        newest = max(each.clock.now or 0 for each in heard)
        return Expected(newest, newest, self.block.rules.stale_ms)


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
            fold_all = _fold_power if first.correction is None else _fold_correction
            outputs.extend(fold_all(state, [m for _, m in batch if isinstance(m, PowerSamples)]))
        elif isinstance(first, CorrectionBegin):
            outputs.extend(_begin_correction(state, first))
        elif isinstance(first, CorrectionEnd):
            outputs.extend(_end_correction(state))
        elif isinstance(first, Heartbeat):
            outputs.extend(_hear(state, first.time))
        else:
            outputs.extend(_end(state, first.time))
    return outputs


def _batches(messages: Sequence[Message]) -> Iterator[list[tuple[int, Message]]]:
    def kind(numbered: tuple[int, Message]) -> object:
        place, message = numbered
        if isinstance(message, PowerSamples):
            return message.correction, tuple(message.power_w)
        return place

    for _, batch in groupby(enumerate(messages), key=kind):
        yield list(batch)


def _refusal(state: BlockState, message: Message) -> str | None:
    if isinstance(message, Configure):
        owner_of = owners(state.counted, state.owners)
        return objection(state.block, message.block, state.counted, owner_of)
    if state.block is None:
        return "no topology is known for this power block: publish it before its telemetry"
    if isinstance(message, CorrectionBegin):
        zone = calendar(state.block.zone)
        inputs = state.counted.values()
        return corrections.refusal(message, state.correction, zone, inputs, state.allocated)
    if isinstance(message, CorrectionEnd | PowerSamples):
        unknown = corrections.unknown(message, state.correction)
        return unknown or _unknown_inputs(state.block, message)
    if isinstance(message, Heartbeat) and state.newest is not None:
        ahead = message.time - state.newest
        if ahead > HEARTBEAT_LIMIT_MS:
            return (
                f"the heartbeat is {ahead // DAY_MS} days ahead of all that the block has sent: "
                "check the sender's clock; after such a silence a sample must come first"
            )
    return None


def _unknown_inputs(block: PowerBlock, message: CorrectionEnd | PowerSamples) -> str | None:
    names = message.power_w if isinstance(message, PowerSamples) else {}
    unknown = sorted(set(names) - set(block.inputs))
    if not unknown:
        return None
    known = ", ".join(block.inputs)
    return f"the topology has no DC input {', '.join(unknown)}; it has {known}"


def _configure(state: BlockState, block: PowerBlock) -> Outputs:
    """Take a new topology; windows that it changes or ends are published as they are."""
    outputs = Outputs()
    if block == state.block:
        return outputs
    outputs.rollups += _close_holes(state, 0, LATEST)
    state.correction = None
    old, counted = state.block, state.counted
    resolutions = {*block.rules.resolutions, integrator.DAY}
    for name in old.inputs if old is not None else ():
        assert old is not None
        if name in counted:
            changes = counted[name].allocation.present != block.inputs.get(name)
            if changes:
                state.allocated = max(state.newest or 0, state.allocated)
            kept = set() if changes else resolutions
            outputs.rollups += _ending(old, name, counted[name], kept)
    state.owners = owners(state.counted, state.owners)
    for each in state.inputs.values():
        each.windows = {name: run for name, run in each.windows.items() if name in resolutions}
    gone = {name: each for name, each in counted.items() if name not in block.inputs}
    state.inputs = {name: state.inputs.get(name, InputState()) for name in block.inputs} | gone
    for name, shares in block.inputs.items():
        integrator.reallocate(state.inputs[name], shares)
        advance(state.inputs[name].clock, block.rules.lateness_ms)
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


def _begin_correction(state: BlockState, begin: CorrectionBegin) -> Outputs:
    """Begin a correction, or begin it again; what is late for its days is too late from now on."""
    state.corrections += 1
    state.correction = corrections.begun(begin, state.corrections)
    return Outputs(rollups=_close_holes(state, begin.since, begin.until))


def _fold_correction(state: BlockState, messages: Sequence[PowerSamples]) -> Outputs:
    assert state.block is not None
    assert state.correction is not None
    block, outputs = state.block, Outputs()
    times = np.concatenate([message.times for message in messages])
    for name in messages[0].power_w:
        kept = corrections.shadow(state.correction, name, block)
        samples = _samples(times, [message.power_w[name] for message in messages])
        result = corrections.fold(state.correction, kept, _spec(block, kept), samples)
        _add_result(outputs, block, name, kept, result, "correction")
        outputs.samples += samples.times.size
    return outputs


def _end_correction(state: BlockState) -> Outputs:
    assert state.block is not None
    assert state.correction is not None
    outputs = Outputs()
    for name, kept in state.correction.inputs.items():
        result = corrections.end(state.correction, kept, _spec(state.block, kept))
        _add_result(outputs, state.block, name, kept, result, "correction")
    state.correction = None
    return outputs


def _samples(times: Ints, power: Sequence[Floats]) -> Samples:
    """The samples of one input that have a value."""
    values = np.concatenate(power)
    rows = np.flatnonzero(np.isfinite(values))
    return Samples(times[rows], values[rows], rows)


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
    silence = Silence(block, state.present, state.heard, times.size)
    transitions: list[Seen] = []
    for name in messages[0].power_w:
        samples = _samples(times, [message.power_w[name] for message in messages])
        kept = state.inputs[name]
        before = kept.clock.now
        result = lateness.step(kept, _spec(block, kept), samples)
        silence.heard(name, before, result.admitted.taken)
        transitions += [Seen(row, name, each) for row, each in skew(kept, result, times)]
        transitions += silence.settling(name, result)
        _add_result(outputs, block, name, kept, result)
        outputs.samples += samples.times.size
    transitions += silence.transitions()
    outputs.findings += findings(block, transitions)
    return outputs


def _hear(state: BlockState, time: int) -> Outputs:
    assert state.block is not None
    if state.newest is None:
        # Nothing yet says whether its clock is right, and there is nothing that could be silent.
        return Outputs()
    state.heard = time if state.heard is None else max(state.heard, time)
    silence = Silence(state.block, state.present, state.heard, 1)
    outputs = Outputs(findings=findings(state.block, silence.transitions()))
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
    transitions: list[Seen] = []
    for name, kept in state.present.items():
        result = lateness.settle_until(kept, _spec(block, kept), until - 1)
        transitions += [Seen(0, name, each) for each in result.transitions]
        _add_result(outputs, block, name, kept, result)
        runs = integrator.preview_until(kept, _spec(block, kept), shown)
        outputs.rollups += _rollups(block, name, kept, runs, final=False)
    outputs.findings += findings(block, transitions)
    return outputs


def _spec(block: PowerBlock, state: InputState) -> InputSpec:
    shares = tuple(share for share, _ in state.allocation.groups())
    count, columns = len(block.inputs), integrator.LEDGER + integrator.LEDGER_ROWS * len(shares)
    most_closed = MOST_CLOSED // (count * columns)
    return InputSpec(block.rules, calendar(block.zone), shares, MOST_WAITING // count, most_closed)


def _add_result(
    outputs: Outputs,
    block: PowerBlock,
    name: str,
    state: InputState,
    result: InputResult,
    reason: RevisionReason = "end_of_data",
) -> None:
    outputs.rollups += _rollups(block, name, state, result.closed, final=True, reason=reason)
    outputs.rollups += _rollups(block, name, state, result.revised, final=True, reason="late_data")
    for why, refused in groupby(result.refused, key=lambda each: each[0]):
        late = Samples.of([arrival for _, arrival in refused])
        outputs.too_late.append(TooLate(block, name, late.times, late.power, why))


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
    if reason == "correction":
        return [(run, reason)]
    if run.deltas is None:
        return [(run, None)]
    revised = run.revisions > 1
    return [(run.where(~revised), None), (run.where(revised), reason)]
