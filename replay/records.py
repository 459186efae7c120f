"""Parts of an export as Kafka records, ready to be sent in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from replay.feed import Batch, Feed
from replay.pacing import Timeline
from replay.wire import PLAIN, Samples, Wire, count
from schemas.topics import TELEMETRY
from stream_app.codec.telemetry import encode as encode_message
from stream_app.core.messages import Message

SAMPLES_AT_ONCE = 250_000
"""Power samples in a transaction at full speed: some 5 MB of JSON."""
_RECORD_BYTES = 700_000
_TIME_BYTES, _VALUE_BYTES = 14, 22


@dataclass(frozen=True)
class Outgoing:
    """One record to send."""

    topic: str
    key: bytes
    value: bytes
    time_ms: int


@dataclass
class Parcel:
    """What goes into one transaction, and where it leaves the export.

    Attributes
    ----------
    rows, samples
        Number of rows, and of power values, in it.
    first_ms, clock_ms
        Event time of its first row and newest event time so far [ms UTC], of the export.
    is_last
        Nothing follows it.
    """

    outgoing: list[Outgoing] = field(default_factory=list)
    file: str = ""
    next_row: int = 0
    rows: int = 0
    samples: int = 0
    first_ms: int | None = None
    clock_ms: int | None = None
    is_last: bool = False

    def add(self, batch: Batch[Samples], topic: str, timeline: Timeline, wire: Wire) -> None:
        """Put the samples of a batch in."""
        self.file, self.next_row = batch.file, batch.next_row
        self.clock_ms = batch.clock_ms
        self.rows += batch.times.size
        if batch.times.size and self.first_ms is None:
            self.first_ms = int(batch.times[0])
        for key, samples in batch.samples:
            times = timeline.published(samples.times)
            value = wire.value(samples, times)
            self.outgoing.append(Outgoing(topic, key.encode(), value, int(times[0])))
            self.samples += count(samples)


def parcels(
    batches: Iterator[Batch[Samples]],
    timeline: Timeline,
    prefix: str,
    samples: int = SAMPLES_AT_ONCE,
    wire: Wire = PLAIN,
) -> Iterator[Parcel]:
    """Fill one parcel after another: a batch with rows when paced, else a number of samples."""
    topic = TELEMETRY.name(prefix)
    parcel = Parcel()
    current = next(batches, None)
    while current is not None:
        parcel.add(current, topic, timeline, wire)
        current = next(batches, None)
        is_full = parcel.rows > 0 if timeline.speed is not None else parcel.samples >= samples
        if current is None or is_full:
            parcel.is_last = current is None
            yield parcel
            parcel = Parcel()


def topology(feed: Feed, prefix: str, time_ms: int) -> list[Outgoing]:
    """What must be known before the first sample."""
    return [
        Outgoing(topic.name(prefix), key.encode(), value, time_ms)
        for topic, key, value in feed.topology()
    ]


def to_all(feed: Feed, prefix: str, message: Message, time_ms: int) -> list[Outgoing]:
    """One message to every key."""
    topic, value = TELEMETRY.name(prefix), encode_message(message)
    return [Outgoing(topic, key.encode(), value, time_ms) for key in feed.keys]


def largest_block(feed: Feed) -> int:
    """Rows of a block that surely fit into one Kafka record."""
    return max(1, _RECORD_BYTES // (_TIME_BYTES + _VALUE_BYTES * feed.values_a_row))
