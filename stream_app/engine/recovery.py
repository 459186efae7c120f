"""Taking partitions over: shut the last owner out, bring the view up to the changelog, resume.

Faust's own recovery resumes fetching before the queues are cleared and loses input; this one seeks,
resumes the flow, then resumes the partitions.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.types import TP
from mode import Service

from stream_app.engine.changelog import (
    EPOCH_HEADER,
    Bounds,
    bounds,
    contradicts,
    lacking,
    read_groups,
    reader,
)
from stream_app.engine.engine import Engine, leave
from stream_app.engine.partition import Partition
from stream_app.engine.position import OWNER_KEY, Position, encode_owner
from stream_app.engine.publisher import Produce, Publisher
from stream_app.engine.source import (
    MARKER,
    SuspendedError,
    check_mark,
    check_source,
    committed,
    read_mark,
)
from stream_app.engine.view import DamagedViewError, FencedError

log = structlog.get_logger(__name__)

_KEEP = (
    "Stop the workers, keep what Redis has with `bess state export`, then write it to the "
    "changelog with `bess state import --into-changelog`"
)
NAMED_SECONDS = 0.01
"""How often it is looked whether the agent runs."""


@dataclass
class Restored:
    """A partition as the changelog has it, and what it took to get there.

    ``applied`` counts the states read from the changelog; ``rebuilt`` says why Redis was not
    believed, None where it was.
    """

    position: Position
    states: dict[bytes, bytes]
    applied: int = 0
    rebuilt: str | None = None


class Taken(NamedTuple):
    """A partition that was taken over."""

    owned: Partition
    restored: Restored


async def take_over(
    engine: Engine, number: int, generation: int, uncommitted: AIOKafkaConsumer
) -> Taken:
    """Become the owner of a partition, its view brought up to the end of the changelog.

    Raises
    ------
    SuspendedError
        Redis shows more than the changelog holds.
    """
    publisher = engine.new_publisher(number)
    try:
        await publisher.start()
        restored = await _restore(engine, number, uncommitted)
        if not publisher.fences:
            restored = await _announce(engine, number, publisher, restored.position, uncommitted)
        owned = Partition(
            number,
            generation,
            publisher,
            engine.view,
            engine.outage,
            engine.config.changelog,
            restored.position,
            restored.states,
        )
        await _refill(engine, owned, uncommitted)
    except BaseException:
        await publisher.stop()
        raise
    return Taken(owned, restored)


async def _refill(engine: Engine, owned: Partition, uncommitted: AIOKafkaConsumer) -> None:
    tp = TopicPartition(engine.config.changelog, owned.number)
    reach = await bounds(uncommitted, tp)
    lost = await lacking(engine.config.client, tp, owned.states, reach)
    if lost:
        await owned.refill(lost)


async def _give_back(taken: Iterable[Taken]) -> None:
    await asyncio.gather(*(each.owned.publisher.stop() for each in taken))


async def _announce(
    engine: Engine,
    number: int,
    publisher: Publisher,
    position: Position,
    uncommitted: AIOKafkaConsumer,
) -> Restored:
    """Void what the last owner may still write, where no transaction shuts it out.

    Raises
    ------
    FencedError
        Another worker did the same a moment before.
    """
    owner, epoch = uuid4().hex, position.epoch + 1
    headers = ((EPOCH_HEADER, str(epoch).encode()),)
    value = encode_owner(epoch, owner)
    record = Produce(engine.config.changelog, OWNER_KEY, value, headers=headers)
    await publisher.publish([record], number, {})
    restored = await _restore(engine, number, uncommitted)
    if restored.position.owner != owner:
        raise FencedError(f"another worker has taken partition {number} over meanwhile")
    return restored


async def _restore(engine: Engine, number: int, uncommitted: AIOKafkaConsumer) -> Restored:
    tp = TopicPartition(engine.config.changelog, number)
    reach = await bounds(uncommitted, tp)
    return await engine.outage.outlast(partial(_catch_up, engine, tp, reach))


async def _catch_up(engine: Engine, tp: TopicPartition, reach: Bounds) -> Restored:
    restored = await _shown(engine, tp, reach)
    changes = read_groups(engine.config.client, tp, restored.position, reach.end)
    async for position, states in changes:
        before = restored.position.changelog
        restored.position = position
        restored.states |= states
        await engine.view.swap(tp.partition, before, position, states, len(restored.states))
        restored.applied += len(states)
    return restored


async def _shown(engine: Engine, tp: TopicPartition, reach: Bounds) -> Restored:
    """What Redis shows, or nothing where it cannot be believed."""
    number, why = tp.partition, None
    try:
        position, states = await engine.view.read(number)
        if position.changelog is None:
            why = "Redis holds nothing of it" if reach.end else None
        elif position.changelog > reach.end:
            raise SuspendedError(_behind_view(tp, position, reach))
        # After the last record there is the marker of its transaction, which may be deleted too.
        elif position.changelog < reach.first - MARKER:
            why = f"Redis shows offset {position.changelog}, the changelog begins at {reach.first}"
        elif await contradicts(engine.config.client, tp, position):
            raise SuspendedError(_another(tp, position))
    except DamagedViewError as damage:
        why = str(damage)
    if why is None:
        return Restored(position, states)
    log.warning("the view is rebuilt from the changelog", partition=number, why=why)
    await engine.view.clear(number)
    return Restored(Position(), {}, rebuilt=why)


def _behind_view(tp: TopicPartition, shown: Position, reach: Bounds) -> str:
    return (
        f"changelog behind view: {tp.topic} partition {tp.partition} ends at offset {reach.end}, "
        f"but Redis shows {shown.changelog}; the topic was made anew, or lost its end. {_KEEP}"
    )


def _another(tp: TopicPartition, shown: Position) -> str:
    return (
        f"another changelog: {tp.topic} partition {tp.partition} has not the position that Redis "
        f"shows at {shown.changelog}; the topic was made anew, or lost its end and grew again. "
        f"{_KEEP}"
    )


class Recovery(FaustRecovery):  # type: ignore[misc]
    """Faust's recovery service with our order of steps in place of its own."""

    _under_way: "asyncio.Task[None] | None" = None

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            self._under_way = asyncio.create_task(self._recover_or_leave(self._generation_id))
            await asyncio.wait([self._under_way])

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
        engine = self._engine
        await engine.release()
        start = time.monotonic()
        assigned = self.app.consumer.assignment()
        numbers = sorted(tp.partition for tp in assigned if tp.topic == engine.config.source)
        taken: list[Taken] = []
        try:
            await self._take_over_all(numbers, generation, taken)
        except BaseException:
            await _give_back(taken)
            raise
        if self.app.consumer_generation_id != generation or self.signal_recovery_start.is_set():
            await _give_back(taken)
            return
        for owned, restored in taken:
            engine.own(owned)
            self.app.on_recovered(owned, restored)
        await self._resume({TP(engine.config.source, number) for number in engine.partitions})
        self.app.on_ready(time.monotonic() - start)
        log.info("ready", generation=generation, partitions=sorted(engine.partitions))

    async def _take_over_all(self, numbers: list[int], generation: int, taken: list[Taken]) -> None:
        """Take what can be taken; a partition that a person must decide about is suspended."""
        config = self._engine.config

        async def take(number: int) -> None:
            try:
                taken.append(await take_over(self._engine, number, generation, uncommitted))
            except SuspendedError as error:
                self._engine.suspend(number, str(error))

        async with reader(config.client, "read_uncommitted") as uncommitted:
            await asyncio.gather(*map(take, numbers))
            done = await committed(config.client, config.app_id)
            for each in taken.copy():
                try:
                    await self._check_source(each.owned, uncommitted, done)
                except SuspendedError as error:
                    self._engine.suspend(each.owned.number, str(error))
                    taken.remove(each)
                    await _give_back([each])

    async def _check_source(
        self, owned: Partition, uncommitted: AIOKafkaConsumer, done: Mapping[TP, int]
    ) -> None:
        topic = self._engine.config.source
        tp, folded = TP(topic, owned.number), owned.position.offsets.get(topic)
        reach = await bounds(uncommitted, TopicPartition(*tp))
        warning = check_source(tp, folded, reach.end, done.get(tp))
        mark = owned.position.marks.get(topic)
        if mark is not None and mark[0] >= reach.first:
            check_mark(tp, mark, await read_mark(uncommitted, tp, mark[0]))
        if warning:
            log.warning("offsets differ", what=warning)
            self.app.on_offsets_differ()
            # Nothing more may ever come, and the lag would stand for what is folded.
            await self._engine.commit_offsets({TopicPartition(*tp): folded or 0})

    async def _resume(self, sources: set[TP]) -> None:
        app, consumer = self.app, self.app.consumer
        for tp in sources:
            at = self._engine.position(tp)
            assert at is not None
            await consumer.seek(tp, at)
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

    async def on_start(self) -> None:
        """Begin once the agent has named its topic: a subscription without it is mended late.

        Faust waits a second for that, however long it takes.
        """
        while not (self.should_stop or self._is_named(self._engine.config.source)):
            await self.sleep(NAMED_SECONDS)
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    def _is_named(self, topic: str) -> bool:
        return any(topic in channel.topics for channel in self.app.topics)

    async def on_stop(self) -> None:
        await super().on_stop()
        await self.recovery.abandon()
        await self._engine.release()

    @property
    def _engine(self) -> Engine:
        return cast("Engine", self.app.engine)
