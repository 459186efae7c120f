"""What becomes of a commit when the connection breaks on which it was asked for."""

from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream_app.engine.publisher import ExactlyOnce, OutcomeUnknownError, Produce
from tests.faults.proxy import END_TXN
from tests.faults.stack import RigStack

pytestmark = pytest.mark.kafka


async def test_a_commit_whose_connection_breaks_is_not_asked_for_again(rig: RigStack) -> None:
    topic = f"once-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.direct.brokers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
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
