"""Waiting for the workers, past what a reader is never given."""

import asyncio

import pytest

from stream_app.reading import StreamError
from stream_app.reports.catch_up import Lag, wait_for_workers
from tests.reports.stream import Deployment

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, prefix: str) -> Deployment:
    return await Deployment.create(brokers, prefix)


async def lags_until_done(deployment: Deployment, patience_s: float = 3.0) -> list[Lag]:
    """Lags that were told while waiting."""
    told: list[Lag] = []
    telemetry, group = deployment.telemetry(0).topic, deployment.settings.app_id
    async with deployment.topics() as topics, asyncio.timeout(30):
        await wait_for_workers(topics, telemetry, group, told.append, patience_s)
    return told


async def test_an_empty_topic_is_nothing_to_wait_for(deployment: Deployment) -> None:
    assert await lags_until_done(deployment) == []


async def test_the_marker_of_the_last_transaction_is_not_waited_for(
    deployment: Deployment,
) -> None:
    async with deployment.producer() as producer, producer.transaction():
        await deployment.send(producer, 3)
    await deployment.commit({0: 3})

    assert await lags_until_done(deployment) == []


async def test_records_of_an_aborted_transaction_are_not_waited_for(
    deployment: Deployment,
) -> None:
    async with deployment.producer() as producer:
        async with producer.transaction():
            await deployment.send(producer, 3)
        await producer.begin_transaction()
        await deployment.send(producer, 20)
        await producer.abort_transaction()
    await deployment.commit({0: 3})

    assert await lags_until_done(deployment) == []


async def test_one_committed_record_in_any_partition_is_waited_for(
    deployment: Deployment,
) -> None:
    async with deployment.producer() as producer, producer.transaction():
        await deployment.send(producer, 3, partition=0)
        await deployment.send(producer, 1, partition=1)
    await deployment.commit({0: 3})

    with pytest.raises(StreamError, match="made no headway for 1 s: start `bess worker`"):
        await lags_until_done(deployment, patience_s=1)


async def test_without_any_commit_the_message_says_so(deployment: Deployment) -> None:
    async with deployment.producer() as producer, producer.transaction():
        await deployment.send(producer, 1)

    with pytest.raises(StreamError, match="have not committed anything yet"):
        await lags_until_done(deployment, patience_s=1)


async def test_the_wait_ends_when_the_workers_get_there(deployment: Deployment) -> None:
    async with deployment.producer() as producer, producer.transaction():
        await deployment.send(producer, 4)
    await deployment.commit({0: 2})
    told: asyncio.Queue[Lag] = asyncio.Queue()

    async with deployment.topics() as topics, asyncio.timeout(30):
        telemetry, group = deployment.telemetry(0).topic, deployment.settings.app_id
        waiting = asyncio.create_task(
            wait_for_workers(topics, telemetry, group, told.put_nowait, patience_s=20)
        )
        assert await told.get() == Lag(behind=3, total=5, started=True)
        await deployment.commit({0: 4})
        await waiting


async def test_records_of_an_open_transaction_are_waited_for_until_it_ends(
    deployment: Deployment,
) -> None:
    async with deployment.producer() as producer:
        await producer.begin_transaction()
        await deployment.send(producer, 2)
        waiting = asyncio.create_task(lags_until_done(deployment, patience_s=20))
        done, _ = await asyncio.wait([waiting], timeout=2)
        assert not done
        await producer.abort_transaction()

    assert await waiting


async def test_a_topic_that_does_not_exist_is_named_and_not_made(brokers: str, prefix: str) -> None:
    deployment = await Deployment.create(brokers, prefix)
    async with deployment.topics() as topics:
        with pytest.raises(StreamError, match="topic nowhere does not exist: run `bess topics"):
            await topics.partitions("nowhere")
        assert "nowhere" not in await topics.admin.list_topics()
