"""The engine of a worker: owned partitions, one chunk of each in work at a time."""

import asyncio
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

import structlog
from faust.types import TP, EventT
from redis.exceptions import RedisError

from stream_app.engine.chunk import Chunk
from stream_app.engine.outage import Outage
from stream_app.engine.partition import Outcome, Partition, Timings
from stream_app.engine.publisher import AtLeastOnce, CommitOffsets, ExactlyOnce, Publisher
from stream_app.engine.remedies import remedy
from stream_app.engine.table import UnitOfWork, current_unit
from stream_app.engine.view import RedisView

EXIT_INDEFINITE = 70
"""Exit status of a worker that cannot know what the broker or Redis has done."""
DRAIN_SECONDS = 30.0
SHOW_SECONDS = 3.0
"""How long a partition that is given up waits for a Redis that takes no writes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EngineConfig:
    """What the engine must know of its deployment.

    Attributes
    ----------
    app_id
        Consumer group, start of the transactional ids and of the Redis keys.
    changelog
        State topic, shared by the app's tables.
    source
        Topic that is folded.
    client
        aiokafka options of every client: servers and security.
    chunk_records, chunk_bytes
        Bounds of one chunk.
    work_bytes
        Bytes of chunks in work above which no further one is begun.
    exactly_once
        Whether a chunk is one transaction.
    """

    app_id: str
    changelog: str
    source: str
    client: Mapping[str, Any]
    chunk_records: int
    chunk_bytes: int
    work_bytes: int
    exactly_once: bool = True


Fold = Callable[[Chunk, int], Outcome]
"""Folds a chunk into the tables; the number is ``letters`` of the position before it."""
OnCommit = Callable[[Chunk, float, Timings], None]


class Engine:
    """Owned partitions and the chunks in work.

    An error in a chunk ends the process: after an indefinite error nobody can know whether the
    transaction took place, but the next owner of the partition will.
    """

    def __init__(
        self, config: EngineConfig, view: RedisView, commit_offsets: CommitOffsets
    ) -> None:
        self.config, self.view = config, view
        self.outage = Outage()
        self.partitions: dict[int, Partition] = {}
        self.suspended: dict[int, str] = {}
        self.finished = asyncio.Event()
        self.commit_offsets = commit_offsets
        self._at: dict[TP, int] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._taken: dict[int, int] = {}
        self._scrubbed = -1
        self._scrubbing: asyncio.Task[int] | None = None

    def ready(self, active: set[TP]) -> set[TP]:
        """Of the active partitions, those which can take a chunk now.

        None can while the chunks in work hold as many bytes as memory is meant for.
        """
        if sum(self._taken.values()) >= self.config.work_bytes:
            return set()
        return {
            tp
            for tp in active
            if tp.topic == self.config.source
            and tp.partition in self.partitions
            and tp.partition not in self._taken
            and tp.partition not in self.suspended
        }

    def suspend(self, number: int, why: str) -> None:
        """Leave a partition alone until it is taken over again; a person has to decide."""
        log.error("a partition is suspended", partition=number, why=why)
        self.suspended[number] = why

    def position(self, tp: TP) -> int | None:
        """Offset where the next chunk of the partition must begin; None where it is not owned."""
        return self._at.get(tp)

    def take(self, tp: TP, end: int, size: int) -> None:
        """A chunk of ``size`` bytes that ends before ``end`` is on its way to the agent."""
        self._taken[tp.partition] = size
        self._at[tp] = end

    def start(self, event: EventT, fold: Fold, on_commit: OnCommit) -> None:
        """Put a chunk to work; it is finished when its partition is ready for the next one.

        A chunk of an earlier generation is dropped: the partition's new owner has it.
        """
        chunk: Chunk = event.value
        owned = self.partitions.get(chunk.partition)
        if owned is None or owned.generation != chunk.generation:
            log.info("chunk of an earlier generation dropped", partition=chunk.partition)
            return
        task = asyncio.create_task(self._work(owned, chunk, fold, on_commit))
        self._busy[chunk.partition] = task

    async def _work(self, owned: Partition, chunk: Chunk, fold: Fold, on_commit: OnCommit) -> None:
        unit = UnitOfWork(owned)
        current_unit.set(unit)
        start = time.perf_counter()
        try:
            _check_follows(owned, chunk)
            outcome = self._folded(owned, chunk, fold)
            folded = time.perf_counter() - start
            if outcome is not None:
                timings = await owned.commit(chunk, unit.dirty, outcome)
                on_commit(chunk, folded, timings)
        except asyncio.CancelledError:
            log.warning("Redis is left behind for the next owner", partition=chunk.partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, the outcome is not known
            leave("chunk failed", error, partition=chunk.partition, offset=chunk.follows)
        self._busy.pop(chunk.partition, None)
        self._taken.pop(chunk.partition, None)
        self.finished.set()

    def _folded(self, owned: Partition, chunk: Chunk, fold: Fold) -> Outcome | None:
        """What the fold gives; None where it fails, as it would do again anywhere.

        Nothing of the chunk has left the process then: the partition waits for a person.
        """
        try:
            return fold(chunk, owned.position.letters)
        except MemoryError:
            raise
        except Exception as error:
            log.exception("the fold failed", partition=chunk.partition, offset=chunk.follows)
            why = (
                f"the fold of offsets {chunk.follows} to {chunk.next_offset - 1} failed "
                f"({error!r}); nothing of them is published. Run a version that folds them, or "
                f"leave them out: bess state realign --partition {chunk.partition} --to end"
            )
            self.suspend(chunk.partition, why)
            return None

    async def scrub(self) -> int:
        """Compare the view in Redis with the states: the next partition, and on while one is wrong.

        Returns
        -------
        How many states were wrong and were put right.
        """
        found = 0
        for number in self._idle():
            self._scrubbed, self._taken[number] = number, 0
            self._scrubbing = asyncio.create_task(self._scrub(self.partitions[number]))
            await asyncio.wait([self._scrubbing])
            wrong = 0 if self._scrubbing.cancelled() else self._scrubbing.result()
            found += wrong
            if not wrong:
                break
        return found

    async def _scrub(self, owned: Partition) -> int:
        try:
            return await owned.scrub()
        except RedisError as error:
            log.info("Redis was not compared", partition=owned.number, error=str(error))
            return 0
        except Exception as error:  # noqa: BLE001 - somebody else writes here
            leave("scrub failed", error, partition=owned.number)
        finally:
            self._taken.pop(owned.number, None)
            self.finished.set()

    def _idle(self) -> Iterator[int]:
        """Partitions without a chunk in work, from the one after the last that was compared."""
        numbers = sorted(self.partitions)
        start = bisect_right(numbers, self._scrubbed)
        for number in numbers[start:] + numbers[:start]:
            if number in self.partitions and number not in self._taken and not self.outage.why:
                yield number

    async def drain(self, owned: Iterable[Partition]) -> None:
        """Wait for the chunks in work; a worker that cannot finish them in time is ended.

        A chunk that waits for Redis alone is let go: Kafka has it, the next owner will show it.
        """
        partitions = {each.number: each for each in owned}
        deadline, late = time.monotonic() + DRAIN_SECONDS, dict(self._busy)
        while late:
            await asyncio.wait(late.values(), timeout=SHOW_SECONDS)
            late = {number: task for number, task in late.items() if not task.done()}
            for number, task in late.items():
                if number in partitions and partitions[number].showing:
                    task.cancel()
            if late and time.monotonic() > deadline:
                leave("chunks in work did not finish", TimeoutError(f"{DRAIN_SECONDS} s"))

    async def release(self) -> None:
        """Give all partitions up: finish their chunks and close their producers."""
        # Taken away first, so that no chunk which waits for the agent begins meanwhile.
        owned = list(self.partitions.values())
        self.partitions.clear()
        if self._scrubbing is not None:
            self._scrubbing.cancel()
            await asyncio.wait([self._scrubbing])
        await self.drain(owned)
        self._at.clear()
        self._taken.clear()
        self.suspended.clear()
        await asyncio.gather(*(each.publisher.stop() for each in owned))

    def own(self, partition: Partition) -> None:
        """Take a recovered partition into service."""
        self.partitions[partition.number] = partition
        source = self.config.source
        self._at[TP(source, partition.number)] = partition.position.offsets.get(source, 0)

    def new_publisher(self, number: int) -> Publisher:
        """What publishes the chunks of a partition, not yet started."""
        config = self.config
        if config.exactly_once:
            return ExactlyOnce(config.client, f"{config.app_id}-{number}", config.app_id)
        return AtLeastOnce(config.client, self.commit_offsets)


def _check_follows(owned: Partition, chunk: Chunk) -> None:
    """Nothing lost and nothing twice; offsets may skip, for transaction markers take some."""
    folded = owned.position.offsets.get(chunk.topic, 0)
    offsets = [record.offset for record in chunk.records]
    rising = all(a < b for a, b in pairwise(offsets))
    if chunk.follows != folded or offsets[0] < folded or not rising:
        first = offsets[0]
        raise RuntimeError(f"chunk {first} follows {chunk.follows}, but {folded} is next to fold")


def leave(what: str, error: BaseException, **where: object) -> NoReturn:
    """End the process at once; the supervisor starts it again and recovery finds out."""
    told = {"error": repr(error), "remedy": remedy(error), **where}
    log.critical("the worker ends so that recovery decides", what=what, **told)
    os._exit(EXIT_INDEFINITE)
