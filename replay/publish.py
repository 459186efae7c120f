"""An export to Kafka: every row exactly once, however often the replay is interrupted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalOperation, KafkaError

from replay import correction
from replay.correction import Days
from replay.errors import PublishError
from replay.explained import explained
from replay.feed import ROWS, Batch, Feed
from replay.pacing import ClockMode, Timeline, WallClock, rows_at_once
from replay.progress import Progress, read_progress, replay_id
from replay.records import (
    Outgoing,
    Parcel,
    largest_block,
    parcels,
    to_all,
    topology,
)
from replay.wire import Samples, Wire, count
from schemas.results import ProgressRecord
from schemas.topics import PROGRESS, TELEMETRY, TOPOLOGY
from stream_app.core.messages import EndOfData

BATCH_BYTES = 524_288
LINGER_MS = 20
TRANSACTION_MS = 60_000
STOP_S = 5.0

State = Literal["complete", "was complete", "interrupted", "dry run"]


@dataclass(frozen=True)
class Options:
    """What a person can choose of a replay.

    Attributes
    ----------
    speed
        Event time passes so much faster than real time; None: as fast as it goes.
    from_ms, to_ms
        Samples in ``[from_ms, to_ms)`` only [ms UTC].
    block_rows
        Rows in a record, at most.
    end
        Say at the end that no more is to come, so that open windows are published.
    again
        Run a replay that is complete once more.
    restart
        Begin at the first row whatever is published already.
    days
        Local days that the samples replace, see ``replay.correction``; None: they are counted.
    packed
        Cells of batteries in binary instead of JSON; their values are the same.
    patience_s
        Time without an answer of Kafka after which a run ends.
    """

    speed: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    clock: ClockMode = "event"
    block_rows: int = ROWS
    end: bool = True
    again: bool = False
    restart: bool = False
    days: Days | None = None
    packed: bool = False
    patience_s: float = 45.0


@dataclass
class Summary:
    """What a run of a replay did.

    Attributes
    ----------
    resumed_at
        Row of the export at which it began.
    next_row
        Row of the export at which the next run would go on.
    rows, samples, records
        Numbers published by this run.
    first_ms, last_ms
        Span of the published times [ms UTC].
    seconds, waiting_s
        Time it took; time until the next row is due.
    """

    replay: str
    state: State = "interrupted"
    resumed_at: int = 0
    next_row: int = 0
    rows: int = 0
    samples: int = 0
    records: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    seconds: float = 0.0
    waiting_s: float = 0.0
    topics: list[str] = field(default_factory=list)


OnProgress = Callable[[Summary], None]


def name_of(feed: Feed, options: Options) -> str:
    """Replay id of an export with these options."""
    settings: list[object] = [options.from_ms, options.to_ms, options.clock]
    return replay_id(feed, *settings, *([options.days] if options.days else []))


async def publish(
    feed: Feed,
    options: Options,
    prefix: str,
    kafka: Mapping[str, Any],
    clock: WallClock,
    stop: asyncio.Event,
    on_progress: OnProgress,
) -> Summary:
    """Publish an export, from where the last committed transaction of the same replay ended.

    Parameters
    ----------
    kafka
        Options of the aiokafka clients: servers and security.
    stop
        When it is set, the transaction in hand is finished, and the run ends.

    Raises
    ------
    PublishError
        Kafka cannot be reached or lacks topics, or another run of the same replay took over.
    """
    name = name_of(feed, options)
    if options.clock == "now" and options.speed is None:
        raise PublishError("--clock now gives rows the time when they are due: choose a --speed")
    with explained(kafka, options.patience_s):
        await _check_topics(kafka, prefix)
        async with _producer(kafka, f"{prefix}.replay.{name}", options.patience_s) as producer:
            known = await read_progress(kafka, prefix, name)
            run = _Run(feed, options, prefix, clock, name, known)
            await run.publish(producer, stop, on_progress)
            return run.summary


def dry_run(feed: Feed, options: Options, clock: WallClock, on_progress: OnProgress) -> Summary:
    """Read everything that would be published, and publish nothing."""
    began = clock.monotonic()
    summary = Summary(name_of(feed, options), "dry run")
    for batch in feed.batches(0, options.block_rows, options.from_ms, options.to_ms):
        summary.next_row = batch.next_row
        summary.rows += batch.times.size
        summary.samples += sum(count(samples) for _, samples in batch.samples)
        if batch.times.size and summary.first_ms is None:
            summary.first_ms = int(batch.times[0])
        summary.last_ms = batch.clock_ms
        summary.seconds = clock.monotonic() - began
        on_progress(summary)
    return summary


class _Run:
    """One run of a replay, from where ``known`` ends."""

    def __init__(
        self,
        feed: Feed,
        options: Options,
        prefix: str,
        clock: WallClock,
        name: str,
        known: Progress | None,
    ) -> None:
        self._feed, self._options, self._prefix, self._clock = feed, options, prefix, clock
        anew = options.restart or (options.again and known is not None and known.record.complete)
        self._known = None if anew else known
        self._began = clock.monotonic()
        row = self._known.record.row if self._known else 0
        topics = [topic.name(prefix) for topic in (TELEMETRY, TOPOLOGY, PROGRESS)]
        self.summary = Summary(name, resumed_at=row, next_row=row, topics=topics)

    async def publish(
        self, producer: AIOKafkaProducer, stop: asyncio.Event, on_progress: OnProgress
    ) -> None:
        """Send all parcels, unless ``stop`` is set before."""
        if self._known and self._known.record.complete:
            self.summary.state = "was complete"
            return
        batches = self._batches()
        opening = await asyncio.to_thread(_up_to_first_samples, batches)
        timeline = self._timeline(opening)
        name = self.summary.replay if self._options.days else None
        every = chain(opening, batches)
        wire = Wire(name, self._options.packed)
        waiting = parcels(every, timeline, self._prefix, wire=wire)
        async with aclosing(_ahead(waiting)) as ahead:
            async for parcel in ahead:
                await self._until_due(parcel, timeline, stop, on_progress)
                if stop.is_set():
                    return
                await self._send(producer, parcel, timeline)
                on_progress(self.summary)

    def _batches(self) -> Iterator[Batch[Samples]]:
        options, feed = self._options, self._feed
        most = min(options.block_rows, largest_block(feed))
        rows = rows_at_once(most, options.speed, feed.interval_ms)
        return feed.batches(self.summary.resumed_at, rows, options.from_ms, options.to_ms)

    def _timeline(self, opening: Sequence[Batch[Samples]]) -> Timeline:
        first_ms = _first_ms(opening) or self._feed.first_ms
        now_ms, options = self._clock.now_ms(), self._options
        shift_ms = 0
        if options.clock == "shift":
            shift_ms = self._known.shift_ms if self._known else now_ms - first_ms
        started = self._clock.monotonic()
        return Timeline(options.clock, options.speed, first_ms, now_ms, started, shift_ms)

    async def _until_due(
        self, parcel: Parcel, timeline: Timeline, stop: asyncio.Event, on_progress: OnProgress
    ) -> None:
        """Wait for the newest credible time: a row with a wrong one must not hold up the rest."""
        if timeline.speed is None or parcel.clock_ms is None:
            return
        seconds = timeline.due(parcel.clock_ms) - self._clock.monotonic()
        if seconds > 0:
            self.summary.waiting_s = seconds
            on_progress(self.summary)
            await self._clock.wait(stop, seconds)
            self.summary.waiting_s = 0.0

    async def _send(self, producer: AIOKafkaProducer, parcel: Parcel, timeline: Timeline) -> None:
        """Send a parcel with what belongs around it, and the progress, in one transaction."""
        outgoing = parcel.outgoing
        if not self.summary.next_row:
            outgoing = [*self._before_all(timeline), *outgoing]
        if parcel.is_last:
            outgoing = [*outgoing, *self._after_all(parcel, timeline)]
        progress = Progress(self._record(parcel, timeline), timeline.shift_ms)
        # A broker refuses records from the future, as a wrong or shifted time may be.
        latest = self._clock.now_ms()
        outgoing = [replace(each, time_ms=min(each.time_ms, latest)) for each in outgoing]
        async with asyncio.timeout(self._options.patience_s):
            await _commit(producer, outgoing, PROGRESS.name(self._prefix), progress)
        self._count(parcel, timeline, len(outgoing))

    def _before_all(self, timeline: Timeline) -> list[Outgoing]:
        days = self._options.days
        if days:
            return correction.begin(self._feed, self._prefix, self.summary.replay, days)
        return topology(self._feed, self._prefix, timeline.moved(timeline.first_ms))

    def _after_all(self, parcel: Parcel, timeline: Timeline) -> list[Outgoing]:
        days = self._options.days
        if days:
            return correction.end(self._feed, self._prefix, self.summary.replay, days)
        if not self._options.end or parcel.clock_ms is None:
            return []
        end = timeline.moved(parcel.clock_ms + self._feed.interval_ms)
        return to_all(self._feed, self._prefix, EndOfData(end), end)

    def _record(self, parcel: Parcel, timeline: Timeline) -> ProgressRecord:
        before = self._known.record.rows_published if self._known else 0
        clock_ms = parcel.clock_ms
        return ProgressRecord(
            v=1,
            replay=self.summary.replay,
            file=parcel.file,
            row=parcel.next_row,
            rows_published=before + self.summary.rows + parcel.rows,
            event_time=None if clock_ms is None else _iso(timeline.moved(clock_ms)),
            complete=parcel.is_last,
        )

    def _count(self, parcel: Parcel, timeline: Timeline, records: int) -> None:
        summary = self.summary
        summary.next_row = parcel.next_row
        summary.rows += parcel.rows
        summary.samples += parcel.samples
        summary.records += records
        summary.seconds = self._clock.monotonic() - self._began
        if parcel.is_last:
            summary.state = "complete"
        if summary.first_ms is None and parcel.first_ms is not None:
            summary.first_ms = timeline.moved(parcel.first_ms)
        if parcel.clock_ms is not None:
            summary.last_ms = timeline.moved(parcel.clock_ms)


async def _ahead(waiting: Iterator[Parcel]) -> AsyncGenerator[Parcel, None]:
    """Give parcels, of which the next is read and encoded in a thread while one is on its way."""
    upcoming = asyncio.create_task(asyncio.to_thread(next, waiting, None))
    try:
        while (parcel := await upcoming) is not None:
            upcoming = asyncio.create_task(asyncio.to_thread(next, waiting, None))
            yield parcel
    finally:
        # A thread cannot be cancelled; the files must not be closed under it.
        await asyncio.wait([upcoming])


async def _commit(
    producer: AIOKafkaProducer, outgoing: Sequence[Outgoing], topic: str, progress: Progress
) -> None:
    """Commit records and progress; a transaction that fails is left for the next run to end."""
    await producer.begin_transaction()
    key, value = progress.record.replay.encode(), msgspec.json.encode(progress.record)
    sent: list[asyncio.Future[Any]] = []
    try:
        for each in outgoing:
            moment = each.time_ms
            sent.append(await producer.send(each.topic, each.value, each.key, timestamp_ms=moment))
        sent.append(await producer.send(topic, value, key, headers=progress.headers))
    except (IllegalOperation, KafkaError):
        # The client has given the transaction up meanwhile; what was sent before says why.
        await asyncio.gather(*sent)
        raise
    await asyncio.gather(*sent)
    await producer.commit_transaction()


@asynccontextmanager
async def _producer(
    kafka: Mapping[str, Any], name: str, patience_s: float
) -> AsyncIterator[AIOKafkaProducer]:
    """Start a producer, which ends what an earlier run of the same replay left open."""
    producer = AIOKafkaProducer(
        **kafka,
        transactional_id=name,
        transaction_timeout_ms=TRANSACTION_MS,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES,
        linger_ms=LINGER_MS,
    )
    try:
        async with asyncio.timeout(patience_s):
            await producer.start()
        yield producer
    finally:
        # Without a broker the client would wait for good.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await producer.stop()


async def _check_topics(kafka: Mapping[str, Any], prefix: str) -> None:
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        existing = await admin.list_topics()
    finally:
        await admin.close()
    missing = {topic.name(prefix) for topic in (TELEMETRY, TOPOLOGY, PROGRESS)} - set(existing)
    if missing:
        raise PublishError(
            f"Kafka has no topic {', '.join(sorted(missing))}; run: bess topics create"
        )


def _up_to_first_samples(batches: Iterator[Batch[Samples]]) -> list[Batch[Samples]]:
    opening = []
    for batch in batches:
        opening.append(batch)
        if batch.times.size:
            break
    return opening


def _first_ms(opening: Sequence[Batch[Samples]]) -> int | None:
    if not opening:
        return None
    last = opening[-1]
    return int(last.times[0]) if last.times.size else last.clock_ms


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
