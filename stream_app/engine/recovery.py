"""Taking partitions over: fence the last owner, bring the view up to the changelog, resume.

Faust's own recovery resumes fetching before the queues are cleared and loses input; this one seeks,
resumes the flow, then resumes the partitions.
"""

import asyncio
import time
from typing import Any, cast

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.types import TP
from mode import Service

from stream_app.engine.engine import Engine, leave
from stream_app.engine.partition import POSITION_KEY, Partition
from stream_app.engine.view import Position

log = structlog.get_logger(__name__)


STUCK_SECONDS = 60.0


async def take_over(engine: Engine, number: int, generation: int) -> tuple[Partition, int]:
    """Become the owner of a partition.

    Returns
    -------
    The partition, its view at the end of the changelog, and how many states were applied.
    """
    producer = engine.new_producer(number)
    try:
        await producer.start()
        position, applied = await _catch_up_with_log(engine, number)
    except BaseException:
        await producer.stop()
        raise
    config = engine.config
    owned = Partition(
        number, generation, producer, engine.view, config.changelog, config.app_id, position
    )
    return owned, applied


async def _catch_up_with_log(engine: Engine, number: int) -> tuple[Position, int]:
    tp = TopicPartition(engine.config.changelog, number)
    async with _reader(engine, "read_uncommitted") as uncommitted:
        # The committed end lags a little behind a commit; with the last owner fenced no transaction
        # is open, so that the committed records reach the end of the log.
        end = (await uncommitted.end_offsets([tp]))[tp]
    async with _reader(engine, "read_committed") as consumer:
        return await _catch_up(engine, tp, end, consumer)


def _reader(engine: Engine, isolation: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **engine.config.client,
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )


async def _catch_up(
    engine: Engine, tp: TopicPartition, end: int, consumer: AIOKafkaConsumer
) -> tuple[Position, int]:
    number = tp.partition
    consumer.assign([tp])
    first = (await consumer.beginning_offsets([tp]))[tp]
    position = await engine.view.position(number)
    shown = position.changelog
    whole = await engine.view.is_whole(number)
    if shown is not None and not (whole and first <= shown <= end):
        log.warning("view is rebuilt", partition=number, shown=shown, end=end, whole=whole)
        await engine.view.clear(number)
        position = Position()
    at = first if position.changelog is None else position.changelog
    consumer.seek(tp, at)
    applied, moved_at = 0, time.monotonic()
    while at < end:
        batch = (await consumer.getmany(tp, timeout_ms=500, max_records=5000)).get(tp, [])
        before, at = at, await consumer.position(tp)
        moved_at = time.monotonic() if at > before else moved_at
        if time.monotonic() - moved_at > STUCK_SECONDS:
            raise TimeoutError(f"no headway in {tp.topic} {tp.partition} at {at} of {end}")
        states = {r.key: r.value for r in batch if r.key != POSITION_KEY}
        offsets = dict(position.offsets)
        for record in batch:
            if record.key == POSITION_KEY:
                offsets = msgspec.json.decode(record.value, type=dict[str, int])
        moved = Position(at, offsets)
        await engine.view.swap(number, position.changelog, moved, states)
        position, applied = moved, applied + len(states)
    return position, applied


class Recovery(FaustRecovery):  # type: ignore[misc]
    """Faust's recovery service with our order of steps in place of its own."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            self._under_way = asyncio.create_task(self._recover_or_leave(self._generation_id))
            await asyncio.wait([self._under_way])

    _under_way: "asyncio.Task[None] | None" = None

    async def abandon(self) -> None:
        """Give up a recovery that is under way, because its partitions are being revoked."""
        if self._under_way is not None and not self._under_way.done():
            self._under_way.cancel()
            await asyncio.wait([self._under_way])

    async def _recover_or_leave(self, generation: int) -> None:
        try:
            await self._recover(generation)
        except Exception as error:  # noqa: BLE001 - whatever it is, the state is not known
            leave("recovery failed", error)

    async def _recover(self, generation: int) -> None:
        engine, consumer = self._engine, self.app.consumer
        await engine.release()
        start = time.monotonic()
        sources = {tp for tp in consumer.assignment() if tp.topic in engine.config.sources}
        numbers = sorted({tp.partition for tp in sources})
        taken = await asyncio.gather(*(take_over(engine, n, generation) for n in numbers))
        if self.app.consumer_generation_id != generation or self.signal_recovery_start.is_set():
            await asyncio.gather(*(owned.producer.stop() for owned, _ in taken))
            return
        for owned, applied in taken:
            engine.own(owned)
            owned.states.update(await engine.view.load_all(owned.number))
            self.app.on_recovered(owned, applied, time.monotonic() - start)
        await self._resume(sources)
        log.info("ready", generation=generation, partitions=numbers)

    async def _resume(self, sources: set[TP]) -> None:
        app, consumer = self.app, self.app.consumer
        for tp in sources:
            await consumer.seek(tp, self._engine.position(tp))
        self._set_recovery_ended()
        await app.on_rebalance_complete.send()
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_partitions(sources)
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001 - Faust has no public way
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()

    @property
    def _engine(self) -> Engine:
        return cast("Engine", self.app.engine)


class TableManager(FaustTableManager):  # type: ignore[misc]
    """Faust's table manager with our recovery."""

    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        """The recovery service, made when first asked for."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_stop(self) -> None:
        await super().on_stop()
        await cast("Any", self.app).engine.release()
