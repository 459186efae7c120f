"""A deployment in which all is well, to be spoilt one thing at a time."""

from schemas.topics import TOPICS
from schemas.topics import settings as topic_settings
from stream_app.doctor.facts import (
    Facts,
    InternalTopic,
    KafkaFacts,
    Log,
    PartitionFacts,
    RedisFacts,
)
from stream_app.group import Group
from stream_app.topics import TopicState

PARTITIONS = 4


def topics() -> list[TopicState]:
    return [
        TopicState(
            topic,
            topic.name("bess"),
            PARTITIONS if topic.co_partitioned else 1,
            PARTITIONS,
            replicas=3,
            in_sync=3,
            config={**topic_settings(topic), "min.insync.replicas": "2"},
        )
        for topic in TOPICS
    ]


def redis() -> RedisFacts:
    return RedisFacts(
        version=(7, 2, 4),
        policy="noeviction",
        append_only=True,
        snapshots=False,
        last_write_ok=True,
        used=10 << 20,
        maxmemory=100 << 20,
        evicted=0,
        replica=False,
        latency_s=0.001,
        ahead_s=-0.01,
    )


def partition() -> PartitionFacts:
    return PartitionFacts(
        number=2,
        telemetry=Log(0, 101, 101),
        state=Log(10, 51, 51),
        committed=100,
        shown=50,
        folded=100,
    )


def internal() -> list[InternalTopic]:
    config = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
    factors = {
        "__consumer_offsets": "offsets.topic.replication.factor",
        "__transaction_state": "transaction.state.log.replication.factor",
    }
    return [
        InternalTopic(name, made=True, replicas=3, in_sync=3, setting=setting, config=config)
        for name, setting in factors.items()
    ]


def kafka() -> KafkaFacts:
    group = Group("bess.energy", "Stable", 2)
    return KafkaFacts("127.0.0.1:9092", 3, 1, 900_000, topics(), group, internal(), -30.0)


def facts() -> Facts:
    return Facts((), kafka(), redis(), [partition()])
