"""What fails beside the worker does not end it, and changes no result."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from deploy.local import LocalStack
from deploy.local.process import free_port
from schemas.topics import STATE, TELEMETRY, Topic
from stream_app.engine.position import POSITION_KEY
from stream_app.engine.view import RedisView, seal, unseal
from tests.kafka.pages import pages
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka

PORT = free_port()
ask, until_ready_says = pages(PORT)
MESSAGES = station(blocks=5, minutes=400)
EVERYTHING = records(MESSAGES, 4)
HALF = len(EVERYTHING) // 2


@pytest.fixture
async def redis(stack: LocalStack) -> AsyncIterator[Redis]:
    async with Redis.from_url(stack.endpoints.redis_url) as client:
        yield client


def metric(name: str) -> float:
    _, text = ask("/metrics")
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


async def view_is_whole(deployment: Deployment, redis: Redis) -> None:
    """Redis shows what the changelog holds."""
    newest = {record.key: record.value for record in await deployment.read(STATE)}
    states = {key: value for key, value in newest.items() if key != POSITION_KEY}

    async def equal() -> bool:
        hashes = [
            await redis.hgetall(f"{{{deployment.settings.app_id}:{n}}}:s")
            for n in range(deployment.settings.partitions)
        ]
        return {k: unseal(k, v) for each in hashes for k, v in each.items()} == states

    await deployment.wait_for("Redis showing the changelog", equal)


MENDED = "bess_pipeline_view_mismatches_total"


async def mending_is_counted(deployment: Deployment, before: float = 0.0) -> None:
    async def counted() -> bool:
        return metric(MENDED) > before

    await deployment.wait_for("what was put right being counted", counted)


async def test_a_redis_that_is_gone_is_waited_for(
    deployment: Deployment, stack: LocalStack, redis: Redis
) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_for_committed(HALF // 4)
        stack.redis.kill()
        try:
            await deployment.produce(EVERYTHING[HALF:])
            await until_ready_says(deployment, "or set BESS_REDIS_URL; the worker waits")
            assert ask("/healthz") == (200, "alive\n")
        finally:
            stack.redis.start()
        await until_ready_says(deployment, "ready")
        await deployment.wait_until_done()
        stack.redis.kill()
        try:
            await until_ready_says(deployment, "or set BESS_REDIS_URL; what comes will wait for it")
        finally:
            stack.redis.start()
        await until_ready_says(deployment, "ready")
        assert worker.poll() is None

    assert await streamed(deployment) == expected(MESSAGES)
    await view_is_whole(deployment, redis)


async def test_a_worker_that_waits_for_redis_can_be_told_to_leave(
    deployment: Deployment, stack: LocalStack
) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_for_committed(1)
        stack.redis.kill()
        try:
            await deployment.produce(EVERYTHING[HALF:])
            await until_ready_says(deployment, "nothing is lost")
            worker.terminate()
            assert worker.wait(20) == 0
        finally:
            stack.redis.start()
    with deployment.worker():
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_worker_that_waits_for_kafka_can_be_told_to_leave(
    deployment: Deployment, stack: LocalStack
) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
        stack.kafka.kill()
        try:
            await until_ready_says(deployment, "Kafka does not answer")
            worker.terminate()
            assert worker.wait(20) == 0
        finally:
            stack.kafka.start()


async def test_a_redis_without_memory_is_waited_for(deployment: Deployment, redis: Redis) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_for_committed(1)
        await redis.config_set("maxmemory", "1")
        try:
            await deployment.produce(EVERYTHING[HALF:])
            await until_ready_says(deployment, "OOM command not allowed")
        finally:
            await redis.config_set("maxmemory", "0")
        await deployment.wait_until_done()
        assert worker.poll() is None

    assert await streamed(deployment) == expected(MESSAGES)


async def test_what_redis_loses_or_changes_is_put_right(
    deployment: Deployment, redis: Redis
) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING)
        await deployment.wait_until_done()
        await view_is_whole(deployment, redis)
        for how in ("all", "states", "field", "positions", "states taken", "position taken"):
            before = metric(MENDED)
            await spoil(redis, deployment.settings.app_id, how)
            await mending_is_counted(deployment, before)
            await view_is_whole(deployment, redis)
        assert worker.poll() is None

    assert await streamed(deployment) == expected(MESSAGES)


async def spoil(redis: Redis, app_id: str, how: str) -> None:
    if how == "all":
        await redis.flushall()
    elif how == "field":
        (name, *_) = await redis.keys(f"{{{app_id}:*:s")
        (key, *_) = await redis.hkeys(name)
        await redis.hset(name, key, seal(key, b"\x02 another state"))
    elif how.endswith("taken"):
        (name, *_) = await redis.keys(f"{{{app_id}:*:{'s' if how.startswith('states') else 'm'}")
        await redis.set(name, "haha")
    else:
        letter = {"states": "s", "positions": "m"}[how]
        await redis.delete(*await redis.keys(f"{{{app_id}:*}}:{letter}"))


async def test_a_value_that_was_damaged_while_no_worker_ran_is_not_believed(
    deployment: Deployment, redis: Redis
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
    for name in await redis.keys(f"{{{deployment.settings.app_id}:*:s"):
        for key, value in (await redis.hgetall(name)).items():
            await redis.hset(name, key, value[:-1] + bytes((value[-1] ^ 1,)))

    with deployment.worker(BESS_METRICS_PORT=str(PORT)):
        await deployment.produce(EVERYTHING[HALF:])
        await deployment.wait_until_done()
        assert metric("bess_pipeline_view_rebuilds_total") > 0

    assert await streamed(deployment) == expected(MESSAGES)


@pytest.mark.parametrize("letter", ["s", "m"])
async def test_a_key_of_another_type_does_not_end_the_worker_that_starts(
    deployment: Deployment, redis: Redis, letter: str
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
    for name in await redis.keys(f"{{{deployment.settings.app_id}:*:{letter}"):
        await redis.set(name, "haha")

    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[HALF:])
        await deployment.wait_until_done()
        assert metric("bess_pipeline_view_rebuilds_total") > 0
        await view_is_whole(deployment, redis)
        assert worker.poll() is None

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_broker_that_is_killed_and_comes_back_changes_nothing(
    deployment: Deployment, stack: LocalStack
) -> None:
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_for_committed(HALF // 4)
        for short, some in (
            (True, EVERYTHING[HALF : -HALF // 2]),
            (False, EVERYTHING[-HALF // 2 :]),
        ):
            stack.kafka.kill()
            if not short:
                await until_ready_says(deployment, "Kafka does not answer")
                assert metric("bess_pipeline_kafka_up") == 0
                assert ask("/healthz") == (200, "alive\n")
            stack.kafka.start()
            await deployment.produce(some)
            await deployment.wait_until_done()
        await until_ready_says(deployment, "ready")
        assert worker.poll() is None

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_telemetry_topic_that_was_made_anew_suspends_its_partitions(
    deployment: Deployment,
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING)
        await deployment.wait_until_done()
    await deployment.make_anew(TELEMETRY)

    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await until_ready_says(deployment, "source behind state")
        assert "bess state realign --partition" in ask("/readyz")[1]
        assert worker.poll() is None


@pytest.mark.parametrize("other", [True, False])
async def test_a_topic_made_anew_and_filled_beyond_what_was_folded_is_told_apart_by_its_records(
    deployment: Deployment, other: bool
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
    await deployment.make_anew(TELEMETRY)
    await deployment.produce([EVERYTHING[0], *EVERYTHING] if other else EVERYTHING)

    with deployment.worker(BESS_METRICS_PORT=str(PORT)):
        if other:
            await until_ready_says(deployment, "another source")
        else:
            await deployment.wait_until_done()

    if not other:
        assert await streamed(deployment) == expected(MESSAGES)


async def test_states_that_are_lost_everywhere_suspend_their_partitions(
    deployment: Deployment, redis: Redis
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING)
        await deployment.wait_until_done()
    await deployment.make_anew(STATE)
    await redis.flushall()

    with deployment.worker(BESS_METRICS_PORT=str(PORT)):
        await until_ready_says(deployment, "state behind group")

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_redis_that_loses_states_between_two_chunks_is_put_right_by_the_second(
    deployment: Deployment, redis: Redis
) -> None:
    view = RedisView(redis, deployment.settings.app_id)
    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
        for number in range(deployment.settings.partitions):
            await redis.delete(view.states_key(number))
        await deployment.produce(EVERYTHING[HALF : HALF + 8])
        await deployment.wait_until_done()
        await view_is_whole(deployment, redis)
        await mending_is_counted(deployment)
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
    with deployment.worker():
        await deployment.produce(EVERYTHING[HALF + 8 :])
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_state_topic_that_lost_what_redis_shows_starts_nothing_anew(
    deployment: Deployment,
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
    await empty(deployment, STATE)

    with deployment.worker():
        await deployment.produce(EVERYTHING[HALF:])
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(MESSAGES)


async def empty(deployment: Deployment, topic: Topic) -> None:
    """Delete all records of a topic that is compacted."""
    name = deployment.name(topic)
    deletable = {"cleanup.policy": "compact,delete"}
    async with deployment.admin() as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, deletable)])
        ends = await deployment._ends(topic)
        await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items()})


async def test_records_that_the_broker_deleted_unread_are_counted(deployment: Deployment) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
    await deployment.produce(EVERYTHING[HALF:-20])
    unread = await delete_all(deployment)
    await deployment.produce(EVERYTHING[-20:])

    with deployment.worker(BESS_METRICS_PORT=str(PORT)):
        await deployment.wait_until_done()
        touched = {TopicPartition(r.topic, r.partition) for r in await deployment.read(TELEMETRY)}
        assert metric("bess_pipeline_lost_records_total") == sum(unread[tp] for tp in touched) > 0


async def test_records_that_the_broker_deleted_before_any_was_folded_are_counted(
    deployment: Deployment,
) -> None:
    await deployment.produce(EVERYTHING[:HALF])
    unread = await delete_all(deployment)
    await deployment.produce(EVERYTHING)

    with deployment.worker(BESS_METRICS_PORT=str(PORT)):
        await deployment.wait_until_done()
        assert metric("bess_pipeline_lost_records_total") == sum(unread.values()) > 0

    assert await streamed(deployment) == expected(MESSAGES)


async def delete_all(deployment: Deployment) -> dict[TopicPartition, int]:
    """Delete what the telemetry topic holds; gives how many records of each had not been folded."""
    done = await deployment._offsets()
    ends = await deployment._ends(TELEMETRY)
    async with deployment.admin() as admin:
        await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items()})
    return {tp: end - done.get(tp, 0) for tp, end in ends.items()}


async def test_at_least_once_keeps_every_state_exact_and_loses_no_output(
    deployment: Deployment, redis: Redis
) -> None:
    await deployment.produce(EVERYTHING)
    plain = {"BESS_DELIVERY": "at_least_once"}
    with deployment.worker(**plain) as first:
        await deployment.wait_for_committed(HALF // 2)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    with deployment.worker(**plain):
        await deployment.wait_until_done()

    found = await streamed(deployment)
    assert {kind: sorted(set(values)) for kind, values in found.items()} == expected(MESSAGES)


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_a_group_that_committed_less_than_is_folded_is_told_so_at_once(
    deployment: Deployment, delivery: str
) -> None:
    await deployment.produce(EVERYTHING)
    with deployment.worker(BESS_DELIVERY=delivery):
        await deployment.wait_until_done()
    await deployment.set_back(2)

    with deployment.worker(BESS_DELIVERY=delivery):
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(MESSAGES)


async def test_two_fleets_share_a_kafka_and_a_redis(
    deployment: Deployment, stack: LocalStack, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "other").mkdir()
    other = await Deployment.create(
        stack.endpoints.brokers, stack.endpoints.redis_url, f"{prefix}-b", tmp_path / "other"
    )
    theirs = station(blocks=5, minutes=300, seed=3)

    with deployment.worker(), other.worker():
        await deployment.produce(EVERYTHING)
        await other.produce(records(theirs, 4))
        await deployment.wait_until_done()
        await other.wait_until_done()

    assert await streamed(deployment) == expected(MESSAGES)
    assert await streamed(other) == expected(theirs)
