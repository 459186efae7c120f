"""Telemetry of one power block, as good and as bad as it comes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from hypothesis import strategies as st

from schemas import topics
from schemas.results import RollupRecord, TooLateRecord
from stream_app.codec.results import encode_outputs
from stream_app.codec.state import restore, snapshot
from stream_app.core.messages import (
    Configure,
    EndOfData,
    Heartbeat,
    Message,
    Outputs,
    PowerSamples,
)
from stream_app.core.topology import PowerBlock, Rules
from stream_app.pipeline import BlockState, fold

ZONES = ("Australia/Sydney", "Europe/Berlin", "UTC", "Australia/Lord_Howe", "America/New_York")
NEAR_A_CLOCK_CHANGE_MS = 1743861000000
"""2025-04-05 13:50 UTC: ten minutes before midnight in Sydney, hours before it turns back."""
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LEVELS_W = (0.0, 1.0, -1.0, 100_000.0, -50_000.0, 1_800_000.0, -1_799_999.5, math.nan)
powers = st.one_of(st.sampled_from(LEVELS_W), st.floats(-2e6, 2e6))
finite_powers = st.floats(-2e6, 2e6)
FAR = 41 * HOUR
"""A step ahead that the next sample does not follow."""

steps_ms = st.one_of(
    st.sampled_from((1, 1000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 0, -MINUTE, -7 * MINUTE)),
    st.integers(1, 3 * HOUR),
    st.sampled_from((5 * HOUR, 30 * HOUR, -2 * HOUR, FAR, 4 * DAY, 500 * DAY)),
)
control_offsets_ms = st.one_of(
    st.integers(-HOUR, 2 * HOUR), st.sampled_from((2 * DAY, 8 * DAY, 20_000 * DAY, -10_000 * DAY))
)
owners = st.sampled_from(("1", "2"))
shares = st.sampled_from(
    (
        {"A1": 1.0},
        {"A1": 0.5, "A2": 0.5},
        {"A1": 1 / 3, "A2": 1 / 3, "A3": 1 / 3},
        {"A1": 0.4, "A2": 0.3, "A3": 0.3},
    )
)
rules = st.builds(
    Rules,
    method=st.sampled_from(("trapezoid", "left")),
    interval_ms=st.sampled_from((1000, MINUTE, 15 * MINUTE)),
    max_gap_ms=st.sampled_from((MINUTE, 45 * MINUTE, 6 * HOUR)),
    lateness_ms=st.sampled_from((0, MINUTE, 10 * MINUTE, 2 * HOUR)),
    correction_ms=st.sampled_from((0, 4 * HOUR, 48 * HOUR)),
    skew_ms=st.sampled_from((10 * MINUTE, HOUR, 4 * HOUR)),
    stale_ms=st.sampled_from((10 * MINUTE, 45 * MINUTE)),
    frozen_ms=st.sampled_from((2 * MINUTE, HOUR)),
    rating_w=st.sampled_from((None, 99_999.0, 1_800_000.0)),
    resolutions=st.sampled_from((("5min", "15min", "1h", "1d"), ("15min",), ())),
)


@st.composite
def blocks(draw: st.DrawFn) -> PowerBlock:
    names = draw(st.sampled_from((("1",), ("1", "2"), ("2", "1"), ("3", "1"))))
    # A single input may have enclosures that an earlier topology gives to another one.
    of = dict(zip(names, names, strict=True)) if len(names) > 1 else {"1": draw(owners)}
    inputs = {
        name: {f"{of[name]}{each}": share for each, share in draw(shares).items()} for name in names
    }
    return PowerBlock("station", "1APCS1", draw(st.sampled_from(ZONES)), inputs, draw(rules))


@st.composite
def rows(draw: st.DrawFn, block: PowerBlock, start: int, most: int = 25) -> list[Message]:
    """One-row messages whose times mostly rise, with what goes wrong in between."""
    messages: list[Message] = []
    time = start + draw(st.integers(0, 30)) * MINUTE
    for step in draw(st.lists(steps_ms, min_size=1, max_size=most)):
        level = {name: np.array([draw(powers)]) for name in block.inputs}
        messages.append(PowerSamples(np.array([time + step], dtype=np.int64), level))
        if step != FAR:
            time += step
    return messages


@st.composite
def topologies(draw: st.DrawFn, old: PowerBlock) -> PowerBlock:
    """The next topology: mostly in the same zone, for another one is refused."""
    new = draw(blocks())
    zone = draw(st.sampled_from((old.zone, old.zone, old.zone, new.zone)))
    rules = draw(st.sampled_from((old.rules, new.rules)))
    return replace(new, zone=zone, rules=rules)


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """A topology, rows, and between them heartbeats, ends of data and changes of the topology."""
    block = draw(blocks())
    start = NEAR_A_CLOCK_CHANGE_MS
    messages: list[Message] = [Configure(block)]
    for _ in range(draw(st.integers(1, 3))):
        messages += draw(rows(block, start))
        newest = max(int(each.times[0]) for each in messages if isinstance(each, PowerSamples))
        start = draw(st.sampled_from((start, _newest(messages))))
        time = draw(st.sampled_from((_newest(messages), newest))) + draw(control_offsets_ms)
        messages += draw(
            st.sampled_from(
                ([], [EndOfData(time)], [Heartbeat(time)], [Heartbeat(time), EndOfData(time)])
            )
        )
        if draw(st.booleans()):
            block = draw(topologies(block))
            messages.append(Configure(block))
    return messages


def _newest(messages: Sequence[Message]) -> int:
    last = [each for each in messages if isinstance(each, PowerSamples)][-1]
    return int(last.times[-1])


@st.composite
def cuts(draw: st.DrawFn, count: int) -> list[slice]:
    """A way to cut ``count`` things into consecutive runs."""
    if count < 2:
        return [slice(0, count)]
    places = sorted(draw(st.sets(st.integers(1, count - 1), max_size=8)))
    return [slice(a, b) for a, b in zip([0, *places], [*places, count], strict=True)]


@st.composite
def batchings(draw: st.DrawFn, messages: list[Message]) -> list[list[Message]]:
    """The same messages in other batches; neighbouring rows of a batch may become one block."""
    batches = [messages[part] for part in draw(cuts(len(messages)))]
    return [blocked(batch) if draw(st.booleans()) else batch for batch in batches]


def blocked(messages: Sequence[Message]) -> list[Message]:
    """Neighbouring rows with the same inputs as one columnar message."""
    merged: list[Message] = []
    for message in messages:
        before = merged[-1] if merged else None
        if (
            isinstance(message, PowerSamples)
            and isinstance(before, PowerSamples)
            and list(message.power_w) == list(before.power_w)
            and message.correction == before.correction
        ):
            merged[-1] = PowerSamples(
                np.concatenate([before.times, message.times]),
                {n: np.concatenate([before.power_w[n], p]) for n, p in message.power_w.items()},
                message.correction,
            )
        else:
            merged.append(message)
    return merged


def ordered(times: Sequence[int], power: Sequence[float], name: str = "1") -> PowerSamples:
    """A block of one input."""
    return PowerSamples(np.array(times, dtype=np.int64), {name: np.array(power, dtype=np.float64)})


@dataclass
class Run:
    """What a sequence of batches came to."""

    results: list[tuple[object, ...]]
    state: bytes
    outputs: Outputs


def run(batches: Sequence[Sequence[Message]], *, restored: bool = False) -> Run:
    """Fold the batches; with ``restored`` the state goes through bytes after each."""
    state, total = BlockState(), Outputs()
    for batch in batches:
        total.extend(fold(state, batch))
        if restored:
            state = restore(snapshot(state))
    return Run(unpacked(total), snapshot(state), total)


def unpacked(outputs: Outputs) -> list[tuple[object, ...]]:
    """All results as single windows, samples and records, sorted."""
    return sorted((row for row in _rows(outputs)), key=repr)


def _rows(outputs: Outputs) -> Iterator[tuple[object, ...]]:
    rollup_topics = set(topics.ROLLUPS.values())
    for output in encode_outputs(outputs):
        if output.topic in rollup_topics:
            yield from _windows(msgspec.json.decode(output.value, type=RollupRecord))
        elif output.topic == topics.TOO_LATE:
            late = msgspec.json.decode(output.value, type=TooLateRecord)
            for time, power in zip(late.t, late.dc_power_w, strict=True):
                yield "late", late.input, late.reason, time, power
        else:
            yield output.topic.suffix, output.key, output.value, output.headers, output.time


def _windows(record: RollupRecord) -> Iterator[tuple[object, ...]]:
    columns = {
        name: values
        for name, values in {
            **msgspec.structs.asdict(record),
            **msgspec.structs.asdict(record.quality),
        }.items()
        if name != "enclosures" and isinstance(values, list)
    }
    for at in range(len(record.start)):
        window = {name: values[at] for name, values in columns.items() if values[at]}
        for enclosure in record.enclosures:
            yield record.id, enclosure, record.final, record.reason, *sorted(window.items())
