"""Reading the state topic back, group by group.

A group is what one commit wrote: states, then the position they bring the partition to. States
without a position after them, or written by an owner that had been replaced, are void.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.engine.position import (
    OWNER_KEY,
    POSITION_KEY,
    Position,
    decode_owner,
    decode_position,
)

EPOCH_HEADER = "epoch"
STUCK_SECONDS = 60.0
READ_RECORDS = 5000


@dataclass(frozen=True)
class Bounds:
    """First and next offset of a partition, records of unfinished transactions included."""

    first: int
    end: int


@dataclass
class Groups:
    """Whole groups out of changelog records, fed in order.

    ``position`` is that of the last whole group, ``states`` what changed since :meth:`take`.
    """

    position: Position
    states: dict[bytes, bytes] = field(default_factory=dict)
    _open: dict[bytes, bytes] = field(default_factory=dict)

    def feed(self, records: Iterable[Any]) -> None:
        """Read aiokafka records."""
        for record in records:
            if record.key == POSITION_KEY:
                self._close(decode_position(record.value, record.offset + 1))
            elif record.key == OWNER_KEY:
                self._begin(*decode_owner(record.value), record.offset + 1)
            elif epoch_of(record) >= self.position.epoch:
                self._open[record.key] = record.value

    def _close(self, found: Position) -> None:
        if found.epoch >= self.position.epoch:
            self.states |= self._open
            self._open.clear()
            self.position = found

    def _begin(self, epoch: int, owner: str, changelog: int) -> None:
        """Of those who begin the same epoch the first one has it."""
        if epoch > self.position.epoch:
            self._open.clear()
            self.position = replace(self.position, epoch=epoch, owner=owner, changelog=changelog)

    def take(self) -> dict[bytes, bytes]:
        """The states of the whole groups so far, which are then forgotten."""
        taken, self.states = self.states, {}
        return taken


def epoch_of(record: Any) -> int:
    """Owner that wrote a record; those of the first format have none."""
    return next((int(value) for name, value in record.headers if name == EPOCH_HEADER), 0)


async def bounds(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Bounds:
    """First and next offset of a partition, asked by a consumer that reads uncommitted records.

    The committed end lags a little behind a commit. With the last owner fenced no transaction is
    open, so that what is committed reaches this end.
    """
    first = (await consumer.beginning_offsets([tp]))[tp]
    return Bounds(first, (await consumer.end_offsets([tp]))[tp])


async def read_groups(
    client: Mapping[str, Any], tp: TopicPartition, since: Position, end: int
) -> AsyncIterator[tuple[Position, dict[bytes, bytes]]]:
    """Committed changes from ``since`` to before the offset ``end``, in steps.

    Yields
    ------
    The position after each step, and the states that changed in it.

    Raises
    ------
    TimeoutError
        The broker gives nothing for a minute although there is more.
    """
    async with reader(client, "read_committed") as consumer:
        consumer.assign([tp])
        if since.changelog is None:
            await consumer.seek_to_beginning(tp)
        else:
            consumer.seek(tp, since.changelog)
        groups, at, moved_at = Groups(since), -1, time.monotonic()
        while at < end:
            fetched = await consumer.getmany(tp, timeout_ms=200, max_records=READ_RECORDS)
            groups.feed(record for record in fetched.get(tp, []) if record.offset < end)
            before, at = at, await consumer.position(tp)
            moved_at = time.monotonic() if at > before else moved_at
            if time.monotonic() - moved_at > STUCK_SECONDS:
                raise TimeoutError(f"no headway in {tp.topic} {tp.partition} at {at} of {end}")
            if groups.position != since:
                since = groups.position
                yield since, groups.take()


async def lacking(
    client: Mapping[str, Any], tp: TopicPartition, states: Mapping[bytes, bytes], reach: Bounds
) -> dict[bytes, bytes]:
    """Of the states those that the changelog has not, or has otherwise.

    It has them all unless records were deleted from it; compaction leaves the first offset at 0.

    Raises
    ------
    TimeoutError
        The broker gives nothing for a minute although there is more.
    """
    if not reach.first:
        return {}
    held: dict[bytes, bytes] = {}
    async for _, changed in read_groups(client, tp, Position(), reach.end):
        held |= changed
    return {key: value for key, value in states.items() if held.get(key) != value}


async def contradicts(client: Mapping[str, Any], tp: TopicPartition, position: Position) -> bool:
    """Whether another record than its own lies where a position says that it was written.

    A topic that was made anew has others there; one that was compacted has none.

    Raises
    ------
    TimeoutError
        The broker gives nothing for a minute.
    """
    at = (position.changelog or 0) - 1
    if at < 0:
        return False
    async with reader(client, "read_uncommitted") as consumer:
        consumer.assign([tp])
        consumer.seek(tp, at)
        async with asyncio.timeout(STUCK_SECONDS):
            while await consumer.position(tp) <= at:
                for records in (await consumer.getmany(timeout_ms=200, max_records=1)).values():
                    return displaced(records[0], position)
    return False


def displaced(record: Any | None, position: Position) -> bool:
    """Whether a record lies where that of the position must be, and is another one."""
    if record is None or record.offset + 1 != position.changelog:
        return False
    if record.key == OWNER_KEY:
        return decode_owner(record.value) != (position.epoch, position.owner)
    after = record.offset + 1
    return record.key != POSITION_KEY or decode_position(record.value, after) != position


@asynccontextmanager
async def reader(client: Mapping[str, Any], isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, for looking around."""
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    async with consumer:
        yield consumer
