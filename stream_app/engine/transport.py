"""Faust transport that hands each poll's records of a partition to the agents as one event.

Faust handles a record in about 100 us; a chunk costs one such event however many records it holds.
Offsets are not Faust's to commit here: they travel in the transaction of each chunk. Registered as
the URL scheme ``chunks://`` by entry point.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Protocol, cast

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream_app.engine.backlog import Backlog
from stream_app.engine.chunk import Chunk
from stream_app.engine.publisher import Offsets
from stream_app.engine.source import MARKER, Gaps, behind, lost

POLL_SECONDS = 1.0
FETCH_WAIT_MS = 50
BUSY_SECONDS = 0.02
"""How long a poll waits while chunks are in work; one that ends wakes it sooner."""


class ChunkOwner(Protocol):
    """What the transport asks of the engine."""

    finished: asyncio.Event

    def ready(self, active: set[TP]) -> set[TP]:
        """Of the active partitions, those which can take a chunk now."""

    def position(self, tp: TP) -> int | None:
        """Where the next chunk of the partition must begin; None where it is not owned."""

    def take(self, tp: TP, end: int, size: int) -> None:
        """A chunk of ``size`` bytes that ends before ``end`` is on its way to the agent."""

    def suspend(self, number: int, why: str) -> None:
        """Leave a partition alone until a person has decided."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Reads committed records only, and lets no quiet partition hold up a busy one."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust passes neither on. aiokafka has one fetch under way for each broker: while it waits
        # there for a quiet partition, a busy one is not fetched.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    async def on_thread_stop(self) -> None:
        """Stop the consumer, while Kafka is away too.

        aiokafka raises the end of a fetch under way as if this thread were to be cancelled; Faust
        would wait a minute for a thread that ended so.
        """
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()


class ChunkConsumer(driver.Consumer):  # type: ignore[misc]
    """Consumer whose messages are chunks."""

    @cached_property
    def backlog(self) -> Backlog:
        """Records fetched and not yet handed on."""
        config = self.app.engine.config
        return Backlog(config.chunk_records, config.chunk_bytes)

    _seeks = 0

    @cached_property
    def gaps(self) -> Gaps:
        """What is known of offsets that were skipped."""
        return Gaps()

    async def seek(self, partition: TP, offset: int) -> None:
        self._seeks += 1
        self.backlog.forget(partition)
        await super().seek(partition, offset)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def commit_offsets(self, offsets: Offsets) -> None:
        """Commit source offsets for those who watch the group; the state has its own."""
        if not await self._thread.commit({TP(*tp): offset for tp, offset in offsets.items()}):
            self.log.info("the group has given the partitions away: %r", dict(offsets))

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust would miss events of the changelog, which no stream here ever reads."""

    def _new_offset(self, tp: TP) -> None:
        """Forget what Faust saw acknowledged; nothing is committed from here."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001
                await self._poll()
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def _poll(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return
        owner = cast("ChunkOwner", self.app.engine)
        active = set(self._get_active_partitions())
        generation = self.app.consumer_generation_id
        ready = owner.ready(active)
        owner.finished.clear()
        waiting = self.backlog.holding(ready)
        for tp in waiting:
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            await self._deliver(tp, owner, generation)
        # Only now: what was delivered is folded while the consumer's thread unpacks the next.
        empty = ready.difference(waiting)
        await self._fetch(empty, generation, wait=empty == active)
        if not waiting and empty != active and not self.backlog.holding(empty):
            await _any_of(owner.finished, BUSY_SECONDS)

    async def _fetch(self, tps: set[TP], generation: int, *, wait: bool) -> None:
        # aiokafka takes an empty set for "all partitions".
        if tps:
            seeks = self._seeks
            fetched = await self._getmany(tps, POLL_SECONDS if wait else 0.0)
            # What was fetched before a seek or a rebalance will be fetched again after it.
            if seeks == self._seeks and generation == self.app.consumer_generation_id:
                for tp, records in (fetched or {}).items():
                    await self._add(TP(tp.topic, tp.partition), records)
        elif wait:
            await asyncio.sleep(BUSY_SECONDS)

    async def _add(self, tp: TP, records: Sequence[Any]) -> None:
        """Put fetched records into the backlog, unless some may be missing before them."""
        owner = cast("ChunkOwner", self.app.engine)
        expected, found = owner.position(tp), records[0].offset
        if expected is None:
            return
        if found < expected:
            owner.suspend(tp.partition, behind(tp, found, expected))
        elif self.gaps.is_new(tp, expected, found):
            await self.seek(tp, expected)
        else:
            if found - expected > MARKER:
                first = (await self.earliest_offsets(tp))[tp]
                self.gaps.lost[tp] = lost(expected, first, found)
            self.backlog.add({tp: records})

    async def _deliver(self, tp: TP, owner: ChunkOwner, generation: int) -> None:
        follows = owner.position(tp)
        if follows is None or tp not in owner.ready({tp}):
            return
        records, size = self.backlog.cut(tp)
        end = records[-1].offset + 1
        owner.take(tp, end, size)
        missing = self.gaps.lost.pop(tp, 0)
        chunk = Chunk(tp.topic, tp.partition, records, follows, end, size, generation, missing)
        await self.callback(_message(tp, chunk))


class Transport(driver.Transport):  # type: ignore[misc]
    """The aiokafka transport with chunks for messages."""

    Consumer = ChunkConsumer


def _message(tp: TP, chunk: Chunk) -> ConsumerMessage:
    last = chunk.records[-1]
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        last.timestamp / 1000,
        0,
        (),
        b"",
        chunk,
        None,
        0,
        0,
        tp,
        generation_id=chunk.generation,
    )


async def _any_of(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
