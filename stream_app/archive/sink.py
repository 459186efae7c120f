"""Following the result topics into the archive; Kafka on one side, files on the other."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from stream_app.archive.disk import ArchiveError
from stream_app.archive.files import Archive
from stream_app.archive.kinds import BY_TOPIC, KINDS
from stream_app.archive.layout import Place, Span
from stream_app.archive.told import Told
from stream_app.reading import Topics, open_topics
from stream_app.settings import Settings, kafka_options

MOST_BYTES = 64 << 20
"""Of records that wait for their files, in all."""
SPAN_BYTES = 8 << 20
"""Of records of one partition, as published, from which files are made."""
FETCH_BYTES = 8 << 20
POLL_MS = 500
COMMIT_S = 5.0
FOLDERS_AT_ONCE = 16
"""Merged between two polls: about a second."""


@dataclass
class Waiting:
    """Records of a source that are in no file yet: offsets and values from ``first`` on."""

    first: int
    next: int
    since: float
    records: list[tuple[int, bytes]] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True)
class Options:
    """How the sink runs.

    Attributes
    ----------
    every_s
        Longest time that a record waits for its file.
    once
        Stop when all is archived that the topics held at the start.
    """

    every_s: float = 300.0
    once: bool = False


async def run(
    settings: Settings, archive: Archive, options: Options, stop: asyncio.Event, told: Told
) -> None:
    """Archive results until told to stop; what was read is in files when it comes back.

    Raises
    ------
    ArchiveError
        A file cannot be written, a record cannot be read, or the topics are not those archived.
    StreamError
        Kafka does not answer, or lacks a topic.
    """
    sources = {kind.topic.name(settings.prefix): kind.topic.suffix for kind in KINDS}
    async with open_topics(kafka_options(settings)) as topics:
        partitions = [each for name in sources for each in await topics.partitions(name)]
        starts = await _starts(topics, partitions, sources, archive, told)
        goal = await topics.ends(partitions, open_too=True) if options.once else {}
    consumer = AIOKafkaConsumer(
        **kafka_options(settings),
        group_id=f"{settings.prefix}.archive",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        fetch_max_bytes=FETCH_BYTES,
    )
    async with consumer:
        consumer.assign(partitions)
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        sink = _Sink(consumer, archive, sources, options, told)
        await sink.follow(goal, stop)


async def _starts(
    topics: Topics,
    partitions: Sequence[TopicPartition],
    sources: Mapping[str, str],
    archive: Archive,
    told: Told,
) -> dict[TopicPartition, int]:
    """Where to go on in each partition."""
    begins = await topics.beginnings(partitions)
    ends = await topics.ends(partitions, open_too=True)
    starts = {}
    for each in partitions:
        source = sources[each.topic], each.partition
        position = archive.positions.get(source, 0)
        if position > ends[each]:
            raise ArchiveError(
                f"{archive.directory}: has {each.topic}/{each.partition} up to offset {position}, "
                f"the topic ends at {ends[each]}: it is another topic; use another folder"
            )
        if 0 < position < begins[each]:
            told.lost(Span(*source, position, begins[each]))
        starts[each] = max(position, begins[each])
    return starts


class _Sink:
    """Records that wait, and what becomes of them."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        archive: Archive,
        sources: Mapping[str, str],
        options: Options,
        told: Told,
    ) -> None:
        self._consumer = consumer
        self._archive = archive
        self._sources = sources
        self._every_s = options.every_s
        self._told = told
        self._waiting: dict[TopicPartition, Waiting] = {}

    async def follow(self, goal: Mapping[TopicPartition, int], stop: asyncio.Event) -> None:
        """Read until told to stop, or until the goal, if there is one, is reached."""
        left = set(goal)
        while not stop.is_set():
            batches = await self._poll()
            for partition, records in batches.items():
                self._take(partition, records)
            await self._write(self._due())
            await self._merge(FOLDERS_AT_ONCE)
            left = {each for each in left if await self._consumer.position(each) < goal[each]}
            if goal and not left:
                break
        await self._write(list(self._waiting))
        if not stop.is_set():
            await self._merge(None)

    async def _poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        try:
            found: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
                timeout_ms=POLL_MS
            )
        except OffsetOutOfRangeError as fault:
            raise ArchiveError(
                f"the broker deleted records before they were archived ({fault}): start again, "
                "and it goes on with what there is"
            ) from fault
        return found

    def _take(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        if not records:
            return
        now = asyncio.get_running_loop().time()
        source = self._sources[partition.topic], partition.partition
        # A span begins where the one before it ended: markers and compacted records are in none.
        first = self._archive.positions.get(source, 0)
        waiting = self._waiting.setdefault(partition, Waiting(first, first, now))
        for record in records:
            # A record without a value is a tombstone: there is nothing to archive.
            if record.value is not None:
                waiting.records.append((record.offset, record.value))
                waiting.bytes += len(record.value)
        waiting.next = records[-1].offset + 1

    def _due(self) -> list[TopicPartition]:
        """Partitions whose records have waited long enough, or are many."""
        now = asyncio.get_running_loop().time()
        due = [
            partition
            for partition, each in self._waiting.items()
            if now - each.since >= self._every_s or each.bytes >= SPAN_BYTES
        ]
        total = sum(each.bytes for each in self._waiting.values())
        return list(self._waiting) if total >= MOST_BYTES else due

    async def _write(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            waiting = self._waiting.pop(partition)
            span = Span(
                self._sources[partition.topic], partition.partition, waiting.first, waiting.next
            )
            await asyncio.to_thread(self._archive_span, span, waiting)
            await self._commit(partition, waiting.next)
        if partitions:
            self._told.stands(await self._behind())

    def _archive_span(self, span: Span, waiting: Waiting) -> None:
        tables = tables_of(span, waiting.records)
        size = self._archive.append(span, tables)
        rows = sum(table.num_rows for table in tables.values())
        self._told.archived(len(waiting.records), rows, len(tables), size)

    async def _merge(self, most: int | None) -> None:
        self._told.merged(await asyncio.to_thread(self._archive.merge, most))

    async def _commit(self, partition: TopicPartition, offset: int) -> None:
        """Tell Kafka, for those who look at lags: where to go on follows from the files."""
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(COMMIT_S):
                await self._consumer.commit({partition: offset})

    async def _behind(self) -> int:
        """Records, about, that are in no file yet, as of the last fetches."""
        behind = 0
        for each in self._consumer.assignment():
            end = self._consumer.last_stable_offset(each)
            behind += 0 if end is None else max(0, end - await self._consumer.position(each))
        waiting = sum(len(each.records) for each in self._waiting.values())
        return behind + waiting


def tables_of(span: Span, records: Sequence[tuple[int, bytes]]) -> dict[Place, pa.Table]:
    found: dict[Place, list[pa.Table]] = defaultdict(list)
    for offset, value in records:
        try:
            for kind in BY_TOPIC[span.topic]:
                for place, table in kind.tables(value, offset):
                    found[place].append(table)
        except (msgspec.MsgspecError, ValueError) as fault:
            raise ArchiveError(
                f"{span.topic}, partition {span.partition}, offset {offset}: no record that this "
                f"version reads ({fault}): use the version of the workers; nothing is lost"
            ) from fault
    return {place: pa.concat_tables(some).combine_chunks() for place, some in found.items()}
