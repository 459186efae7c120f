"""From facts to findings; nothing is asked here, everything is judged."""

from collections.abc import Iterator, Sequence

from stream_app.doctor.facts import Facts, KafkaFacts
from stream_app.doctor.findings import Finding, fault, ok, unless_found, warning
from stream_app.doctor.partitions import check_partitions
from stream_app.doctor.redis import check_redis
from stream_app.engine.publisher import TRANSACTION_TIMEOUT_MS
from stream_app.group import Group
from stream_app.topics import Difference, TopicState

CLOCK_S = 2.0
"""Clocks may differ by so much before records carry times that mislead people."""


def check(facts: Facts) -> list[Finding]:
    """All findings, in the order in which a person should look at them."""
    findings = _settings(facts.remarks)
    for service, why in facts.trouble.items():
        findings.append(_silent(service, why))
    if facts.kafka:
        findings += _kafka(facts.kafka)
    if facts.redis:
        findings += check_redis(facts.redis, CLOCK_S)
    if facts.kafka and not facts.trouble:
        findings += check_partitions(facts.partitions, facts.kafka.group)
    return findings


_NAMED_BY = {
    "Kafka": "BESS_BROKERS, BESS_SECURITY_PROTOCOL",
    "Redis": "BESS_REDIS_URL, BESS_REDIS_PASSWORD",
}


def _silent(service: str, why: str) -> Finding:
    return fault(
        service,
        f"{service} could not be asked: {why}",
        "workers wait and fold nothing until it answers",
        f"start it, or set {_NAMED_BY[service]}",
    )


def _settings(remarks: Sequence[str]) -> list[Finding]:
    why, remedy = "it has no effect", "correct or remove it; `bess settings` lists all"
    return unless_found(
        (warning("settings", remark, why, remedy) for remark in remarks),
        "settings",
        "every BESS_ variable and every name in bess.toml is a setting",
    )


def _kafka(kafka: KafkaFacts) -> Iterator[Finding]:
    yield from _brokers(kafka)
    for topic in kafka.topics:
        yield from _topic(topic)
    if not any(map(_not_well, kafka.topics)):
        yield ok("topics", f"all {len(kafka.topics)} topics are there, with the settings wanted")
    yield from _replication(kafka)
    yield _group(kafka.group)
    if kafka.newest_s is not None and kafka.newest_s > CLOCK_S:
        yield warning(
            "clock",
            f"the newest record of the state topic is {kafka.newest_s:.1f} s in the future",
            "the clocks of this machine and of a worker differ: times of records mislead",
            "keep all machines on NTP",
        )


def _brokers(kafka: KafkaFacts) -> Iterator[Finding]:
    if kafka.controller < 0:
        yield fault(
            "brokers",
            "the cluster has no controller",
            "no topic can be made and no leader chosen",
            "look at the brokers' logs: a majority of the controllers must run",
        )
    else:
        yield ok("brokers", f"{kafka.brokers} at {kafka.where}, controller {kafka.controller}")
    allowed = kafka.transaction_max_ms
    if allowed is None:
        yield warning(
            "transactions",
            "the broker does not tell transaction.max.timeout.ms",
            f"a worker needs {TRANSACTION_TIMEOUT_MS} ms, else it cannot start",
            "allow this user DescribeConfigs of the cluster",
        )
    elif allowed < TRANSACTION_TIMEOUT_MS:
        yield fault(
            "transactions",
            f"transaction.max.timeout.ms of the broker is {allowed}",
            f"workers ask for {TRANSACTION_TIMEOUT_MS} ms and are refused",
            f"set transaction.max.timeout.ms={TRANSACTION_TIMEOUT_MS} or more on the brokers",
        )
    else:
        yield ok("transactions", f"may take up to {allowed / 1000:g} s")


def _not_well(topic: TopicState) -> bool:
    return bool(topic.fault or topic.differences)


def _topic(topic: TopicState) -> Iterator[Finding]:
    if topic.fault:
        what, _, remedy = topic.fault.partition(": ")
        yield fault("topics", what, "workers do not start", remedy)
    for each in topic.differences:
        yield _setting(topic, each)


_WHY = {
    "retention.ms": "a replayed record carries an old time: Kafka deletes it before it is folded",
    "max.message.bytes": "a large block or state is refused, and the worker cannot go on",
    "min.compaction.lag.ms": "records may be compacted away before they are read",
    "delete.retention.ms": "deletions may be compacted away before they are read",
}


def _setting(topic: TopicState, each: Difference) -> Finding:
    what = f"{topic.name}: {each.setting} is {each.value}, should be {each.wanted}"
    remedy = "bess topics check --repair"
    if each.setting == "cleanup.policy":
        return fault("topics", what, f"{_lost_by_cleanup(topic)} are deleted by the broker", remedy)
    why = _WHY.get(each.setting, "not as the contract of the topic says")
    return warning("topics", what, why, remedy)


def _lost_by_cleanup(topic: TopicState) -> str:
    return "states" if topic.topic.cleanup == "compact" else "all but the newest of each key"


def _replication(kafka: KafkaFacts) -> Iterator[Finding]:
    there = [topic for topic in kafka.topics if topic.partitions]
    single = [topic.name for topic in there if topic.replicas == 1]
    if single:
        yield warning(
            "replication",
            f"{len(single)} of {len(there)} topics have one replica",
            "what is on a broker's disk is lost with the disk",
            "with three brokers: create with BESS_REPLICATION=3, or reassign their partitions",
        )
    for topic in there:
        yield from _in_sync(topic)


def _in_sync(topic: TopicState) -> Iterator[Finding]:
    least = int(topic.config.get("min.insync.replicas") or 1)
    if topic.in_sync < least:
        yield fault(
            "replication",
            f"{topic.name}: {topic.in_sync} replicas in sync, min.insync.replicas is {least}",
            "nothing can be written to it",
            "start the brokers that are down",
        )
    elif topic.replicas >= 3 and least < 2:
        yield warning(
            "replication",
            f"{topic.name}: {topic.replicas} replicas, but min.insync.replicas is {least}",
            "a record may be acknowledged with one copy, and be lost with it",
            f"set min.insync.replicas={topic.replicas - 1} on the topic or the brokers",
        )
    elif topic.replicas > 1 and least >= topic.replicas:
        yield warning(
            "replication",
            f"{topic.name}: min.insync.replicas is {least} of {topic.replicas} replicas",
            "one broker that restarts stops all writing",
            f"set min.insync.replicas={topic.replicas - 1}",
        )


def _group(group: Group) -> Finding:
    if group.state == "Stable" and group.members:
        return ok("workers", f"{group.members} in group {group.name}")
    if "Rebalance" in group.state:
        return warning(
            "workers",
            f"group {group.name} is moving partitions ({group.state})",
            "nothing is folded meanwhile; it should be over within the session time-out",
            "look again in a minute; if it stays so, a worker joins and dies: see the logs",
        )
    return warning(
        "workers",
        f"no worker runs in group {group.name}",
        "telemetry waits in Kafka and is not folded",
        "bess worker",
    )
