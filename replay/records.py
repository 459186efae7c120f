"""Parts of an export as Kafka records, ready to be sent in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from replay.export import Batch, Export
from replay.pacing import Timeline
from schemas.topics import TELEMETRY, TOPOLOGY
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, EndOfData, PowerSamples

SAMPLES_AT_ONCE = 250_000
"""Power samples in a transaction at full speed: some 5 MB of JSON."""
_RECORD_BYTES = 700_000
_TIME_BYTES, _POWER_BYTES = 14, 22


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

    def add(
        self, batch: Batch, topic: str, timeline: Timeline, correction: str | None = None
    ) -> None:
        """Put the samples of a batch in, as those of a correction if it has one."""
        self.file, self.next_row = batch.file, batch.next_row
        self.clock_ms = batch.clock_ms
        self.rows += batch.times.size
        if batch.times.size and self.first_ms is None:
            self.first_ms = int(batch.times[0])
        for key, samples in batch.samples:
            times = timeline.published(samples.times)
            moved = PowerSamples(times, samples.power_w, correction)
            first = int(moved.times[0])
            self.outgoing.append(Outgoing(topic, key.encode(), encode(moved), first))
            self.samples += power_values(samples)


def parcels(
    batches: Iterator[Batch],
    timeline: Timeline,
    prefix: str,
    samples: int = SAMPLES_AT_ONCE,
    correction: str | None = None,
) -> Iterator[Parcel]:
    """Fill one parcel after another: a batch with rows when paced, else a number of samples."""
    topic = TELEMETRY.name(prefix)
    parcel = Parcel()
    current = next(batches, None)
    while current is not None:
        parcel.add(current, topic, timeline, correction)
        current = next(batches, None)
        is_full = parcel.rows > 0 if timeline.speed is not None else parcel.samples >= samples
        if current is None or is_full:
            parcel.is_last = current is None
            yield parcel
            parcel = Parcel()


def topology(export: Export, prefix: str, time_ms: int) -> list[Outgoing]:
    """Topology of every block, for its own topic and ahead of the block's telemetry."""
    topics = (TOPOLOGY.name(prefix), TELEMETRY.name(prefix))
    return [
        Outgoing(topic, block.key.encode(), encode(Configure(block)), time_ms)
        for block in export.blocks
        for topic in topics
    ]


def end_of_data(export: Export, prefix: str, time_ms: int) -> list[Outgoing]:
    """To every block: nothing before ``time_ms`` [ms UTC] is to come."""
    topic, value = TELEMETRY.name(prefix), encode(EndOfData(time_ms))
    return [Outgoing(topic, block.key.encode(), value, time_ms) for block in export.blocks]


def largest_block(export: Export) -> int:
    """Rows of a block that surely fit into one Kafka record."""
    inputs = max(len(block.inputs) for block in export.blocks)
    return _RECORD_BYTES // (_TIME_BYTES + _POWER_BYTES * inputs)


def power_values(samples: PowerSamples) -> int:
    """Count the values that are there."""
    return sum(int(np.isfinite(power).sum()) for power in samples.power_w.values())
