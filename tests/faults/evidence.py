"""What a run leaves behind in Kafka and Redis, as plain values to judge."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from schemas import topics as contract
from schemas.topics import Topic
from stream_app.engine.changelog import Groups
from stream_app.engine.position import Position
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.settings import Settings, kafka_options

SETTLE_S = 30.0
"""Time for the last transaction markers to reach their topics."""
RESULTS = (
    *contract.ROLLUPS.values(),
    contract.DAILY,
    *contract.CELLS.values(),
    *contract.SIGNALS.values(),
    contract.CRITICAL_CELLS,
    contract.HEALTH_DAILY,
    contract.METER_DAILY,
    contract.ALARMS,
    contract.FINDINGS,
    contract.TOO_LATE,
    contract.DEAD_LETTERS,
)
READ = (contract.TELEMETRY, contract.STATE, *RESULTS)


@dataclass(frozen=True)
class Record:
    """A record of a topic, as a reader of committed records gets it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    time: int = 0


@dataclass(frozen=True)
class View:
    """A partition of the Redis view: where it stands, and states by key.

    ``damage`` says why it cannot be read.
    """

    position: Position
    states: Mapping[bytes, bytes]
    damage: str | None = None

    @property
    def offset(self) -> int:
        """Next telemetry offset to fold."""
        return max(self.position.offsets.values(), default=0)


@dataclass
class Evidence:
    """Topics by suffix, the view and the group's offsets by partition, and open transactions.

    ``open`` holds what lies behind the last stable offset, by topic and partition; ``source`` is
    the full name of the telemetry topic.
    """

    source: str
    topics: dict[str, list[Record]] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)

    def of(self, topic: Topic) -> list[Record]:
        """Records of a topic, each partition in the order of its offsets."""
        return self.topics.get(topic.suffix, [])

    def input(self) -> dict[int, list[Record]]:
        """Telemetry by partition."""
        found: dict[int, list[Record]] = defaultdict(list)
        for record in self.of(contract.TELEMETRY):
            found[record.partition].append(record)
        return dict(found)

    def rescue(self, records: Iterable[Record]) -> None:
        """Put telemetry back that a fault has destroyed after it was folded."""
        kept = self.topics.setdefault(contract.TELEMETRY.suffix, [])
        places = set(map(_place, kept))
        kept += (each for each in records if _place(each) not in places)
        kept.sort(key=_place)
        for each in kept:
            self.ends[each.partition] = max(each.offset + 1, self.ends.get(each.partition, 0))

    def changelog(self) -> dict[int, Groups]:
        """What the changelog comes to, by partition."""
        found: dict[int, Groups] = defaultdict(lambda: Groups(Position()))
        for record in self.of(contract.STATE):
            found[record.partition].feed([record])
        return dict(found)


async def gather(settings: Settings) -> Evidence:
    """Read everything that a deployment holds, once its transactions have ended."""
    found = Evidence(contract.TELEMETRY.name(settings.prefix))
    async with _consumer(settings, "read_committed") as consumer:
        async with _consumer(settings, "read_uncommitted") as every:
            found.open = await _await_stable(settings, consumer, every)
        found.topics = await _read(consumer, settings)
        telemetry = _partitions(settings, [contract.TELEMETRY])
        ends = await consumer.end_offsets(telemetry)
        found.ends = {tp.partition: end for tp, end in ends.items()}
    found.committed = await committed(settings)
    found.views = await views(settings)
    return found


async def aborted(settings: Settings) -> dict[str, int]:
    """Records of results and states that were taken back, by topic: in transactions given up."""
    topics = (contract.STATE, *RESULTS)
    async with (
        _consumer(settings, "read_committed") as consumer,
        _consumer(settings, "read_uncommitted") as every,
    ):
        await _await_stable(settings, consumer, every)
        kept, written = (
            await _read(consumer, settings, topics),
            await _read(every, settings, topics),
        )
    counts = {name: len(records) - len(kept[name]) for name, records in written.items()}
    return {name: count for name, count in counts.items() if count}


async def telemetry(settings: Settings) -> list[Record]:
    """What the telemetry topic holds now."""
    async with _consumer(settings, "read_committed") as consumer:
        found = await _read(consumer, settings, [contract.TELEMETRY])
    return found[contract.TELEMETRY.suffix]


async def committed(settings: Settings) -> dict[int, int]:
    """The group's offsets of the telemetry topic."""
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(settings.app_id)
    finally:
        await admin.close()
    name = contract.TELEMETRY.name(settings.prefix)
    return {tp.partition: at.offset for tp, at in found.items() if tp.topic == name}


async def views(settings: Settings) -> dict[int, View]:
    """The Redis view of every partition."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        view = RedisView(redis, settings.app_id)
        found = {}
        for number in range(settings.partitions):
            try:
                position, states = await view.read(number)
                found[number] = View(position, states)
            except DamagedViewError as damage:
                found[number] = View(Position(), {}, str(damage))
    return found


def _partitions(settings: Settings, topics: Iterable[Topic]) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name(settings.prefix), number)
        for topic in topics
        for number in range(settings.partitions if topic.co_partitioned else 1)
    ]


async def _await_stable(
    settings: Settings, stable: AIOKafkaConsumer, every: AIOKafkaConsumer
) -> dict[str, int]:
    tps = _partitions(settings, READ)
    deadline = time.monotonic() + SETTLE_S
    while True:
        highs, lasts = await every.end_offsets(tps), await stable.end_offsets(tps)
        left = {
            f"{tp.topic}/{tp.partition}": highs[tp] - lasts[tp]
            for tp in tps
            if highs[tp] != lasts[tp]
        }
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.2)


async def _read(
    consumer: AIOKafkaConsumer, settings: Settings, topics: Sequence[Topic] = READ
) -> dict[str, list[Record]]:
    tps = _partitions(settings, topics)
    ends = await consumer.end_offsets(tps)
    consumer.assign(tps)
    await consumer.seek_to_beginning()
    found: dict[str, list[Record]] = {topic.name(settings.prefix): [] for topic in topics}
    while any([await consumer.position(tp) < end for tp, end in ends.items()]):
        for tp, batch in (await consumer.getmany(timeout_ms=200)).items():
            found[tp.topic] += map(_record, batch)
    # Of a topic's partitions none comes before another; within one the offsets rise.
    return {
        topic.suffix: sorted(found[topic.name(settings.prefix)], key=_place) for topic in topics
    }


def _place(record: Record) -> tuple[int, int]:
    return record.partition, record.offset


def _record(record: Any) -> Record:
    return Record(
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp,
    )


def _consumer(settings: Settings, isolation: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **kafka_options(settings),
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation,
        fetch_max_wait_ms=50,
    )
