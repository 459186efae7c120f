"""One owned source partition: its transactional producer, its position and its cached state."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from stream_app.engine.chunk import Chunk
from stream_app.engine.view import Position, RedisView

POSITION_KEY = b"__position"
"""Changelog key of the source offsets that the records before it bring the state to."""


@dataclass(frozen=True)
class Produce:
    """A record to publish with the chunk. ``time`` is in ms UTC."""

    topic: str
    key: bytes
    value: bytes
    time: int
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Timings:
    """Seconds that one commit took in Kafka and in Redis."""

    commit: float
    flush: float


@dataclass
class Partition:
    """What a worker holds of a partition that it owns, valid for one group generation.

    Attributes
    ----------
    number, generation
        Partition number and the generation in which it was taken over.
    producer
        Started producer whose ``transactional.id`` belongs to this partition alone.
    changelog, group
        State topic and consumer group.
    position
        What the view shows.
    states
        Cache of state bytes by key; None = known to be absent.
    """

    number: int
    generation: int
    producer: AIOKafkaProducer
    view: RedisView
    changelog: str
    group: str
    position: Position
    states: dict[bytes, bytes | None] = field(default_factory=dict)

    async def load(self, keys: Iterable[bytes]) -> None:
        """Bring the states of ``keys`` into the cache."""
        missing = [key for key in keys if key not in self.states]
        if missing:
            self.states.update(await self.view.load(self.number, missing))

    async def commit(
        self, chunk: Chunk, dirty: Mapping[bytes, bytes], outputs: Iterable[Produce]
    ) -> Timings:
        """Publish outputs, state and source offset in one transaction, then move the view.

        Any exception leaves it open what the broker has done: the caller must end the process and
        let the next owner find out.
        """
        start = time.perf_counter()
        # The broker refuses records that are dated ahead of its clock.
        now_ms = int(time.time() * 1000)
        offsets = {**self.position.offsets, chunk.topic: chunk.next_offset}
        await self.producer.begin_transaction()
        futures = [
            await self.producer.send(
                each.topic,
                value=each.value,
                key=each.key,
                partition=self.number,
                timestamp_ms=min(each.time, now_ms),
                headers=list(each.headers),
            )
            for each in outputs
        ]
        changes = [*dirty.items(), (POSITION_KEY, msgspec.json.encode(offsets))]
        written = [
            await self.producer.send(self.changelog, value=value, key=key, partition=self.number)
            for key, value in changes
        ]
        await self.producer.flush()
        for future in futures:
            future.result()
        end = max(future.result().offset for future in written) + 1
        source = TopicPartition(chunk.topic, chunk.partition)
        await self.producer.send_offsets_to_transaction({source: chunk.next_offset}, self.group)
        await self.producer.commit_transaction()
        committed = time.perf_counter()
        position = Position(end, offsets)
        await self.view.swap(self.number, self.position.changelog, position, dirty)
        self.position = position
        self.states.update(dirty)
        return Timings(committed - start, time.perf_counter() - committed)
