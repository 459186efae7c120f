"""How far a replay has come: its identity, and its record in the progress topic."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.producer.producer import DefaultPartitioner

from replay.errors import PublishError
from replay.feed import Feed
from schemas.results import ProgressRecord
from schemas.topics import PROGRESS

_ID_DIGITS = 16
_SHIFT_HEADER = "shift-ms"
_DECODER = msgspec.json.Decoder(ProgressRecord)
_OPEN_TRANSACTION_S = 80.0


@dataclass(frozen=True)
class Progress:
    """The newest record of a replay, and the shift of its clock [ms]."""

    record: ProgressRecord
    shift_ms: int

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(_SHIFT_HEADER, str(self.shift_ms).encode())]


def replay_id(feed: Feed, *settings: object) -> str:
    """Name of a replay: the same for the same files, topology and settings of what is published.

    Files count by name and size, so that an export may move to another folder.
    """
    parts = [*feed.identity, *(repr(setting) for setting in settings)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{feed.config.site}-{digest[:_ID_DIGITS]}"


async def read_progress(kafka: Mapping[str, Any], prefix: str, name: str) -> Progress | None:
    """Newest committed progress of a replay.

    Raises
    ------
    PublishError
        Another replay keeps a transaction open for longer than Kafka allows.
    """
    place, end = await _end_of_progress(kafka, prefix, name)
    consumer = AIOKafkaConsumer(
        **kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign([place])
        async with asyncio.timeout(_OPEN_TRANSACTION_S):
            return await _newest(consumer, place, end, name)
    except TimeoutError as fault:
        raise PublishError(
            f"{place.topic} cannot be read to its end: another replay has a transaction open; "
            "wait a minute and try again"
        ) from fault
    finally:
        await consumer.stop()


async def _end_of_progress(
    kafka: Mapping[str, Any], prefix: str, name: str
) -> tuple[TopicPartition, int]:
    """Partition of the replay's records, and its end with open transactions included.

    Reading committed records up to this end waits for other replays' transactions, which may stand
    in front of ours.
    """
    topic = PROGRESS.name(prefix)
    consumer = AIOKafkaConsumer(topic, **kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = sorted(consumer.partitions_for_topic(topic) or ())
        number = DefaultPartitioner()(name.encode(), partitions, partitions)
        place = TopicPartition(topic, number)
        ends = await consumer.end_offsets([place])
        return place, int(ends[place])
    finally:
        await consumer.stop()


async def _newest(
    consumer: AIOKafkaConsumer, place: TopicPartition, end: int, name: str
) -> Progress | None:
    found = None
    while await consumer.position(place) < end:
        fetched = await consumer.getmany(place, timeout_ms=200)
        for message in fetched.get(place, []):
            if message.key == name.encode() and message.value:
                shift = dict(message.headers).get(_SHIFT_HEADER, b"0")
                found = Progress(_DECODER.decode(message.value), int(shift))
    return found
