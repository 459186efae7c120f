"""Bytes of the telemetry topic to messages and back. A bad record is a value, not an exception."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfoNotFoundError

import msgspec
import numpy as np

from schemas.telemetry import (
    CorrectionBeginRecord,
    CorrectionEndRecord,
    EndOfDataRecord,
    HeartbeatRecord,
    PowerRecord,
    RulesRecord,
    TelemetryRecord,
    TopologyRecord,
)
from stream_app.codec.battery import BatteryMessage, decode_battery
from stream_app.codec.checks import check_names, check_zone, milliseconds, other_version
from stream_app.codec.limits import (
    EARLIEST_MS,
    LARGEST_VALUE,
    LARGEST_W,
    LATEST_MS,
    LONGEST_KEY,
    MOST_ENCLOSURES,
    MOST_INPUTS,
    MOST_TIMES,
    SHARE_TOLERANCE,
)
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Heartbeat,
    Message,
    PowerSamples,
)
from stream_app.core.topology import PowerBlock, Rules
from stream_app.keys import subject_of

AnyMessage = Message | BatteryMessage
Record = tuple[bytes | None, bytes | None]
"""Key and value as Kafka has them."""

_decoder: msgspec.json.Decoder[TelemetryRecord] = msgspec.json.Decoder(TelemetryRecord)
_encoder = msgspec.json.Encoder()


@dataclass
class Inbox:
    """Messages of one key in order, and the places of the records that each was made of."""

    messages: list[AnyMessage] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)

    def put(self, message: AnyMessage, places: list[int]) -> None:
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
            if subject_of(key) != "block":
                decoded.inbox(key).put(decode_battery(key, _bytes(value)), [place])
                continue
            record = _read(value)
            if type(record) is PowerRecord:
                _add_power(decoded, runs, key, place, record)
            else:
                message = _control(key, record)
                _flush(decoded, key, runs.pop(key, None))
                decoded.inbox(key).put(message, [place])
        except (ValueError, ZoneInfoNotFoundError) as fault:
            decoded.bad.append((place, str(fault)))
    for key, run in runs.items():
        _flush(decoded, key, run)
    decoded.bad.sort()
    return decoded


def _add_power(
    decoded: Decoded, runs: "dict[str, _Run]", key: str, place: int, record: PowerRecord
) -> None:
    """Add a record to the run of its key, or begin another one."""
    _check_shape(record)
    run = runs.get(key)
    if run is None or not run.takes(record):
        check_names("DC input", record.dc_power_w)
        check_names("correction", [record.correction] if record.correction else [])
        _flush(decoded, key, run)
        run = runs[key] = _Run(record)
    run.parts.append(record)
    run.places.append(place)


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
            correction_s=rules.correction_ms / 1000,
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
        The zone does not exist, an input has no enclosure, shares do not sum to 1, or a limit of
        ``codec.limits`` is passed.
    """
    check_zone(record.zone)
    if "/" in record.site + record.block or not (record.site and record.block):
        raise ValueError("site and block must have a name each, without a slash")
    check_names("site and block", (record.site, record.block))
    _check_inputs(record.inputs)
    return PowerBlock(record.site, record.block, record.zone, record.inputs, _rules(record.rules))


class _Run:
    """Consecutive power records of one key that have the same inputs."""

    def __init__(self, first: PowerRecord) -> None:
        self.names = first.dc_power_w.keys()
        self.correction = first.correction
        self.parts: list[PowerRecord] = []
        self.places: list[int] = []

    def takes(self, record: PowerRecord) -> bool:
        return self.names == record.dc_power_w.keys() and self.correction == record.correction


def _key(key: bytes | None) -> str:
    if not key:
        raise ValueError(
            "the record has no key; it must be site/block, site/battery/system or site/meter/name"
        )
    if len(key) > LONGEST_KEY:
        raise ValueError(f"the key has {len(key)} bytes; at most {LONGEST_KEY} are read")
    text = key.decode()
    if not text.isprintable():
        raise ValueError(f"the key {text!r} has characters that cannot be printed")
    return text


def _bytes(value: bytes | None) -> bytes:
    if not value:
        raise ValueError("the record has no value; telemetry is never deleted by key")
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"the record has {len(value)} bytes; at most {LARGEST_VALUE} are read")
    return value


def _read(value: bytes | None) -> TelemetryRecord:
    value = _bytes(value)
    try:
        return _decoder.decode(value)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    except msgspec.ValidationError as fault:
        other = other_version(value)
        if other is None:
            raise
        raise other from fault


def _check_inputs(inputs: dict[str, dict[str, float]]) -> None:
    _check_counts(inputs)
    check_names("DC input", inputs)
    every = Counter(enclosure for shares in inputs.values() for enclosure in shares)
    check_names("enclosure", every)
    doubled = sorted(each for each, count in every.items() if count > 1)
    if doubled:
        raise ValueError(f"the enclosure {doubled[0]} hangs on more than one DC input")
    for name, shares in inputs.items():
        if not shares:
            raise ValueError(f"DC input {name} has no enclosure")
        if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > SHARE_TOLERANCE:
            raise ValueError(f"the shares of DC input {name} sum to {sum(shares.values())}, not 1")


def _check_counts(inputs: dict[str, dict[str, float]]) -> None:
    if not inputs:
        raise ValueError("the topology has no DC input")
    if len(inputs) > MOST_INPUTS:
        raise ValueError(
            f"the topology has {len(inputs)} DC inputs; at most {MOST_INPUTS} are read"
        )
    count = sum(map(len, inputs.values()))
    if count > MOST_ENCLOSURES:
        raise ValueError(f"the topology has {count} enclosures; at most {MOST_ENCLOSURES} are read")


def _check_shape(record: PowerRecord) -> None:
    size = len(record.t)
    if not size:
        raise ValueError("t is empty")
    if size > MOST_TIMES:
        raise ValueError(f"t has {size} times; at most {MOST_TIMES} are read")
    if len(record.dc_power_w) > MOST_INPUTS:
        count = len(record.dc_power_w)
        raise ValueError(f"dc_power_w has {count} DC inputs; at most {MOST_INPUTS} are read")
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
    return PowerSamples(np.array(times, dtype=np.int64), power_w, parts[0].correction)


def _control(key: str, record: TelemetryRecord) -> Message:
    if isinstance(record, TopologyRecord):
        block = power_block(record)
        if block.key != key:
            raise ValueError(f"the topology of {block.key} came under the key {key}")
        return Configure(block)
    assert not isinstance(record, PowerRecord)
    if isinstance(record, CorrectionBeginRecord | CorrectionEndRecord):
        return _correction(record)
    _check_time("t", record.t)
    return Heartbeat(record.t) if isinstance(record, HeartbeatRecord) else EndOfData(record.t)


def _correction(record: CorrectionBeginRecord | CorrectionEndRecord) -> Message:
    check_names("correction", [record.id])
    if isinstance(record, CorrectionEndRecord):
        return CorrectionEnd(record.id)
    _check_time("since", record.since)
    _check_time("until", record.until)
    return CorrectionBegin(record.id, record.since, record.until)


def _check_time(name: str, time: int) -> None:
    if not EARLIEST_MS <= time < LATEST_MS:
        raise ValueError(f"{name} lies outside 1971-2109; it is in milliseconds UTC")


def _record(message: Message) -> TelemetryRecord:
    if isinstance(message, PowerSamples):
        return PowerRecord(
            v=1,
            t=message.times.tolist(),
            dc_power_w={name: _nullable(power) for name, power in message.power_w.items()},
            correction=message.correction,
        )
    if isinstance(message, Configure):
        return topology_record(message.block)
    if isinstance(message, Heartbeat):
        return HeartbeatRecord(v=1, t=message.time)
    if isinstance(message, CorrectionBegin):
        return CorrectionBeginRecord(v=1, id=message.id, since=message.since, until=message.until)
    if isinstance(message, CorrectionEnd):
        return CorrectionEndRecord(v=1, id=message.id)
    return EndOfDataRecord(v=1, t=message.time)


def _nullable(power: np.ndarray) -> list[float | None]:
    values: list[float | None] = power.tolist()
    for place in np.flatnonzero(~np.isfinite(power)).tolist():
        values[place] = None
    return values


def _rules(record: RulesRecord) -> Rules:
    if record.rating_w is not None and not record.rating_w > 0:
        raise ValueError("rating_w must be above 0")
    return Rules(
        method=record.method,
        interval_ms=milliseconds("interval_s", record.interval_s, least=1),
        max_gap_ms=milliseconds("max_gap_s", record.max_gap_s, least=1),
        lateness_ms=milliseconds("lateness_s", record.lateness_s),
        correction_ms=milliseconds("correction_s", record.correction_s),
        skew_ms=milliseconds("skew_s", record.skew_s),
        stale_ms=milliseconds("stale_s", record.stale_s),
        frozen_ms=milliseconds("frozen_s", record.frozen_s),
        rating_w=record.rating_w,
        resolutions=tuple(dict.fromkeys(record.resolutions)),
    )
