"""What a replay left in Kafka, as a consumer of committed records sees it."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from replay.export import Export
from replay.publish import Options, Summary, publish
from schemas.results import ProgressRecord
from schemas.topics import PROGRESS, TELEMETRY, Topic
from stream_app.codec.telemetry import decode
from stream_app.core.messages import Configure, EndOfData, Message, PowerSamples
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics

DEADLINE_S = 60.0


@dataclass
class FakeClock:
    """Time that passes only by waiting."""

    seconds: float = 0.0
    epoch_ms: int = 1_780_000_000_000
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return self.epoch_ms + round(self.seconds * 1000)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:  # noqa: ARG002
        self.waits.append(seconds)
        self.seconds += seconds


@dataclass(frozen=True)
class Deployment:
    """A prefix with its topics on the tests' Kafka."""

    settings: Settings

    @classmethod
    async def create(cls, brokers: str, prefix: str) -> "Deployment":
        settings = Settings(brokers=brokers, prefix=prefix, partitions=4)
        await create_topics(settings)
        return cls(settings)

    @property
    def kafka(self) -> Mapping[str, object]:
        return kafka_options(self.settings)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BESS_")}
        ours = {"BESS_BROKERS": self.settings.brokers, "BESS_PREFIX": self.settings.prefix}
        return {**kept, **ours, "BESS_PARTITIONS": "4"}

    async def publish(
        self,
        export: Export,
        options: Options | None = None,
        clock: FakeClock | None = None,
        stop_at_row: int | None = None,
        on_progress: Callable[[Summary], None] = lambda _: None,
    ) -> Summary:
        """Publish; with ``stop_at_row`` as if a person had interrupted there."""
        stop = asyncio.Event()

        def watch(summary: Summary) -> None:
            on_progress(summary)
            if stop_at_row is not None and summary.next_row >= stop_at_row:
                stop.set()

        options, clock = options or Options(), clock or FakeClock()
        prefix = self.settings.prefix
        return await publish(export, options, prefix, self.kafka, clock, stop, watch)

    async def committed(self, topic: Topic) -> list[ConsumerRecord]:
        """All committed records of a topic, each partition in order."""
        ends = await self._ends(topic)
        consumer = AIOKafkaConsumer(
            **self.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(list(ends))
            return await _read(consumer, ends)
        finally:
            await consumer.stop()

    async def _ends(self, topic: Topic) -> Mapping[TopicPartition, int]:
        """Ends of all partitions; those of committed records lag behind a commit for a moment."""
        name = topic.name(self.settings.prefix)
        consumer = AIOKafkaConsumer(name, **self.kafka)
        await consumer.start()
        try:
            numbers = sorted(consumer.partitions_for_topic(name) or ())
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(
                [TopicPartition(name, number) for number in numbers]
            )
            return ends
        finally:
            await consumer.stop()

    async def messages(self) -> dict[str, list[Message]]:
        """Messages of the telemetry topic by key; every record must be readable."""
        records = await self.committed(TELEMETRY)
        decoded = decode([(record.key, record.value) for record in records])
        assert not decoded.bad
        return {key: inbox.messages for key, inbox in decoded.inboxes.items()}

    async def samples(self) -> dict[str, PowerSamples]:
        """Samples by key, in the order in which they stand."""
        found = {}
        for key, messages in (await self.messages()).items():
            parts = [message for message in messages if isinstance(message, PowerSamples)]
            power_w = {
                name: np.concatenate([part.power_w[name] for part in parts])
                for name in parts[0].power_w
            }
            times = np.concatenate([part.times for part in parts])
            found[key] = PowerSamples(times, power_w)
        return found

    async def ends(self) -> dict[str, list[int]]:
        """Times of the end-of-data messages by key."""
        return {
            key: [message.time for message in messages if isinstance(message, EndOfData)]
            for key, messages in (await self.messages()).items()
        }

    async def progress(self) -> list[ProgressRecord]:
        records = await self.committed(PROGRESS)
        return [msgspec.json.decode(record.value, type=ProgressRecord) for record in records]

    async def until(self, reached: Callable[[ProgressRecord], bool]) -> None:
        """Wait for a progress record, within a deadline."""
        async with asyncio.timeout(DEADLINE_S):
            while not any(map(reached, await self.progress())):  # noqa: ASYNC110 - asks the broker
                await asyncio.sleep(0.05)


def kinds(messages: list[Message]) -> list[str]:
    names = {Configure: "topology", PowerSamples: "power", EndOfData: "end"}
    return [names[type(message)] for message in messages]


async def _read(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> list[ConsumerRecord]:
    records: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place in ends}
    async with asyncio.timeout(DEADLINE_S):
        for place, end in ends.items():
            while await consumer.position(place) < end:
                for found, batch in (await consumer.getmany(place, timeout_ms=200)).items():
                    records[found] += batch
    return [record for place in sorted(records) for record in records[place]]
