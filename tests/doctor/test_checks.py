from dataclasses import replace
from typing import Any

import pytest
from aiokafka.producer.producer import DefaultPartitioner

from schemas.topics import STATE, TELEMETRY, TOPICS, Topic
from stream_app.doctor.checks import check
from stream_app.doctor.facts import EventClock, Facts, Log
from stream_app.doctor.findings import Finding, Level
from stream_app.group import Group
from tests.doctor.facts import PARTITIONS, facts

EVERY = len(TOPICS) + 2
"""The topics of a deployment, and two of the brokers' own."""

IDLE = Group("bess.energy", "Empty", 0)


def with_kafka(**changes: Any) -> Facts:
    well = facts()
    return replace(well, kafka=replace(well.kafka, **changes))


def with_redis(**changes: Any) -> Facts:
    well = facts()
    return replace(well, redis=replace(well.redis, **changes))


def with_partition(group: Group | None = None, **changes: Any) -> Facts:
    well = facts()
    spoilt = with_kafka(group=group) if group else well
    return replace(spoilt, partitions=[replace(well.partitions[0], **changes)])


def with_topic(topic: Topic, **changes: Any) -> Facts:
    well = facts()
    return with_kafka(
        topics=[replace(t, **changes) if t.topic is topic else t for t in well.kafka.topics]
    )


def with_setting(topic: Topic, setting: str, value: str) -> Facts:
    (state,) = [each for each in facts().kafka.topics if each.topic is topic]
    return with_topic(topic, config={**state.config, setting: value})


def with_internal(name: str, least: str | None = None, **changes: Any) -> Facts:
    if least is not None:
        changes["config"] = {"min.insync.replicas": least}
    well = facts().kafka.internal
    return with_kafka(
        internal=[replace(each, **changes) if each.name == name else each for each in well]
    )


def troubles(case: Facts) -> list[Finding]:
    return [each for each in check(case) if each.level is not Level.OK]


def test_a_deployment_in_which_all_is_well_has_no_other_finding() -> None:
    found = check(facts())

    assert {each.level for each in found} == {Level.OK}
    assert {each.subject for each in found} >= {
        "settings", "brokers", "transactions", "topics", "workers", "Redis", "memory",
        "persistence", "clock", "telemetry", "view",
    }  # fmt: skip


CASES = {
    "a misspelt variable": (
        replace(facts(), remarks=["BESS_PARTITION is no setting; did you mean BESS_PARTITIONS?"]),
        Level.WARNING,
        "did you mean BESS_PARTITIONS",
        "bess settings",
    ),
    "no controller": (with_kafka(controller=-1), Level.FAULT, "no controller", "logs"),
    "transactions too short": (
        with_kafka(transaction_max_ms=30_000),
        Level.FAULT,
        "transaction.max.timeout.ms of the broker is 30000",
        "transaction.max.timeout.ms=60000",
    ),
    "a broker that hides its settings": (
        with_kafka(transaction_max_ms=None),
        Level.WARNING,
        "does not tell",
        "DescribeConfigs",
    ),
    "no topic": (
        with_topic(TELEMETRY, partitions=0),
        Level.FAULT,
        "bess.telemetry.v1 does not exist",
        "bess topics create",
    ),
    "another number of partitions": (
        with_topic(STATE, partitions=8),
        Level.FAULT,
        "has 8 partitions",
        "BESS_PARTITIONS=8",
    ),
    "states that are deleted": (
        with_setting(STATE, "cleanup.policy", "delete"),
        Level.FAULT,
        "cleanup.policy is delete",
        "bess topics check --repair",
    ),
    "telemetry that is kept for a week": (
        with_setting(TELEMETRY, "retention.ms", "604800000"),
        Level.WARNING,
        "retention.ms is 604800000",
        "bess topics check --repair",
    ),
    "one replica": (
        with_topic(
            STATE,
            replicas=1,
            in_sync=1,
            config={**facts().kafka.topics[-1].config, "min.insync.replicas": "1"},
        ),
        Level.WARNING,
        f"1 of {EVERY} topics have one replica: bess.state.energy.v1",
        "BESS_REPLICATION=3",
    ),
    "one copy of what transactions came to": (
        with_internal("__transaction_state", replicas=1, in_sync=1, least="1"),
        Level.WARNING,
        f"1 of {EVERY} topics have one replica: __transaction_state",
        "transaction.state.log.replication.factor=3",
    ),
    "offsets that one broker acknowledges": (
        with_internal("__consumer_offsets", least="1"),
        Level.WARNING,
        "__consumer_offsets: 3 replicas, but min.insync.replicas is 1",
        "set min.insync.replicas=2",
    ),
    "two replicas, one acknowledges": (
        with_internal("__consumer_offsets", replicas=2, in_sync=2, least="1"),
        Level.WARNING,
        "__consumer_offsets: 2 replicas, but min.insync.replicas is 1",
        "three replicas of it, then set min.insync.replicas=2",
    ),
    "more in sync wanted than there are": (
        with_internal("__transaction_state", replicas=2, in_sync=2, least="3"),
        Level.FAULT,
        "__transaction_state: 2 replicas in sync, min.insync.replicas is 3",
        "set min.insync.replicas=1",
    ),
    "brokers that cannot make what they need": (
        with_internal("__transaction_state", made=False, replicas=5, in_sync=5),
        Level.FAULT,
        "transaction.state.log.replication.factor is 5 with 3 brokers up",
        "transaction.state.log.replication.factor=3",
    ),
    "brokers that hide their own topics": (
        with_internal("__consumer_offsets", made=False, replicas=0, in_sync=0, config={}),
        Level.WARNING,
        "__consumer_offsets: the brokers do not tell",
        "DescribeConfigs",
    ),
    "a leader that may have missed states": (
        with_setting(STATE, "unclean.leader.election.enable", "true"),
        Level.WARNING,
        f"1 of {EVERY} topics have unclean.leader.election.enable: bess.state.energy.v1",
        "unclean.leader.election.enable=false",
    ),
    "a leader that may have missed commits": (
        with_internal(
            "__transaction_state",
            config={"min.insync.replicas": "2", "unclean.leader.election.enable": "true"},
        ),
        Level.WARNING,
        "unclean.leader.election.enable: __transaction_state",
        "unclean.leader.election.enable=false",
    ),
    "too few in sync": (
        with_topic(STATE, in_sync=1),
        Level.FAULT,
        "1 replicas in sync",
        "start the brokers",
    ),
    "three replicas, one acknowledges": (
        with_setting(STATE, "min.insync.replicas", "1"),
        Level.WARNING,
        "min.insync.replicas is 1",
        "min.insync.replicas=2",
    ),
    "every replica must acknowledge": (
        with_setting(STATE, "min.insync.replicas", "3"),
        Level.WARNING,
        "min.insync.replicas is 3 of 3",
        "min.insync.replicas=2",
    ),
    "no worker": (with_kafka(group=IDLE), Level.WARNING, "no worker runs", "bess worker"),
    "a rebalance": (
        with_kafka(group=Group("bess.energy", "PreparingRebalance", 2)),
        Level.WARNING,
        "moving partitions",
        "look again",
    ),
    "a worker of tomorrow": (
        with_kafka(newest_s=60.0),
        Level.WARNING,
        "60.0 s in the future",
        "NTP",
    ),
    "an old Redis": (with_redis(version=(5, 0, 1)), Level.WARNING, "version 5.0.1", "6.2"),
    "a replica of Redis": (with_redis(replica=True), Level.FAULT, "replica", "BESS_REDIS_URL"),
    "eviction": (
        with_redis(policy="allkeys-lru"),
        Level.FAULT,
        "allkeys-lru",
        "maxmemory-policy noeviction",
    ),
    "keys evicted": (with_redis(evicted=3), Level.WARNING, "3 keys", "bess state scrub"),
    "memory nearly full": (
        with_redis(used=90 << 20),
        Level.WARNING,
        "90.0 MiB of 100.0 MiB",
        "maxmemory",
    ),
    "a Redis that cannot save": (
        with_redis(last_write_ok=False),
        Level.FAULT,
        "could not write to its disk",
        "disk",
    ),
    "a Redis that saves nothing": (
        with_redis(append_only=False),
        Level.WARNING,
        "keeps nothing on disk",
        "appendonly yes",
    ),
    "clocks apart": (with_redis(ahead_s=-12.0), Level.WARNING, "-12.0 s", "NTP"),
    "a battery of next year": (
        replace(facts(), clocks=[EventClock("north/battery/bess1", "pack 2", 365 * 86_400.0)]),
        Level.WARNING,
        "clock of north/battery/bess1 (pack 2) is ahead of the wall clock by 365.0 d",
        "BessClockAhead.md",
    ),
    "a slow Redis": (with_redis(latency_s=0.2), Level.WARNING, "after 200 ms", "near"),
    "telemetry made anew": (
        with_partition(folded=500, committed=500),
        Level.FAULT,
        "folded to 500, but it ends at 101",
        "bess state realign --partition 2",
    ),
    "telemetry deleted unread": (
        with_partition(telemetry=Log(150, 200, 200)),
        Level.FAULT,
        "offsets 100 to 150 (50) were deleted",
        "retention.ms=-1",
    ),
    "an empty Redis": (
        with_partition(shown=None, folded=None),
        Level.WARNING,
        "shows nothing",
        "bess worker",
    ),
    "a changelog that lost its end": (
        with_partition(shown=90),
        Level.FAULT,
        "shows changelog offset 90, but the changelog ends at 51",
        "--into-changelog",
    ),
    "a changelog that was made anew and grew": (
        with_partition(another=True),
        Level.FAULT,
        "has not the position that Redis shows",
        "--into-changelog",
    ),
    "a view older than the changelog": (
        with_partition(shown=5),
        Level.WARNING,
        "the changelog begins at 10",
        "bess worker",
    ),
    "states missing in Redis": (
        with_partition(damage="partition 2 has 3 states in Redis, not 4"),
        Level.WARNING,
        "3 states in Redis, not 4",
        "evictions",
    ),
    "a position of another type": (
        with_partition(shown=None, damage="{bess.energy:2}:m in Redis is of another type"),
        Level.WARNING,
        "{bess.energy:2}:m in Redis is of another type",
        "bess state scrub",
    ),
    "a key where its partitioner put it": (
        with_partition(keys=frozenset({"dup/D2"})),
        Level.WARNING,
        "not where the default partitioner (murmur2) puts them: dup/D2 (partition 2)",
        "murmur2_random",
    ),
    "a transaction for two seconds": (
        with_partition(state=Log(10, 60, 51, open_s=2.0)),
        Level.WARNING,
        "state partition 2 has been open for 2 s",
        "look again",
    ),
    "a transaction that hangs": (
        with_partition(state=Log(10, 60, 51, open_s=500.0)),
        Level.FAULT,
        "open for 500 s",
        "find-hanging",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_spoilt_is_the_one_finding_and_names_its_remedy(name: str) -> None:
    case, level, what, remedy = CASES[name]

    (finding,) = troubles(case)

    assert finding.level is level
    assert what in finding.what
    assert remedy in finding.remedy
    assert finding.why


def test_a_group_that_was_moved_back_is_told_while_no_worker_runs() -> None:
    found = troubles(with_partition(IDLE, committed=40))

    assert [each.subject for each in found] == ["workers", "group"]
    assert "stands at 40, the state at 100" in found[1].what
    assert len(troubles(with_partition(committed=40))) == 0


@pytest.mark.parametrize("folded", [40, None])
def test_states_that_lack_what_the_group_has_done_are_told(folded: int | None) -> None:
    found = troubles(with_partition(IDLE, committed=90, folded=folded))

    (fault,) = [each for each in found if each.level is Level.FAULT]
    assert f"has committed 90, changelog and Redis know of {folded or 0}" in fault.what
    assert "bess state realign" in fault.remedy


def test_a_view_behind_its_changelog_is_told_while_no_worker_runs() -> None:
    found = troubles(with_partition(IDLE, shown=40))

    assert [each.subject for each in found] == ["workers", "view"]
    assert "11 changelog offsets behind" in found[1].what
    assert len(troubles(with_partition(shown=40))) == 0


@pytest.mark.parametrize(("shown", "told"), [(None, "of all 3"), (50, "of 2 of 3")])
def test_partitions_of_which_redis_shows_nothing_are_one_finding(
    shown: int | None, told: str
) -> None:
    unshown = replace(facts().partitions[0], shown=None, folded=None)
    found = troubles(replace(facts(), partitions=[unshown, unshown, replace(unshown, shown=shown)]))

    assert [each.what for each in found] == [f"Redis shows nothing {told} partitions"]


def test_a_marker_at_the_end_of_a_partition_is_no_lag() -> None:
    (telemetry,) = [each for each in check(facts()) if each.subject == "telemetry"]
    (behind,) = [each for each in check(with_partition(folded=60)) if each.subject == "telemetry"]

    assert telemetry.what == "all of it is folded"
    assert behind.what == "about 41 records are still to fold, in 1 partitions"


@pytest.mark.parametrize(
    ("retention", "telemetry", "told"),
    [
        ("1000000", Log(50, 301, 301), True),
        ("-1", Log(50, 301, 301), False),
        ("1000000", Log(0, 301, 301), False),
        ("1000000", Log(50, 141, 141), False),
    ],
    ids=["full", "no limit", "never full", "mostly folded"],
)
def test_telemetry_that_may_be_deleted_by_size_before_it_is_folded_is_told(
    retention: str, telemetry: Log, told: bool
) -> None:
    case = with_setting(TELEMETRY, "retention.bytes", retention)
    partition = replace(case.partitions[0], telemetry=telemetry)

    found = troubles(replace(case, partitions=[partition]))

    assert [each.level for each in found] == [Level.WARNING] * told
    assert all("201 of the 251 records that it keeps wait" in each.what for each in found)
    assert all("set retention.bytes=-1" in each.remedy for each in found)


def with_keys(*held: set[str]) -> Facts:
    """Partitions from 0 on with states of some telemetry keys."""
    well = facts()
    one = well.partitions[0]
    partitions = [replace(one, number=n, keys=frozenset(keys)) for n, keys in enumerate(held)]
    return replace(well, partitions=partitions)


def test_keys_in_two_partitions_are_one_fault_that_names_some_of_them() -> None:
    keys = {f"dup/D{number}" for number in range(5)}

    (fault,) = troubles(with_keys(keys, keys, set(), set()))

    assert fault.level is Level.FAULT
    assert fault.what == (
        "states in more than one partition: dup/D0 (partitions 0 and 1), "
        "dup/D1 (partitions 0 and 1), dup/D2 (partitions 0 and 1), and 2 more"
    )
    assert "counted twice" in fault.why
    assert "murmur2" in fault.remedy


def test_keys_where_the_default_partitioner_puts_them_are_no_finding() -> None:
    held: list[set[str]] = [set() for _ in range(PARTITIONS)]
    everywhere = list(range(PARTITIONS))
    for number in range(20):
        key = f"site/B{number}"
        held[DefaultPartitioner()(key.encode(), everywhere, everywhere)].add(key)

    assert troubles(with_keys(*held)) == []


@pytest.mark.parametrize("service", ["Kafka", "Redis"])
def test_a_silent_service_is_a_fault_and_the_other_one_is_still_judged(service: str) -> None:
    well = facts()
    other = {"kafka": None} if service == "Kafka" else {"redis": None}
    silent = replace(well, **other, partitions=[], trouble={service: "no route"})

    found = check(silent)

    assert [each.subject for each in found if each.level is Level.FAULT] == [service]
    assert ("brokers" in {each.subject for each in found}) == (service == "Redis")
    assert ("memory" in {each.subject for each in found}) == (service == "Kafka")
