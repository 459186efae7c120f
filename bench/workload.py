"""Telemetry topics of known size, written before the clock starts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from aiokafka import AIOKafkaProducer

from schemas.topics import TELEMETRY
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, EndOfData, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics

START_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Workload:
    """Telemetry of a station: ``records`` of ``samples`` times for each of ``blocks``."""

    title: str
    blocks: int
    records: int
    samples: int
    interval_ms: int
    inputs: int

    @property
    def total_records(self) -> int:
        """With the topology before and the end of data after the samples of each block."""
        return self.blocks * (self.records + 2)

    @property
    def power_samples(self) -> int:
        return self.blocks * self.records * self.samples * self.inputs


THIN = Workload("thin records: one power value each", 72, 20_000, 1, 1_000, 1)
BLOCKS_1S = Workload("blocks of 500 times x 2 inputs, 1 s data", 72, 500, 500, 1_000, 2)
BLOCKS_1MIN = Workload("blocks of 500 times x 2 inputs, 1 min data", 72, 200, 500, 60_000, 2)


async def publish(settings: Settings, workload: Workload) -> None:
    """Create the topics and fill the telemetry topic, blocks spread evenly over its partitions."""
    await create_topics(settings)
    topic = TELEMETRY.name(settings.prefix)
    producer = AIOKafkaProducer(
        **kafka_options(settings),
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=20,
        max_batch_size=1 << 20,
    )
    async with producer:
        for number in range(workload.blocks):
            key = f"bench/{number}PCS1".encode()
            partition = number % settings.partitions
            for message in _messages(workload, number):
                await producer.send(topic, encode(message), key=key, partition=partition)


def _messages(workload: Workload, number: int) -> Iterator[Message]:
    names = [str(each + 1) for each in range(workload.inputs)]
    thirds = {name: {f"{number}B{name}{k}": 1 / 3 for k in range(3)} for name in names}
    interval = workload.interval_ms
    rules = Rules(interval_ms=interval, max_gap_ms=3 * interval, stale_ms=10 * interval)
    yield Configure(PowerBlock("bench", f"{number}PCS1", "Australia/Sydney", thirds, rules))
    size = workload.records * workload.samples
    power = np.random.default_rng(number).normal(0, 1e6, (workload.inputs, size)).round(1)
    times = START_MS + interval * np.arange(size, dtype=np.int64)
    for first in range(0, size, workload.samples):
        part = slice(first, first + workload.samples)
        columns = {name: power[place, part] for place, name in enumerate(names)}
        yield PowerSamples(times[part], columns)
    yield EndOfData(int(times[-1]) + interval)
