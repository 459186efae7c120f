"""Topics read from their beginning to their end, committed records only."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

Offsets = dict[TopicPartition, int]

CONNECT_S = 10.0
FETCH_WAIT_MS = 50
"""A question for offsets queues behind a fetch that waits for records."""
PATIENCE_S = 90.0
"""Longer than a broker leaves the transaction of a dead worker open."""
POLL_MS = 500
"""Time to wait for a record where perhaps none comes."""
READ_MS = 100
"""The same between records that do come; it is lost once, at the last marker of a topic."""


class StreamError(ValueError):
    """Kafka does not have what is asked for; says why and what to do."""


class UnreachableError(StreamError):
    """No broker answers."""


class Topics:
    """Read access to the topics of a broker; made by :func:`open_topics`."""

    def __init__(
        self, admin: AIOKafkaAdminClient, committed: AIOKafkaConsumer, every: AIOKafkaConsumer
    ) -> None:
        self.admin = admin
        self.committed = committed
        self._every = every

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """Partitions of a topic.

        Raises
        ------
        StreamError
            The topic does not exist.
        """
        if topic not in await self.admin.list_topics():
            raise StreamError(
                f"topic {topic} does not exist: run `bess topics create`, or check BESS_PREFIX"
            )
        (described,) = await self.admin.describe_topics([topic])
        numbers = sorted(each["partition"] for each in described["partitions"])
        return [TopicPartition(topic, number) for number in numbers]

    async def beginnings(self, partitions: Sequence[TopicPartition]) -> Offsets:
        return dict(await self.committed.beginning_offsets(partitions))

    async def ends(self, partitions: Sequence[TopicPartition], *, open_too: bool) -> Offsets:
        """Offsets after the last record: of all records, or before the first open transaction."""
        consumer = self._every if open_too else self.committed
        return dict(await consumer.end_offsets(partitions))

    async def first_from(self, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
        """The first record at or after an offset, committed or not; None if none comes at once."""
        self._every.assign([partition])
        self._every.seek(partition, offset)
        found = await self._every.getmany(partition, timeout_ms=POLL_MS, max_records=1)
        return next((record for records in found.values() for record in records), None)

    async def read(self, topic: str, *, open_too: bool) -> AsyncIterator[list[ConsumerRecord]]:
        """Read committed records from the beginning to the end that the topic has now.

        Parameters
        ----------
        open_too
            Wait for transactions that are open now: the markers of a transaction reach its topics
            one after another, so a worker's commit may be seen before the results it commits.

        Raises
        ------
        StreamError
            The topic does not exist, or a transaction stays open.
        """
        partitions = await self.partitions(topic)
        ends = await self.ends(partitions, open_too=open_too)
        starts = await self.beginnings(partitions)
        async for batch in self.between(starts, ends):
            yield batch

    async def between(self, starts: Offsets, ends: Offsets) -> AsyncIterator[list[ConsumerRecord]]:
        """Read committed records with ``starts <= offset < ends``.

        Raises
        ------
        StreamError
            A transaction stays open.
        """
        left = {each for each in starts if starts[each] < ends[each]}
        self._seek({each: starts[each] for each in left})
        clock = asyncio.get_running_loop()
        since = clock.time()
        while left:
            batches = await self.committed.getmany(timeout_ms=READ_MS)
            if batches:
                since = clock.time()
            for partition, records in batches.items():
                yield [record for record in records if record.offset < ends[partition]]
            left = {p for p in left if await self.committed.position(p) < ends[p]}
            if clock.time() - since > PATIENCE_S:
                raise StreamError(_open_transaction(sorted(left)))

    async def holds_records(self, starts: Offsets, ends: Offsets) -> bool:
        """Whether a committed record, or a transaction still open, lies between the offsets.

        The end of a partition says nothing about that: markers of transactions and records of
        aborted ones take up offsets too, and no reader is ever given them.
        """
        left = {each for each in starts if starts[each] < ends[each]}
        self._seek({each: starts[each] for each in left})
        while left:
            batches = await self.committed.getmany(timeout_ms=POLL_MS, max_records=1)
            if any(r.offset < ends[p] for p, records in batches.items() for r in records):
                return True
            before, left = left, {p for p in left if await self.committed.position(p) < ends[p]}
            if not batches and left == before:
                return True
        return False

    def _seek(self, starts: Offsets) -> None:
        self.committed.assign(list(starts))
        for partition, offset in starts.items():
            self.committed.seek(partition, offset)


@asynccontextmanager
async def open_topics(options: Mapping[str, Any]) -> AsyncIterator[Topics]:
    """Connect to a broker.

    Parameters
    ----------
    options
        Of every aiokafka client: ``bootstrap_servers`` and what security needs.

    Raises
    ------
    StreamError
        The broker cannot be reached, or refuses.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_S):
                admin = AIOKafkaAdminClient(**options)
                stack.push_async_callback(admin.close)
                await admin.start()
                committed = await _consumer(stack, options, "read_committed")
                every = await _consumer(stack, options, "read_uncommitted")
        except (KafkaConnectionError, TimeoutError) as fault:
            raise UnreachableError(_unreachable(options)) from fault
        except KafkaError as fault:
            raise StreamError(_trouble(options, fault)) from fault
        try:
            yield Topics(admin, committed, every)
        except KafkaError as fault:
            raise StreamError(_trouble(options, fault)) from fault


async def _consumer(
    stack: AsyncExitStack, options: Mapping[str, Any], isolation: str
) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        **options,
        isolation_level=isolation,
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    stack.push_async_callback(consumer.stop)
    await consumer.start()
    return consumer


def _unreachable(options: Mapping[str, Any]) -> str:
    return (
        f"no Kafka broker answers at {options['bootstrap_servers']}: start it "
        "(`docker compose up`, `python -m deploy.local up`), or set BESS_BROKERS"
    )


def _trouble(options: Mapping[str, Any], fault: KafkaError) -> str:
    return f"Kafka at {options['bootstrap_servers']}: {fault}"


def _open_transaction(partitions: Sequence[TopicPartition]) -> str:
    names = ", ".join(f"{each.topic}/{each.partition}" for each in partitions)
    return (
        f"a transaction on {names} has been open for {PATIENCE_S:.0f} s: look for a stuck worker "
        "or replay, or use --no-wait to leave it out"
    )
