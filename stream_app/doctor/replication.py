"""Whether what Kafka acknowledged outlives the loss of a broker."""

from collections.abc import Iterator, Sequence

from stream_app.doctor.facts import InternalTopic, KafkaFacts
from stream_app.doctor.findings import Finding, fault, warning
from stream_app.topics import TopicState

Replicated = TopicState | InternalTopic
ENOUGH = 3
NAMED = 3
"""So many topics are named in a finding, more are counted."""


def check_replication(kafka: KafkaFacts) -> Iterator[Finding]:
    """Findings on the topics of the deployment and on those of the brokers' own."""
    ours = [topic for topic in kafka.topics if topic.partitions]
    told = [topic for topic in kafka.internal if topic.config]
    for topic in kafka.internal:
        if not topic.config:
            yield _hidden(topic)
        elif not topic.made and topic.replicas > kafka.brokers:
            yield _cannot_be_made(topic, kafka.brokers)
    every: list[Replicated] = [*ours, *told]
    yield from _single(every)
    for each in every:
        yield from _in_sync(each)
    yield from _unclean(every)


def _hidden(topic: InternalTopic) -> Finding:
    return warning(
        "replication",
        f"{topic.name}: the brokers do not tell its settings",
        "with one replica of it commits stop, or are forgotten, when a broker is lost",
        "allow this user DescribeConfigs of the cluster, and Describe and DescribeConfigs of it",
    )


def _cannot_be_made(topic: InternalTopic, brokers: int) -> Finding:
    return fault(
        "replication",
        f"{topic.name} is not made yet, and {topic.setting} is {topic.replicas} with "
        f"{brokers} brokers up",
        "Kafka cannot make it, and workers cannot commit",
        f"start the brokers that are down, or set {topic.setting}={min(brokers, ENOUGH)}",
    )


def _single(topics: Sequence[Replicated]) -> Iterator[Finding]:
    single = [topic for topic in topics if topic.replicas == 1]
    if not single:
        return
    settings = [f"{each.setting}=3" for each in single if isinstance(each, InternalTopic)]
    create = ["BESS_REPLICATION=3"] if any(isinstance(each, TopicState) for each in single) else []
    yield warning(
        "replication",
        f"{len(single)} of {len(topics)} topics have one replica{_named(single)}",
        "what is on a broker's disk is lost with the disk",
        f"with three brokers: {', '.join(create + settings)} before they are made, or "
        "kafka-reassign-partitions.sh for those that are there",
    )


def _in_sync(topic: Replicated) -> Iterator[Finding]:
    least = int(topic.config.get("min.insync.replicas") or 1)
    if topic.in_sync < least:
        yield _blocked(topic, least)
    elif topic.replicas > 1 and least < 2:
        more = "" if topic.replicas >= ENOUGH else "three replicas of it, then "
        yield warning(
            "replication",
            f"{topic.name}: {topic.replicas} replicas, but min.insync.replicas is {least}",
            "a record may be acknowledged with one copy, and be lost with it",
            f"{more}set min.insync.replicas={max(2, topic.replicas - 1)} on the topic or the "
            "brokers",
        )
    elif topic.replicas > 1 and least >= topic.replicas:
        yield warning(
            "replication",
            f"{topic.name}: min.insync.replicas is {least} of {topic.replicas} replicas",
            "one broker that restarts stops all writing",
            f"set min.insync.replicas={topic.replicas - 1}",
        )


def _blocked(topic: Replicated, least: int) -> Finding:
    lower = f"set min.insync.replicas={max(1, topic.replicas - 1)} on the topic"
    return fault(
        "replication",
        f"{topic.name}: {topic.in_sync} replicas in sync, min.insync.replicas is {least}",
        "nothing can be written to it",
        "start the brokers that are down" if least <= topic.replicas else lower,
    )


def _unclean(topics: Sequence[Replicated]) -> Iterator[Finding]:
    unclean = [t for t in topics if t.config.get("unclean.leader.election.enable") == "true"]
    if unclean:
        yield warning(
            "replication",
            f"{len(unclean)} of {len(topics)} topics have unclean.leader.election.enable"
            f"{_named(unclean)}",
            "a broker that missed acknowledged records may lead: commits and states are lost",
            "set unclean.leader.election.enable=false on the brokers and on these topics",
        )


def _named(topics: Sequence[Replicated]) -> str:
    return f": {', '.join(each.name for each in topics)}" if len(topics) <= NAMED else ""
