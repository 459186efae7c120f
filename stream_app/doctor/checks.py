"""From facts to findings; nothing is asked here, everything is judged."""

from collections.abc import Iterator, Sequence

from stream_app.doctor.clocks import check_clocks
from stream_app.doctor.facts import Facts, KafkaFacts
from stream_app.doctor.findings import Finding, fault, ok, unless_found, warning
from stream_app.doctor.partitions import check_partitions
from stream_app.doctor.redis import check_redis
from stream_app.doctor.replication import check_replication
from stream_app.engine.publisher import TRANSACTION_TIMEOUT_MS
from stream_app.group import Group
from stream_app.topics import Difference, TopicState, faults, together

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
        findings += check_clocks(facts.clocks)
    if facts.kafka and not facts.trouble:
        findings += check_partitions(facts.partitions, facts.kafka)
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
    yield _brokers(kafka)
    yield _transactions(kafka.transaction_max_ms)
    yield from _topics(kafka.topics)
    if not any(map(_not_well, kafka.topics)):
        yield ok("topics", f"all {len(kafka.topics)} topics are there, with the settings wanted")
    yield from check_replication(kafka)
    yield _group(kafka.group)
    if kafka.newest_s is not None and kafka.newest_s > CLOCK_S:
        yield warning(
            "clock",
            f"the newest record of the state topic is {kafka.newest_s:.1f} s in the future",
            "the clocks of this machine and of a worker differ: times of records mislead",
            "keep all machines on NTP",
        )


def _brokers(kafka: KafkaFacts) -> Finding:
    if kafka.controller < 0:
        return fault(
            "brokers",
            "the cluster has no controller",
            "no topic can be made and no leader chosen",
            "look at the brokers' logs: a majority of the controllers must run",
        )
    return ok("brokers", f"{kafka.brokers} at {kafka.where}, controller {kafka.controller}")


def _transactions(allowed_ms: int | None) -> Finding:
    if allowed_ms is None:
        return warning(
            "transactions",
            "the broker does not tell transaction.max.timeout.ms",
            f"a worker needs {TRANSACTION_TIMEOUT_MS} ms, else it cannot start",
            "allow this user DescribeConfigs of the cluster",
        )
    if allowed_ms < TRANSACTION_TIMEOUT_MS:
        return fault(
            "transactions",
            f"transaction.max.timeout.ms of the broker is {allowed_ms}",
            f"workers ask for {TRANSACTION_TIMEOUT_MS} ms and are refused",
            f"set transaction.max.timeout.ms={TRANSACTION_TIMEOUT_MS} or more on the brokers",
        )
    return ok("transactions", f"may take up to {allowed_ms / 1000:g} s")


def _not_well(topic: TopicState) -> bool:
    return bool(topic.fault or topic.differences)


def _topics(states: Sequence[TopicState]) -> Iterator[Finding]:
    for (what, remedy), names in faults(states).items():
        yield fault("topics", f"{together(names)} {what}", "workers do not start", remedy)
    for state in states:
        for each in state.differences:
            yield _setting(state, each)


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
