"""What becomes of a commit when the connection breaks on which it was asked for."""

import asyncio
import gc
import random
from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from schemas.topics import STATE
from stream_app.engine.publisher import (
    AtLeastOnce,
    ExactlyOnce,
    OutcomeUnknownError,
    Produce,
    TopicLostError,
)
from stream_app.engine.remedies import remedy
from stream_app.settings import kafka_options
from stream_app.topics import create_topics
from tests.faults.evidence import aborted
from tests.faults.expectations import SHUT_OUT
from tests.faults.proxy import END_TXN
from tests.faults.scene import settings_of
from tests.faults.stack import RigStack

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """A client's futures that nobody asked tell their error as they go: not in another test."""
    yield
    gc.collect()


async def test_who_is_shut_out_before_the_first_record_says_so(rig: RigStack) -> None:
    topics = [f"shut-{uuid4().hex[:8]}-{number}" for number in range(30)]
    await _create(rig, topics)
    # The client learns of a topic when it is first asked to send there.
    assert await _one_shut_out_says_so(rig, [Produce(each, b"k", b"v") for each in topics])


async def test_who_is_shut_out_with_more_records_than_wait_at_once_says_so(rig: RigStack) -> None:
    topic = f"shut-{uuid4().hex[:8]}"
    await _create(rig, [topic])
    value = random.Random(1).randbytes(1_000_000)
    assert await _one_shut_out_says_so(rig, [Produce(topic, b"k", value)] * 4)


async def test_who_is_shut_out_between_two_records_says_so(rig: RigStack) -> None:
    first, second = (f"shut-{uuid4().hex[:8]}" for _ in range(2))
    await _create(rig, [first])
    records = [Produce(first, b"k", b"v"), Produce(second, b"k", b"v")]
    # The second record waits for its topic, until the first has been refused.
    said = asyncio.create_task(_one_shut_out_says_so(rig, records))
    await asyncio.sleep(3)
    await _create(rig, [second])
    assert await said


async def _one_shut_out_says_so(rig: RigStack, records: Sequence[Produce]) -> bool:
    """Whether a publisher that has a successor ends with an error whose remedy names it."""
    client = {"bootstrap_servers": rig.direct.brokers}
    name = uuid4().hex
    frozen, successor = (ExactlyOnce(client, name, name) for _ in range(2))
    await frozen.start()
    await successor.start()
    try:
        with pytest.raises(Exception) as refused:  # noqa: PT011 - which one is the question
            await frozen.publish(records, 0, {})
    finally:
        await frozen.stop()
        await successor.stop()
    return SHUT_OUT in remedy(refused.value)


async def _create(rig: RigStack, topics: Sequence[str], **config: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.direct.brokers)
    await admin.start()
    named = {name.replace("_", "."): value for name, value in config.items()}
    await admin.create_topics([NewTopic(each, 1, 1, topic_configs=named) for each in topics])
    await admin.close()


async def test_no_state_is_there_before_the_outputs_that_it_accounts_for(rig: RigStack) -> None:
    states, outputs = (f"states-{uuid4().hex[:8]}", f"outputs-{uuid4().hex[:8]}")
    await _create(rig, [states])
    await _create(rig, [outputs], max_message_bytes="1000")
    client = {"bootstrap_servers": rig.direct.brokers}
    publisher = AtLeastOnce(client, pytest.fail)
    await publisher.start()
    large = Produce(outputs, b"k", random.Random(1).randbytes(2000))
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await publisher.publish([Produce(states, b"k", b"folded")], 0, {}, [large])
    finally:
        await publisher.stop()

    place = TopicPartition(states, 0)
    async with AIOKafkaConsumer(**client) as consumer:
        assert await consumer.end_offsets([place]) == {place: 0}


@pytest.mark.parametrize("fenced", [True, False])
async def test_a_topic_that_ends_before_what_was_written_there_takes_no_commit(
    rig: RigStack, *, fenced: bool
) -> None:
    topic = f"anew-{uuid4().hex[:8]}"
    await _create(rig, [topic])
    client = {"bootstrap_servers": rig.direct.brokers}
    publisher = ExactlyOnce(client, topic, topic) if fenced else AtLeastOnce(client, pytest.fail)
    await publisher.start()
    try:
        with pytest.raises(TopicLostError, match="ended at offset 0, and 5 was next"):
            await publisher.publish([Produce(topic, b"k", b"v")], 0, {}, since=5)
    finally:
        await publisher.stop()

    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(**client, isolation_level="read_committed") as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        found = await consumer.getmany(place, timeout_ms=1000)
    assert bool(found) is not fenced


async def test_a_commit_whose_connection_breaks_is_not_asked_for_again(rig: RigStack) -> None:
    topic = f"once-{uuid4().hex[:8]}"
    await _create(rig, [topic])
    publisher = ExactlyOnce({"bootstrap_servers": rig.proxied.brokers}, f"{topic}-0", topic)
    await publisher.start()
    source = {TopicPartition(topic, 0): 1}
    await publisher.publish([Produce(topic, b"k", b"first")], 0, source)

    rig.kafka_proxy.spoil(reset=frozenset({END_TXN}))
    try:
        with pytest.raises(OutcomeUnknownError):
            await publisher.publish([Produce(topic, b"k", b"second")], 0, source)
        assert rig.kafka_proxy.spoiled == 1
    finally:
        rig.kafka_proxy.heal()
        await publisher.stop()


async def test_a_transaction_that_was_given_up_is_seen(rig: RigStack) -> None:
    settings = settings_of(rig)
    await create_topics(settings)
    options = kafka_options(settings)
    async with AIOKafkaProducer(**options, transactional_id=settings.prefix) as producer:
        for commits in (True, False):
            await producer.begin_transaction()
            await producer.send_and_wait(STATE.name(settings.prefix), b"v", key=b"k", partition=0)
            await (producer.commit_transaction() if commits else producer.abort_transaction())

    assert await aborted(settings) == {STATE.suffix: 1}
