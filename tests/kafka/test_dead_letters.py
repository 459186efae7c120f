"""Refused records on a real Kafka: cut, limited in rate, and the same ones after a kill."""

from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from schemas.topics import DEAD_LETTERS
from stream_app.dead_letters import LARGEST_LETTER, MOST_LETTERS, STRETCH
from stream_app.engine.view import RedisView
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path, partitions=1)


def bad(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"test/0PCS1", b"bad %d" % number) for number in range(count)]


async def letters(deployment: Deployment) -> list[int]:
    """Source offsets of the dead letters."""
    return [int(dict(each.headers)["bess_offset"]) for each in await deployment.read(DEAD_LETTERS)]


@pytest.mark.parametrize(
    ("redis", "delivery"), [("kept", "exactly_once"), ("emptied", "at_least_once")]
)
async def test_a_flood_of_bad_records_is_limited_as_if_no_worker_had_been_killed(
    deployment: Deployment, redis: str, delivery: str
) -> None:
    messages = station(blocks=1, minutes=40)
    good = records(messages, 1)

    with deployment.worker(BESS_DELIVERY=delivery) as first:
        await deployment.produce([*good[:20], *bad(70)])
        await deployment.wait_until_done()
        first.kill()
        first.wait()
    await deployment.produce([*bad(1430), *good[20:]])
    if redis == "emptied":
        await forget(deployment)
    with deployment.worker(BESS_DELIVERY=delivery):
        await deployment.wait_until_done()

    found = [*range(20, 20 + MOST_LETTERS), *range(1000, 1000 + MOST_LETTERS)]
    assert await letters(deployment) == found
    assert await streamed(deployment) == expected(messages)


async def forget(deployment: Deployment) -> None:
    url = deployment.settings.redis_url.get_secret_value()
    async with Redis.from_url(url) as client:
        await RedisView(client, deployment.settings.app_id).clear(0)


async def test_neither_the_size_of_chunks_nor_a_kill_at_any_time_adds_or_drops_a_letter(
    deployment: Deployment,
) -> None:
    small = deployment.settings.model_copy(update={"chunk_records": 10})
    deployment = replace(deployment, settings=small)
    good = records(station(blocks=1, minutes=5), 1)
    await deployment.produce([*good, *bad(3_000)])

    for count in (40, 400):
        with deployment.worker() as worker:
            await deployment.wait_for_committed(count)
            worker.kill()
            worker.wait()
    assert await deployment.committed() < 3_000
    with deployment.worker():
        await deployment.wait_until_done()

    first = len(good)
    assert await letters(deployment) == [
        *range(first, first + MOST_LETTERS),
        *(STRETCH * n + place for n in (1, 2) for place in range(MOST_LETTERS)),
        *range(3 * STRETCH, 3 * STRETCH + first),
    ]


async def test_a_record_as_large_as_the_topic_takes_stops_nothing(deployment: Deployment) -> None:
    messages = station(blocks=1, minutes=10)
    good = records(messages, 1)
    huge = (b"k" * 100_000, b"v" * (15 << 20))

    await deployment.produce([*good[:5], huge, *good[5:]])
    with deployment.worker():
        await deployment.wait_until_done()

    (found,) = await deployment.read(DEAD_LETTERS)
    assert len(found.value) == LARGEST_LETTER
    assert dict(found.headers)["bess_original_bytes"] == str((15 << 20) + 100_000).encode()
    assert await streamed(deployment) == expected(messages)
