"""One owned source partition: its publisher, its position and its states."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from aiokafka import TopicPartition

from stream_app.engine.changelog import EPOCH_HEADER
from stream_app.engine.chunk import Chunk
from stream_app.engine.outage import Outage
from stream_app.engine.position import POSITION_KEY, Position, encode_position, mark_of
from stream_app.engine.publisher import Produce, Publisher
from stream_app.engine.view import DamagedViewError, RedisView, StaleViewError, differences

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What the fold of a chunk gave beside states.

    Attributes
    ----------
    records
        To publish with the chunk.
    letters
        That of the position after it.
    """

    records: Sequence[Produce]
    letters: int = 0


@dataclass
class Timings:
    """Seconds that one commit took in Kafka and in Redis.

    ``mended`` states of Redis were lost and were put right.
    """

    commit: float
    flush: float
    mended: int = 0


@dataclass
class Partition:
    """What a worker holds of a partition that it owns, valid for one group generation.

    Attributes
    ----------
    number, generation
        Partition number and the generation in which it was taken over.
    publisher
        Started, of this partition alone.
    changelog
        State topic.
    position, states
        What Kafka holds for certain: the source folded so far, and all states by key.
    showing
        Whether a commit waits for nothing but Redis; the next owner would bring the view up too.
    """

    number: int
    generation: int
    publisher: Publisher
    view: RedisView
    outage: Outage
    changelog: str
    position: Position
    states: dict[bytes, bytes]
    showing: bool = field(default=False, init=False)

    async def commit(self, chunk: Chunk, dirty: Mapping[bytes, bytes], outcome: Outcome) -> Timings:
        """Publish records, states and source offset together, then move the view.

        Any exception leaves it open what the broker has done: the caller must end the process and
        let the next owner find out.
        """
        start = time.perf_counter()
        before, offsets = self.position, {**self.position.offsets, chunk.topic: chunk.next_offset}
        newest = chunk.records[-1]
        marks = {**before.marks, chunk.topic: mark_of(newest.offset, newest.key, newest.value)}
        after = replace(before, offsets=offsets, letters=outcome.letters, marks=marks)
        source = {TopicPartition(chunk.topic, chunk.partition): chunk.next_offset}
        changes = list(self._changes(dirty, after))
        last = await self.publisher.publish(
            changes, self.number, source, outcome.records, before.changelog or 0
        )
        committed = time.perf_counter()
        self.states.update(dirty)
        self.position, self.showing = replace(after, changelog=last + 1), True
        mended = await self._show(before.changelog, dirty)
        self.showing = False
        await self.publisher.shown(source)
        return Timings(committed - start, time.perf_counter() - committed, mended)

    def _changes(self, dirty: Mapping[bytes, bytes], after: Position) -> Iterable[Produce]:
        epoch = ((EPOCH_HEADER, str(after.epoch).encode()),) if after.epoch else ()
        for key, value in dirty.items():
            yield Produce(self.changelog, key, value, headers=epoch)
        yield Produce(self.changelog, POSITION_KEY, encode_position(after), headers=epoch)

    async def _show(self, expected: int | None, dirty: Mapping[bytes, bytes]) -> int:
        """Move the view; gives how many states had to be written that it should have had."""
        count = len(self.states)
        move = partial(self.view.swap, self.number, expected, self.position, dirty, count)
        try:
            await self.outage.outlast(move)
        except StaleViewError as stale:
            why = "it was emptied" if stale.shown is None else "it had lost its newest part"
            await self.outage.outlast(self._whole(stale.shown, why))
        except DamagedViewError as damage:
            await self.outage.outlast(self._whole(expected, str(damage)))
        else:
            return 0
        return count

    async def refill(self, states: Mapping[bytes, bytes]) -> None:
        """Write states to the changelog again that were deleted from it."""
        log.warning("the changelog is filled again", partition=self.number, states=len(states))
        before = self.position
        changes = list(self._changes(states, before))
        last = await self.publisher.publish(changes, self.number, {}, (), before.changelog or 0)
        self.position = replace(before, changelog=last + 1)
        await self._show(before.changelog, {})

    async def scrub(self) -> int:
        """Compare the view with the states, and put back what Redis lost or changed.

        One try: it waits for no Redis that takes no writes.

        Returns
        -------
        How many values were wrong; 1 where it cannot be told.

        Raises
        ------
        StaleViewError
            The view is ahead: the partition has another owner.
        """
        why = "it differs from the changelog"
        try:
            shown, states = await self.view.read(self.number)
            wrong = len(list(differences(states, self.states))) + (shown != self.position)
        except DamagedViewError as damage:
            why = str(damage)
            shown, wrong = await self.view.position(self.number), 1
        if wrong:
            await self._whole(shown.changelog, why)()
        return wrong

    def _whole(self, shown: int | None, why: str) -> Callable[[], Awaitable[None]]:
        """What writes the whole partition anew over a view that stands at ``shown``, behind it."""
        if shown is not None and shown > (self.position.changelog or 0):
            raise StaleViewError(self.number, shown, self.position.changelog)
        log.warning("Redis is put right", partition=self.number, why=why, states=len(self.states))
        swap, count = self.view.swap, len(self.states)
        return partial(swap, self.number, shown, self.position, self.states, count, whole=True)
