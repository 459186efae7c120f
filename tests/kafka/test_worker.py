"""Workers on a real Kafka and Redis give what the pipeline gives, whatever happens to them."""

import signal

import pytest
from redis.asyncio import Redis

from schemas.topics import DEAD_LETTERS, STATE, TELEMETRY
from stream_app.codec.state import restore
from stream_app.engine.position import POSITION_KEY, decode_position
from stream_app.engine.view import unseal
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("size", [1, 7, 500])
async def test_blocks_of_any_size_give_the_results_of_one_process(
    deployment: Deployment, size: int
) -> None:
    messages = station(blocks=6, minutes=300)

    await deployment.produce(records(messages, size))
    with deployment.worker():
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(messages)


async def test_two_workers_share_the_partitions_and_give_the_same(deployment: Deployment) -> None:
    messages = station(blocks=8, minutes=200)

    with deployment.worker(), deployment.worker():
        await deployment.produce(records(messages, 5))
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(messages)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_worker_that_is_ended_in_the_middle_goes_on_where_it_was(
    deployment: Deployment, how: signal.Signals
) -> None:
    messages = station(blocks=6, minutes=600)
    await deployment.produce(records(messages, 1))

    with deployment.worker() as first:
        await deployment.wait_for_committed(300)
        first.send_signal(how)
        status = first.wait(30)
    with deployment.worker():
        await deployment.wait_until_done()

    assert status == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    assert await streamed(deployment) == expected(messages)


async def test_a_worker_that_joins_and_one_that_leaves_change_nothing(
    deployment: Deployment,
) -> None:
    messages = station(blocks=8, minutes=900)
    everything = records(messages, 1)
    half = len(everything) // 2

    with deployment.worker() as first:
        await deployment.produce(everything[:half])
        await deployment.wait_for_committed(half // 4)
        with deployment.worker():
            await deployment.wait_until_done()
            await deployment.produce(everything[half:])
            await deployment.wait_for_committed(half + half // 4)
            first.terminate()
            assert first.wait(30) == 0
            await deployment.wait_until_done()

    assert await streamed(deployment) == expected(messages)


@pytest.mark.parametrize("lost", ["*", "*:s"], ids=["all of it", "states, not positions"])
async def test_the_view_equals_the_changelog_and_is_rebuilt_from_it(
    deployment: Deployment, redis_url: str, lost: str
) -> None:
    messages = station(blocks=5, minutes=100)
    await deployment.produce(records(messages, 3))
    with deployment.worker():
        await deployment.wait_until_done()
    before = await _view(deployment, redis_url)

    await _forget(deployment, redis_url, lost)
    with deployment.worker():
        await deployment.produce(records(station(blocks=1, minutes=1, seed=2), 1)[:1])
        await deployment.wait_until_done()

    assert {restore(state).block.key for state in before.values()} == set(messages)
    assert await _view(deployment, redis_url) == before == await _changelog(deployment)


async def test_a_record_that_cannot_be_read_goes_to_the_dead_letters_as_it_came(
    deployment: Deployment,
) -> None:
    messages = station(blocks=1, minutes=60)
    good = records(messages, 1)
    bad = [
        (b"test/0PCS1", b"\xff\xfe not a record"),
        (b"test/unknown", good[1][1]),
        (b"test/0PCS1", b'{"kind":"power","v":1,"t":[1700000000000],"dc_power_w":{"9":[1]}}'),
    ]

    await deployment.produce(good[:30] + bad + good[30:])
    with deployment.worker():
        await deployment.wait_until_done()

    letters = await deployment.read(DEAD_LETTERS)
    reasons = {letter.value: dict(letter.headers)["bess_reason"].decode() for letter in letters}
    assert sorted(reasons) == sorted(value for _, value in bad)
    assert "malformed" in reasons[bad[0][1]]
    assert "no topology" in reasons[bad[1][1]]
    assert "no DC input 9" in reasons[bad[2][1]]
    assert await streamed(deployment) == expected(messages)


async def _view(deployment: Deployment, redis_url: str) -> dict[bytes, bytes]:
    async with Redis.from_url(redis_url) as redis:
        keys = [f"{{{deployment.settings.app_id}:{n}}}:s" for n in range(4)]
        found = [await redis.hgetall(name) for name in keys]
    return {key: unseal(key, state) for states in found for key, state in states.items()}


async def _forget(deployment: Deployment, redis_url: str, pattern: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(*await redis.keys(f"{{{deployment.settings.app_id}:{pattern}"))


async def _positions(deployment: Deployment) -> dict[int, bytes]:
    """Newest source position of each partition's changelog."""
    found = await deployment.read(STATE)
    return {record.partition: record.value for record in found if record.key == POSITION_KEY}


async def _changelog(deployment: Deployment) -> dict[bytes, bytes]:
    found = await deployment.read(STATE)
    return {record.key: record.value for record in found if record.key != POSITION_KEY}


async def test_telemetry_of_an_aborted_transaction_is_never_folded(deployment: Deployment) -> None:
    messages = station(blocks=2, minutes=30)
    ours, doubled = records(messages, 10), records(station(blocks=2, minutes=30, seed=9), 10)

    await deployment.produce(ours[:4])
    await deployment.produce_and_abort(doubled)
    await deployment.produce(ours[4:])
    with deployment.worker():
        await deployment.wait_until_done()

    assert await streamed(deployment) == expected(messages)


async def test_only_folded_records_are_committed(deployment: Deployment) -> None:
    """Faust itself commits no offset: those of the group come with the results or not at all."""
    messages = station(blocks=3, minutes=100)
    await deployment.produce(records(messages, 1))

    with deployment.worker() as worker:
        await deployment.wait_for_committed(1)
        worker.kill()
        worker.wait()

    telemetry = deployment.name(TELEMETRY)
    positions = (await _positions(deployment)).values()
    assert await deployment.committed() == sum(
        decode_position(value, 0).offsets[telemetry] for value in positions
    )
