"""What a worker tells when it ends itself, or leaves a partition alone."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from deploy.local.process import free_port
from stream_app.engine.position import Position
from stream_app.engine.view import RedisView
from stream_app.namesake import Namesake
from stream_app.settings import kafka_options
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka

PORT = free_port()
MESSAGES = station(blocks=5, minutes=100)
EVERYTHING = records(MESSAGES, 10)
HALF = len(EVERYTHING) // 2


def page(path: str) -> str:
    """A page of the worker, empty where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


async def fence(deployment: Deployment) -> None:
    """Take every partition's transactional id over, as another worker would."""
    for number in range(deployment.settings.partitions):
        name = f"{deployment.settings.app_id}-{number}"
        options = kafka_options(deployment.settings)
        async with AIOKafkaProducer(**options, transactional_id=name):
            pass


async def test_a_worker_that_was_replaced_says_that_nothing_is_to_be_done(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.worker() as worker:
        await deployment.produce(EVERYTHING[:HALF])
        await deployment.wait_until_done()
        await fence(deployment)
        await deployment.produce(EVERYTHING[HALF:])
        assert await asyncio.to_thread(worker.wait, 60) == 70
    with deployment.worker():
        await deployment.wait_until_done()

    lines = map(json.loads, (tmp_path / "worker-0.log").read_text().splitlines())
    (last,) = [line for line in lines if line["level"] == "critical"]
    assert last["remedy"].startswith("nothing: another worker has taken the partition over")
    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_partition_that_was_suspended_when_it_was_taken_over_has_a_lag(
    deployment: Deployment, redis_url: str
) -> None:
    await deployment.produce(EVERYTHING)
    async with Redis.from_url(redis_url) as redis:
        view = RedisView(redis, deployment.settings.app_id)
        for number in range(deployment.settings.partitions):
            await view.swap(number, None, Position(9_000, {}), {b"energy|a/b": b"x"}, 1)

    async def all_of_it_waits() -> bool:
        text = await asyncio.to_thread(page, "/metrics")
        lags = [line for line in text.splitlines() if line.startswith("bess_pipeline_lag_records{")]
        return sum(float(line.split()[1]) for line in lags) >= len(EVERYTHING)

    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.wait_for("a lag of all that waits", all_of_it_waits)
        assert "changelog behind view" in page("/readyz")
        assert worker.poll() is None


async def test_a_state_that_cannot_be_read_suspends_its_partition_and_names_the_command(
    deployment: Deployment, redis_url: str
) -> None:
    with deployment.worker():
        await deployment.produce(EVERYTHING)
        await deployment.wait_until_done()
    async with Redis.from_url(redis_url) as redis:
        view = RedisView(redis, deployment.settings.app_id)
        for number in range(deployment.settings.partitions):
            at, states = await view.read(number)
            newer = {key: b"\x63" + value for key, value in states.items()}
            if states:
                await view.swap(number, at.changelog, at, newer, len(states))

    async def suspended() -> bool:
        return "cannot be read" in await asyncio.to_thread(page, "/readyz")

    with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
        await deployment.wait_for("a suspended partition", suspended)
        told = page("/readyz")
        assert worker.poll() is None

    assert "state of format 99 was written by a newer version" in told
    assert "bess state import FILE --into-changelog --force" in told


async def test_two_workers_of_one_name_are_told_apart_and_named(deployment: Deployment) -> None:
    with (
        deployment.worker(BESS_INSTANCE="slot") as first,
        deployment.worker(BESS_INSTANCE="slot", BESS_METRICS_PORT=str(PORT)),
    ):

        async def told() -> bool:
            text = await asyncio.to_thread(page, "/readyz")
            return "another worker has the name slot" in text and str(first.pid) in text

        await deployment.wait_for("telling of the other", told)


async def test_a_worker_that_follows_one_of_its_name_is_alone(
    deployment: Deployment, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        names = [Namesake(redis, f"{deployment.settings.app_id}:x", me) for me in ("old", "new")]
        seen = [await each.look() for each in [names[0]] * 2 + [names[1]] * 3 + [names[0]]]

    assert seen == [None, None, None, None, None, "new"]
