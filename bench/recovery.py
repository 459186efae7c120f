"""How long a fleet of 432 enclosures stands still when a worker or Redis goes away."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis

from bench.stream import worker
from bench.workload import START_MS, Workload, publish
from schemas.topics import STATE, TELEMETRY
from stream_app.codec.telemetry import encode
from stream_app.core.messages import PowerSamples
from stream_app.settings import Settings, kafka_options

FLEET = Workload("72 power blocks, 432 enclosures, 10 days at 1 min", 72, 144, 100, 60_000, 2)
Positions = Callable[[], Awaitable[dict[TopicPartition, int]]]
LIMIT_S = 120.0
EVERY_S = 0.2


@dataclass(frozen=True)
class Recovery:
    """Seconds.

    ``start`` from the start of a process to ready with Redis as it was, ``rebuild`` the same with
    Redis emptied, ``mend`` from emptying Redis under a running worker until it is whole, ``kill``
    from kill -9 of one of two workers until every partition has gone on.
    """

    start: float
    rebuild: float
    mend: float
    kill: float


async def recovery(settings: Settings) -> Recovery:
    """Fill a deployment, then take things away from it."""
    await publish(settings, FLEET)
    with worker(settings) as running:
        await asyncio.to_thread(running.run, FLEET.total_records)
    start = await asyncio.to_thread(_seconds_to_ready, settings)
    await _empty(settings)
    rebuild = await asyncio.to_thread(_seconds_to_ready, settings)
    return Recovery(start, rebuild, await _mend(settings), await _kill_one_of_two(settings))


def _seconds_to_ready(settings: Settings) -> float:
    began = time.perf_counter()
    with worker(settings):
        return time.perf_counter() - began


async def _empty(settings: Settings) -> int:
    """Delete the deployment's keys; gives how many states there were."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        count = await _states(redis, settings)
        await redis.delete(*await redis.keys(f"{{{settings.app_id}:*"))
    return count


async def _states(redis: Redis, settings: Settings) -> int:
    keys = [f"{{{settings.app_id}:{number}}}:s" for number in range(settings.partitions)]
    return sum([await redis.hlen(key) for key in keys])


async def _mend(settings: Settings) -> float:
    with worker(settings):
        count = await _empty(settings)
        began = time.perf_counter()
        async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
            while await _states(redis, settings) < count:
                _check(began, "Redis to be whole")
                await asyncio.sleep(EVERY_S)
        return time.perf_counter() - began


async def _kill_one_of_two(settings: Settings) -> float:
    with ExitStack() as stack:
        first, second = (stack.enter_context(worker(settings)) for _ in range(2))
        async with _telemetry(settings), _progress(settings) as positions:
            await _all_move(positions, await positions(), "both workers at work")
            assert second.metrics()["bess_pipeline_assigned_partitions"] > 0
            first.process.kill()
            first.process.wait()
            began = time.perf_counter()
            await _all_move(positions, await positions(), "every partition to go on")
            return time.perf_counter() - began


@asynccontextmanager
async def _telemetry(settings: Settings) -> AsyncIterator[None]:
    """A sample of every block each ``EVERY_S``, until the end of the ``with`` block."""
    task = asyncio.create_task(_send(settings))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _send(settings: Settings) -> None:
    begin = START_MS + FLEET.records * FLEET.samples * FLEET.interval_ms
    async with AIOKafkaProducer(**kafka_options(settings), enable_idempotence=True) as producer:
        for turn in itertools.count(1):
            times = np.array([begin + turn * FLEET.interval_ms], dtype=np.int64)
            value = encode(PowerSamples(times, {"1": np.ones(1), "2": np.ones(1)}))
            for number in range(FLEET.blocks):
                key, partition = f"bench/{number}PCS1".encode(), number % settings.partitions
                await producer.send(TELEMETRY.name(settings.prefix), value, key, partition)
            await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def _progress(settings: Settings) -> AsyncIterator[Positions]:
    options = kafka_options(settings)
    async with AIOKafkaConsumer(**options, group_id=None) as consumer:
        name = STATE.name(settings.prefix)
        tps = [TopicPartition(name, number) for number in range(settings.partitions)]

        async def positions() -> dict[TopicPartition, int]:
            found: dict[TopicPartition, int] = await consumer.end_offsets(tps)
            return found

        yield positions


async def _all_move(positions: Positions, before: dict[TopicPartition, int], what: str) -> None:
    began = time.perf_counter()
    while any(now <= before[tp] for tp, now in (await positions()).items()):
        _check(began, what)
        await asyncio.sleep(0.05)


def _check(began: float, what: str) -> None:
    if time.perf_counter() - began > LIMIT_S:
        raise TimeoutError(f"waited {LIMIT_S:.0f} s for {what}")
