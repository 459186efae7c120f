"""Faust transport that hands each poll's records of a partition to the agents as one event.

Faust handles a record in about 100 us; a chunk costs one such event however many records it holds.
Offsets are not Faust's to commit here: they travel in the transaction of each chunk. Registered as
the URL scheme ``chunks://`` by entry point.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream_app.engine.chunk import Chunk

POLL_SECONDS = 1.0
FETCH_WAIT_MS = 50
BUSY_SECONDS = 0.02
"""How long a poll waits while chunks are in work; one that ends wakes it sooner."""


class ChunkOwner(Protocol):
    """What the transport asks of the engine."""

    finished: asyncio.Event

    def ready(self, active: set[TP]) -> set[TP]:
        """Of the active partitions, those which can take a chunk now."""

    def position(self, tp: TP) -> int:
        """Where the next chunk of the partition must begin."""

    def take(self, tp: TP, end: int) -> None:
        """A chunk that ends before ``end`` is on its way to the agent."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Reads committed records only, and lets no quiet partition hold up a busy one."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust passes neither on. aiokafka has one fetch under way for each broker: while it waits
        # there for a quiet partition, a busy one is not fetched.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class ChunkConsumer(driver.Consumer):  # type: ignore[misc]
    """Consumer whose messages are chunks."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

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
        ready = owner.ready(active)
        owner.finished.clear()
        records = await self._fetch(ready, busy=len(ready) < len(active))
        if records:
            await self._deliver(records, owner)
        elif not ready or len(ready) < len(active):
            await _any_of(owner.finished, BUSY_SECONDS if active else POLL_SECONDS)

    async def _fetch(self, ready: set[TP], *, busy: bool) -> Mapping[TP, list[Any]]:
        # aiokafka takes an empty set for "all partitions".
        if not ready:
            return {}
        return await self._getmany(ready, 0.0 if busy else POLL_SECONDS) or {}

    async def _deliver(self, records: Mapping[TP, list[Any]], owner: ChunkOwner) -> None:
        generation = self.app.consumer_generation_id
        for aiokafka_tp, batch in records.items():
            tp = TP(aiokafka_tp.topic, aiokafka_tp.partition)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            end = batch[-1].offset + 1
            chunk = Chunk(tp.topic, tp.partition, batch, owner.position(tp), end, generation)
            owner.take(tp, end)
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
