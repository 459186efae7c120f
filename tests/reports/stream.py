"""A deployment whose records the tests write themselves, as a worker or a replay would."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.topics import TELEMETRY, Topic
from stream_app.reading import Topics, open_topics
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics

Value = msgspec.Struct | bytes


@dataclass(frozen=True)
class Deployment:
    """A prefix with its topics made, on the test's Kafka."""

    settings: Settings

    @classmethod
    async def create(cls, brokers: str, prefix: str) -> "Deployment":
        settings = Settings(brokers=brokers, prefix=prefix, partitions=2)
        await create_topics(settings)
        return cls(settings)

    @property
    def environment(self) -> dict[str, str]:
        return {"BESS_BROKERS": self.settings.brokers, "BESS_PREFIX": self.settings.prefix}

    def name(self, topic: Topic) -> str:
        return topic.name(self.settings.prefix)

    def telemetry(self, partition: int) -> TopicPartition:
        return TopicPartition(self.name(TELEMETRY), partition)

    @asynccontextmanager
    async def producer(self, who: str = "writer") -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **kafka_options(self.settings), transactional_id=f"{self.settings.prefix}-{who}"
        )
        async with producer:
            yield producer

    @asynccontextmanager
    async def topics(self) -> AsyncIterator[Topics]:
        async with open_topics(kafka_options(self.settings)) as topics:
            yield topics

    async def publish(self, records: Iterable[tuple[Topic, bytes, Value]]) -> None:
        """Write keyed records in one transaction."""
        async with self.producer() as producer, producer.transaction():
            for topic, key, value in records:
                data = value if isinstance(value, bytes) else msgspec.json.encode(value)
                await producer.send(self.name(topic), data, key=key)

    async def send(self, producer: AIOKafkaProducer, count: int, partition: int = 0) -> None:
        """Send telemetry inside the producer's transaction."""
        for _ in range(count):
            at = self.telemetry(partition)
            await producer.send_and_wait(at.topic, b"{}", key=b"s/b", partition=at.partition)

    async def commit(self, offsets: dict[int, int]) -> None:
        """Commit telemetry offsets as the workers' group, in a transaction of its own."""
        async with self.producer("worker") as producer, producer.transaction():
            positions = {self.telemetry(p): OffsetAndMetadata(o, "") for p, o in offsets.items()}
            await producer.send_offsets_to_transaction(positions, self.settings.app_id)
