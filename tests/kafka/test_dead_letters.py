"""Refused records on a real Kafka: cut, limited in rate, and the same ones after a kill."""

from pathlib import Path

import pytest

from schemas.topics import DEAD_LETTERS
from stream_app.dead_letters import LARGEST_LETTER, MOST_LETTERS
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path, partitions=1)


async def test_a_flood_of_bad_records_is_limited_alike_with_and_without_a_kill(
    deployment: Deployment,
) -> None:
    messages = station(blocks=1, minutes=40)
    good = records(messages, 1)
    flood = [(b"test/0PCS1", b"bad %d" % number) for number in range(1500)]
    await deployment.produce([*good[:20], *flood, *good[20:]])

    with deployment.worker() as first:
        await deployment.wait_for_committed(50)
        first.kill()
        first.wait()
    with deployment.worker():
        await deployment.wait_until_done()

    offsets = [
        int(dict(each.headers)["bess_offset"]) for each in await deployment.read(DEAD_LETTERS)
    ]
    assert offsets == [*range(20, 20 + MOST_LETTERS), *range(1000, 1000 + MOST_LETTERS)]
    assert await streamed(deployment) == expected(messages)


async def test_a_record_as_large_as_the_topic_takes_stops_nothing(deployment: Deployment) -> None:
    messages = station(blocks=1, minutes=10)
    good = records(messages, 1)
    huge = (b"k" * 100_000, b"v" * (15 << 20))

    await deployment.produce([*good[:5], huge, *good[5:]])
    with deployment.worker():
        await deployment.wait_until_done()

    (letter,) = await deployment.read(DEAD_LETTERS)
    assert len(letter.value) == LARGEST_LETTER
    assert dict(letter.headers)["bess_original_bytes"] == str((15 << 20) + 100_000).encode()
    assert await streamed(deployment) == expected(messages)
