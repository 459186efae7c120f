"""Refused records on a real Kafka: cut, limited in rate, and the same ones after a kill."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from redis.asyncio import Redis

from schemas.topics import DAILY, DEAD_LETTERS, TELEMETRY
from stream_app.dead_letters import LARGEST_LETTER, MOST_LETTERS, STRETCH
from stream_app.engine.view import RedisView
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station
from tests.large import long_holes

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path, partitions=1)


def bad(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"test/0PCS1", b"bad %d" % number) for number in range(count)]


async def letters(deployment: Deployment) -> list[int]:
    """Source offsets of the dead letters."""
    found = [each for each in await deployment.read(DEAD_LETTERS) if each.value]
    return [int(dict(each.headers)["bess_offset"]) for each in found]


async def notices(deployment: Deployment) -> list[tuple[int, ...]]:
    """First and last source offset and number of the records that are no dead letters."""
    names = ("bess_offset", "bess_last_offset", "bess_records")
    found = [dict(each.headers) for each in await deployment.read(DEAD_LETTERS) if not each.value]
    return [tuple(int(headers[name]) for name in names) for headers in found]


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
    assert await notices(deployment) == [(0, 999, 980 - MOST_LETTERS)]
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
    assert await notices(deployment) == [
        (0, 999, STRETCH - first - MOST_LETTERS),
        (1000, 1999, STRETCH - MOST_LETTERS),
        (2000, 2999, STRETCH - MOST_LETTERS),
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


async def test_a_few_records_that_lead_to_a_large_state_stop_nothing(
    deployment: Deployment,
) -> None:
    """Thirteen kB whose closed windows, were all of them kept, no producer would take."""
    messages = station(blocks=1, minutes=10)

    await deployment.produce([*long_holes(), *records(messages, 1)])
    with deployment.worker() as worker:
        await deployment.wait_until_done()
        assert worker.poll() is None

    assert await deployment.read(DEAD_LETTERS) == []
    assert {json.loads(each.value)["samples"] for each in await deployment.read(DAILY)} >= {0, 2}
    assert await streamed(deployment, "test") == expected(messages)


async def test_telemetry_that_the_broker_deleted_leaves_one_notice_also_after_a_kill(
    deployment: Deployment,
) -> None:
    await deployment.produce(records(station(blocks=1, minutes=20), 1))
    await delete_before(deployment, 15)

    for _ in range(2):
        with deployment.worker() as worker:
            await deployment.wait_until_done()
            worker.kill()
            worker.wait()

    assert await notices(deployment) == [(0, 14, 15)]


async def delete_before(deployment: Deployment, offset: int) -> None:
    place = TopicPartition(deployment.name(TELEMETRY), 0)
    async with deployment.admin() as admin:
        await admin.delete_records({place: RecordsToDelete(offset)})
