"""Bytes of the telemetry topic to messages and back. A bad record is a value, not an exception."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfoNotFoundError

import msgspec
import numpy as np

from schemas.telemetry import (
    EndOfDataRecord,
    HeartbeatRecord,
    PowerRecord,
    RulesRecord,
    TelemetryRecord,
    TopologyRecord,
)
from stream_app.core.calendar import calendar
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules

EARLIEST_MS, LATEST_MS = 1 << 35, 1 << 42
"""Times are accepted from February 1971 to May 2109, whatever the site claims."""
LARGEST_W = 1e8
"""Of one DC input, 100 MW: beyond any, and small enough for the integers of the ledger."""
LONGEST_S = 7 * 86_400.0
"""Of a duration in the rules."""
SHARE_TOLERANCE = 1e-9

Record = tuple[bytes | None, bytes | None]
"""Key and value as Kafka has them."""

_decoder = msgspec.json.Decoder(TelemetryRecord)
_encoder = msgspec.json.Encoder()


@dataclass
class Inbox:
    """Messages of one key in order, and the places of the records that each was made of."""

    messages: list[Message] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)

    def put(self, message: Message, places: list[int]) -> None:
        self.messages.append(message)
        self.places.append(places)


@dataclass
class Decoded:
    """A chunk sorted by key; ``bad`` holds (place, reason) of records that could not be read."""

    inboxes: dict[str, Inbox] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)

    def inbox(self, key: str) -> Inbox:
        return self.inboxes.setdefault(key, Inbox())


def decode(records: Sequence[Record]) -> Decoded:
    """Sort the records of a chunk by key and read them.

    Consecutive samples of a key with the same inputs come out as one message.
    """
    decoded = Decoded()
    runs: dict[str, _Run] = {}
    for place, (key_bytes, value) in enumerate(records):
        try:
            key = _key(key_bytes)
            record = _decoder.decode(value or b"")
            if type(record) is PowerRecord:
                _check_shape(record)
                run = runs.get(key)
                if run is None or run.names != record.dc_power_w.keys():
                    _flush(decoded, key, run)
                    run = runs[key] = _Run(record)
                run.parts.append(record)
                run.places.append(place)
            else:
                message = _control(key, record)
                _flush(decoded, key, runs.pop(key, None))
                decoded.inbox(key).put(message, [place])
        except (ValueError, ZoneInfoNotFoundError, RecursionError) as fault:
            decoded.bad.append((place, str(fault)))
    for key, run in runs.items():
        _flush(decoded, key, run)
    decoded.bad.sort()
    return decoded


def encode(message: Message) -> bytes:
    """One message as JSON."""
    return _encoder.encode(_record(message))


def topology_record(block: PowerBlock) -> TopologyRecord:
    """The wire form of a power block."""
    rules = block.rules
    return TopologyRecord(
        v=1,
        site=block.site,
        block=block.block,
        zone=block.zone,
        inputs={name: dict(shares) for name, shares in block.inputs.items()},
        rules=RulesRecord(
            method=rules.method,
            interval_s=rules.interval_ms / 1000,
            max_gap_s=rules.max_gap_ms / 1000,
            lateness_s=rules.lateness_ms / 1000,
            skew_s=rules.skew_ms / 1000,
            stale_s=rules.stale_ms / 1000,
            frozen_s=rules.frozen_ms / 1000,
            rating_w=rules.rating_w,
            resolutions=list(rules.resolutions),  # type: ignore[arg-type]
        ),
    )


def power_block(record: TopologyRecord) -> PowerBlock:
    """The power block of a topology record.

    Raises
    ------
    ValueError
        The zone does not exist, an input has no enclosure, or shares do not sum to 1.
    """
    calendar(record.zone)
    if "/" in record.site + record.block or not (record.site and record.block):
        raise ValueError("site and block must have a name each, without a slash")
    every = [enclosure for shares in record.inputs.values() for enclosure in shares]
    doubled = sorted({each for each in every if every.count(each) > 1})
    if doubled:
        raise ValueError(f"the enclosure {doubled[0]} hangs on more than one DC input")
    for name, shares in record.inputs.items():
        if not shares:
            raise ValueError(f"DC input {name} has no enclosure")
        if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > SHARE_TOLERANCE:
            raise ValueError(f"the shares of DC input {name} sum to {sum(shares.values())}, not 1")
    if not record.inputs:
        raise ValueError("the topology has no DC input")
    return PowerBlock(record.site, record.block, record.zone, record.inputs, _rules(record.rules))


class _Run:
    """Consecutive power records of one key that have the same inputs."""

    def __init__(self, first: PowerRecord) -> None:
        self.names = first.dc_power_w.keys()
        self.parts: list[PowerRecord] = []
        self.places: list[int] = []


def _key(key: bytes | None) -> str:
    if not key:
        raise ValueError("the record has no key; it must be site/block")
    return key.decode()


def _check_shape(record: PowerRecord) -> None:
    size = len(record.t)
    if not size:
        raise ValueError("t is empty")
    if not record.dc_power_w:
        raise ValueError("dc_power_w names no DC input")
    for name, power in record.dc_power_w.items():
        if len(power) != size:
            raise ValueError(f"dc_power_w[{name!r}] has {len(power)} values for {size} times")


def _flush(decoded: Decoded, key: str, run: _Run | None) -> None:
    """Deliver a run; if a value in it is out of range, record by record to find which."""
    if run is None:
        return
    try:
        decoded.inbox(key).put(_gather(run.parts), run.places)
    except ValueError as fault:
        if len(run.parts) == 1:
            decoded.bad.append((run.places[0], str(fault)))
            return
        for place, part in zip(run.places, run.parts, strict=True):
            alone = _Run(part)
            alone.parts, alone.places = [part], [place]
            _flush(decoded, key, alone)


def _gather(parts: Sequence[PowerRecord]) -> PowerSamples:
    times = [time for part in parts for time in part.t]
    if min(times) < EARLIEST_MS or max(times) >= LATEST_MS:
        raise ValueError("a time in t lies outside 1971-2109; t is in milliseconds UTC")
    power_w = {
        name: np.array([p for part in parts for p in part.dc_power_w[name]], dtype=np.float64)
        for name in parts[0].dc_power_w
    }
    for name, power in power_w.items():
        if np.abs(power).max(initial=0.0, where=~np.isnan(power)) > LARGEST_W:
            raise ValueError(f"a power in dc_power_w[{name!r}] is beyond {LARGEST_W:g} W")
    return PowerSamples(np.array(times, dtype=np.int64), power_w)


def _control(key: str, record: TelemetryRecord) -> Message:
    if isinstance(record, TopologyRecord):
        block = power_block(record)
        if block.key != key:
            raise ValueError(f"the topology of {block.key} came under the key {key}")
        return Configure(block)
    assert not isinstance(record, PowerRecord)
    if not EARLIEST_MS <= record.t < LATEST_MS:
        raise ValueError("t lies outside 1971-2109; it is in milliseconds UTC")
    return Heartbeat(record.t) if isinstance(record, HeartbeatRecord) else EndOfData(record.t)


def _record(message: Message) -> TelemetryRecord:
    if isinstance(message, PowerSamples):
        return PowerRecord(
            v=1,
            t=message.times.tolist(),
            dc_power_w={name: _nullable(power) for name, power in message.power_w.items()},
        )
    if isinstance(message, Configure):
        return topology_record(message.block)
    if isinstance(message, Heartbeat):
        return HeartbeatRecord(v=1, t=message.time)
    return EndOfDataRecord(v=1, t=message.time)


def _nullable(power: np.ndarray) -> list[float | None]:
    values: list[float | None] = power.tolist()
    for place in np.flatnonzero(~np.isfinite(power)).tolist():
        values[place] = None
    return values


def _rules(record: RulesRecord) -> Rules:
    def ms(seconds: float) -> int:
        if not 0 <= seconds <= LONGEST_S:
            raise ValueError(f"a duration of {seconds} s in rules; it must be 0 to 7 days")
        return round(seconds * 1000)

    if min(record.interval_s, record.max_gap_s) < 0.001:
        raise ValueError("interval_s and max_gap_s must be above 0, 1 ms at least")
    if record.rating_w is not None and not record.rating_w > 0:
        raise ValueError("rating_w must be above 0")
    return Rules(
        method=record.method,
        interval_ms=ms(record.interval_s),
        max_gap_ms=ms(record.max_gap_s),
        lateness_ms=ms(record.lateness_s),
        skew_ms=ms(record.skew_s),
        stale_ms=ms(record.stale_s),
        frozen_ms=ms(record.frozen_s),
        rating_w=record.rating_w,
        resolutions=tuple(record.resolutions),
    )
