"""Cells of batteries through a real worker: a topic filled beforehand, and a fleet in real time."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.cells import Bare
from bench.stream import BenchWorker
from schemas.topics import TELEMETRY
from stream_app.codec.battery import encode_battery
from stream_app.codec.packed import decode_packed
from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.energy import Floats
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics

CELLS, PACKS = 52, 5
START_MS = 1_760_000_000_000
IDLE_MS = 1_000
SCRAPE_S = 15
RULES = BatteryRules(interval_ms=1_000, max_gap_ms=10_000)


@dataclass(frozen=True)
class CellLoad:
    """1 s data of ``systems`` of 5 packs x 52 cells, ``rows`` rows in each of ``records``."""

    rows: int
    records: int
    packed: bool
    systems: int = 16

    @property
    def title(self) -> str:
        form = "packed" if self.packed else "JSON"
        return f"{self.rows} row{'s' if self.rows > 1 else ''} a record, {form}"

    @property
    def total_records(self) -> int:
        return self.systems * (1 + PACKS * self.records)

    @property
    def values(self) -> int:
        """Voltages and temperatures."""
        return self.systems * PACKS * self.records * self.rows * CELLS * 2


LOADS = tuple(
    CellLoad(rows, records, packed)
    for rows, records in ((500, 42), (60, 300), (10, 900), (1, 3_600))
    for packed in (False, True)
)
"""Several chunks of each partition: what is in work at the first commit is folded for nothing."""


def battery(number: int) -> Battery:
    return Battery("bench", f"b{number}", "Europe/Berlin", dict.fromkeys("12345", CELLS), RULES)


def producer(settings: Settings, linger_ms: int) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **kafka_options(settings),
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=linger_ms,
        max_batch_size=1 << 20,
    )


def swing(rng: np.random.Generator, first: int, rows: int) -> tuple[Floats, Floats]:
    """Voltages and temperatures of a pack: noise of 1 mV and 0.05 degC on a slow swing."""
    turn = np.sin(np.arange(first, first + rows) / 3_600)[:, None]
    volts = 3.3 + 0.02 * turn + rng.normal(0, 0.001, (rows, CELLS))
    return volts.round(3), (25 + 3 * turn + rng.normal(0, 0.05, (rows, CELLS))).round(1)


async def publish(settings: Settings, load: CellLoad) -> None:
    """Create the topics and fill the telemetry topic; packs take turns, as a replay has them."""
    await create_topics(settings)
    topic = TELEMETRY.name(settings.prefix)
    async with producer(settings, 20) as sender:
        for number in range(load.systems):
            key, partition = battery(number).key.encode(), number % settings.partitions
            for value in _values(number, load):
                await sender.send(topic, value, key=key, partition=partition)


def _values(number: int, load: CellLoad) -> Iterator[bytes]:
    yield encode_battery(battery(number))
    rng = np.random.default_rng(number)
    for record in range(load.records):
        first = record * load.rows
        times = START_MS + 1_000 * np.arange(first, first + load.rows, dtype=np.int64)
        amperes = np.full(load.rows, 70.0)
        for pack in battery(number).packs:
            samples = CellSamples(pack, times, *swing(rng, first, load.rows), amperes)
            yield encode_battery(samples, packed=load.packed)


async def bare_loop(settings: Settings, load: CellLoad) -> float:
    """Seconds to fetch the topic and have its numbers as arrays, with aiokafka and nothing else."""
    decode = decode_packed if load.packed else _bare_json
    consumer = AIOKafkaConsumer(
        **kafka_options(settings), group_id=None, isolation_level="read_committed"
    )
    async with consumer:
        topic = TELEMETRY.name(settings.prefix)
        consumer.assign([TopicPartition(topic, n) for n in range(settings.partitions)])
        await consumer.seek_to_beginning()
        start, seen = time.perf_counter(), 0
        while seen < load.total_records:
            for batch in (await consumer.getmany(timeout_ms=IDLE_MS, max_records=10_000)).values():
                for record in batch:
                    seen += 1
                    if b'"kind":"battery"' not in record.value[:40]:
                        decode(record.value)
        return time.perf_counter() - start


_decoder = msgspec.json.Decoder(Bare)


def _bare_json(value: bytes) -> None:
    record = _decoder.decode(value)
    np.array(record.voltage_v, dtype=np.float64)
    np.array(record.temperature_c, dtype=np.float64)


@dataclass(frozen=True)
class Fleet:
    """A station that sends in real time: 432 enclosures of 5 packs x 52 cells.

    A record of a pack holds ``rows`` seconds.
    """

    minutes: int
    rows: int = 1
    packed: bool = False
    systems: int = 432

    @property
    def title(self) -> str:
        form = "packed" if self.packed else "JSON"
        packs = self.systems * PACKS
        return (
            f"{self.systems} x {PACKS * CELLS} cells once a second = "
            f"{packs * CELLS * 2:,} values in {packs / self.rows:,.0f} records a second, {form}"
        )


@dataclass
class Course:
    """What was seen of a worker under a fleet.

    Attributes
    ----------
    lags
        Seconds of telemetry that were sent and not committed, once a second.
    behind
        How late the sender itself was at most [s].
    unread
        How often the metrics did not come within 10 s.
    cpu
        Share of one core.
    memory
        Resident memory at the begin and at the end [MB].
    """

    lags: list[float] = field(default_factory=list)
    behind: float = 0.0
    unread: int = 0
    cpu: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)

    def minutes(self) -> list[tuple[float, float]]:
        """Median and largest lag of each minute [s]."""
        parts = [self.lags[at : at + 60] for at in range(0, len(self.lags), 60)]
        return [(float(np.median(part)), max(part)) for part in parts]


async def announce(settings: Settings, fleet: Fleet) -> int:
    """Create the topics, publish the batteries, and tell how many records that were."""
    await create_topics(settings)
    async with producer(settings, 20) as sender:
        for number in range(fleet.systems):
            key, value = battery(number).key.encode(), encode_battery(battery(number))
            partition = number % settings.partitions
            await sender.send(TELEMETRY.name(settings.prefix), value, key=key, partition=partition)
    return fleet.systems


async def course(settings: Settings, fleet: Fleet, worker: BenchWorker) -> Course:
    """Send in real time, and look once a second how far the worker is behind.

    Its metrics are read every 15 s, as Prometheus does.
    """
    found, admin = Course(), AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    base = await _committed(admin, settings)
    memory, cpu, begin = worker.memory_mb(), worker.cpu_seconds(), time.perf_counter()
    per_second = fleet.systems * PACKS / fleet.rows
    async with _sending(settings, fleet, found) as sent:
        for second in range(1, 60 * fleet.minutes + 1):
            await asyncio.sleep(begin + second - time.perf_counter())
            # Read before the group is asked: what is sent meanwhile is no lag.
            records = sent[0]
            worker.check("the worker ended under the fleet")
            done = await _committed(admin, settings) - base
            found.lags.append(max(0, records - done) / per_second)
            if second % SCRAPE_S == 0:
                found.unread += not await asyncio.to_thread(_is_read, worker)
    found.cpu = (worker.cpu_seconds() - cpu) / (time.perf_counter() - begin)
    found.memory = memory, worker.memory_mb()
    await admin.close()
    return found


def _is_read(worker: BenchWorker) -> bool:
    try:
        worker.metrics()
    except TimeoutError:
        return False
    return True


async def _committed(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    """Records of the telemetry topic that the worker has folded; each has one offset."""
    found = await admin.list_consumer_group_offsets(settings.app_id)
    return sum(each.offset for each in found.values())


@asynccontextmanager
async def _sending(settings: Settings, fleet: Fleet, course: Course) -> AsyncIterator[list[int]]:
    """Gives the number of records sent so far, until the end of the ``with`` block."""
    sent = [0]
    task = asyncio.create_task(_send(settings, fleet, course, sent))
    try:
        yield sent
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled() and task.exception():
        raise RuntimeError("the fleet could not send") from task.exception()


async def _send(settings: Settings, fleet: Fleet, course: Course, sent: list[int]) -> None:
    """Systems send one after the other, evenly over the time that a record holds."""
    topic, rng = TELEMETRY.name(settings.prefix), np.random.default_rng(1)
    keys = [battery(number).key.encode() for number in range(fleet.systems)]
    offset = math.ceil(time.time()) * 1_000
    pause = fleet.rows / fleet.systems
    async with producer(settings, 5) as sender:
        begin = time.perf_counter()
        for turn in range(1, 60 * fleet.minutes // fleet.rows + 1):
            times = offset + 1_000 * np.arange((turn - 1) * fleet.rows, turn * fleet.rows)
            for number, key in enumerate(keys):
                due = begin + turn * fleet.rows + number * pause
                wait = due - time.perf_counter()
                course.behind = max(course.behind, -wait)
                await asyncio.sleep(max(0.0, wait))
                for pack in battery(number).packs:
                    matrices = swing(rng, (turn - 1) * fleet.rows, fleet.rows)
                    samples = CellSamples(pack, times, *matrices, np.full(fleet.rows, 70.0))
                    value = encode_battery(samples, packed=fleet.packed)
                    await sender.send(topic, value, key=key, partition=number % settings.partitions)
                sent[0] += PACKS
