"""Asking Kafka and Redis for the facts; nothing is judged here, and nothing is changed."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from schemas.topics import STATE, TELEMETRY
from stream_app.doctor.clocks import Newest, newest
from stream_app.doctor.facts import (
    EventClock,
    Facts,
    KafkaFacts,
    Log,
    PartitionFacts,
    RedisFacts,
)
from stream_app.doctor.internal import internal_topics
from stream_app.engine.changelog import Groups, displaced
from stream_app.engine.position import Position, behind
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.group import committed_offsets, describe_group
from stream_app.keys import telemetry_key
from stream_app.reading import StreamError, Topics, UnreachableError, open_topics
from stream_app.settings import Settings, kafka_options, redis_options
from stream_app.topics import describe

REDIS_S = 5.0
LOOK_AGAIN_S = 2.0
"""A busy worker has transactions open for milliseconds; one that stays open longer is told."""
PINGS = 5
LOOK_BACK = 200
"""Offsets from the end of a changelog in which the newest whole commit is looked for."""


@dataclass(frozen=True)
class Shown:
    """A partition of the view: where it stands, its damage, whose states it has, their clocks."""

    position: Position
    damage: str | None = None
    keys: frozenset[str] = frozenset()
    clocks: Mapping[str, Newest] = field(default_factory=dict)


async def gather(settings: Settings, remarks: Sequence[str]) -> Facts:
    """The facts of a deployment; a service that does not answer is told, not raised.

    Parameters
    ----------
    remarks
        What of the environment and of ``bess.toml`` is no setting.
    """
    trouble: dict[str, str] = {}
    redis, view = None, dict[int, Shown]()
    try:
        redis, view = await _ask_redis(settings)
    except (RedisError, OSError) as fault:
        trouble["Redis"] = str(fault)
    kafka, partitions = None, list[PartitionFacts]()
    try:
        # After Redis, which must not seem to show more than Kafka has.
        async with open_topics(kafka_options(settings)) as topics:
            kafka = await _kafka(topics, settings)
            partitions = await _partitions(topics, kafka, settings, view)
            kafka = replace(kafka, newest_s=await _newest_s(topics, settings, partitions))
    except UnreachableError:
        trouble["Kafka"] = f"no Kafka broker answers at {settings.brokers}"
    except (StreamError, KafkaError, OSError) as fault:
        trouble["Kafka"] = str(fault)
    return Facts(remarks, kafka, redis, partitions, trouble, _event_clocks(view.values()))


async def _ask_redis(
    settings: Settings,
) -> tuple[RedisFacts, dict[int, Shown]]:
    options = redis_options(settings)
    client = Redis.from_url(**options, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S)
    async with client as redis:
        view = RedisView(redis, settings.app_id)
        return await _redis(redis), await _view(view, settings.partitions)


async def _redis(redis: Redis) -> RedisFacts:
    info: dict[str, Any] = await redis.info()
    ahead, latency = await _clock(redis)
    return RedisFacts(
        version=tuple(int(part) for part in str(info["redis_version"]).split(".")),
        policy=info.get("maxmemory_policy"),
        append_only=bool(info.get("aof_enabled")),
        snapshots=await _snapshots(redis),
        last_write_ok={info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")}
        <= {"ok", None},
        used=info["used_memory"],
        maxmemory=info.get("maxmemory", 0),
        evicted=info.get("evicted_keys", 0),
        replica=info.get("role") == "slave",
        latency_s=latency,
        ahead_s=ahead,
    )


async def _snapshots(redis: Redis) -> bool:
    try:
        return bool((await redis.config_get("save")).get("save"))
    except ResponseError:
        return True  # a hosted Redis hides its configuration, and saves


async def _clock(redis: Redis) -> tuple[float, float]:
    """How far Redis's clock is ahead of ours, and its latency: from the quickest of some asks."""
    asks = []
    for _ in range(PINGS):
        before, start = time.time(), time.perf_counter()
        seconds, micros = await redis.time()
        took = time.perf_counter() - start
        asks.append((took, seconds + micros / 1e6 - before - took / 2))
    latency, ahead = min(asks)
    return ahead, latency


async def _view(view: RedisView, count: int) -> dict[int, Shown]:
    return {number: await _shown(view, number) for number in range(count)}


async def _shown(view: RedisView, number: int) -> Shown:
    try:
        position, states = await view.read(number)
    except DamagedViewError as damage:
        return Shown(await view.position(number), str(damage))
    keys = frozenset(telemetry_key(key) for key in states)
    return Shown(position, None, keys, newest(states))


def _event_clocks(view: Iterable[Shown]) -> list[EventClock]:
    now = time.time()
    return [
        EventClock(key, each.of, each.time / 1000 - now)
        for shown in view
        for key, each in shown.clocks.items()
    ]


async def _kafka(topics: Topics, settings: Settings) -> KafkaFacts:
    cluster = await topics.admin.describe_cluster()
    brokers = [each["node_id"] for each in cluster["brokers"]]
    broker = await _broker_config(topics.admin, brokers[0])
    longest = broker.get("transaction.max.timeout.ms")
    return KafkaFacts(
        settings.brokers,
        len(brokers),
        cluster["controller_id"],
        int(longest) if longest else None,
        await describe(topics.admin, settings),
        await describe_group(topics.admin, settings.app_id),
        await internal_topics(topics.admin, broker),
    )


async def _newest_s(
    topics: Topics, settings: Settings, partitions: Sequence[PartitionFacts]
) -> float | None:
    """How far the newest state lies ahead of this clock, by the longest partition."""
    longest = max(partitions, key=lambda each: each.state.end, default=None)
    if longest is None or longest.state.end <= longest.state.first:
        return None
    tp = TopicPartition(STATE.name(settings.prefix), longest.number)
    record = await topics.first_from(tp, max(longest.state.first, longest.state.end - 2))
    return record.timestamp / 1000 - time.time() if record else None


async def _broker_config(admin: AIOKafkaAdminClient, broker: int) -> dict[str, str | None]:
    """Settings of a broker; none where this user may not see them."""
    (response,) = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.BROKER, str(broker))]
    )
    (resource,) = response.to_object()["resources"]
    return {e["config_names"]: e["config_value"] for e in resource["config_entries"]}


async def _partitions(
    topics: Topics,
    kafka: KafkaFacts,
    settings: Settings,
    view: Mapping[int, Shown],
) -> list[PartitionFacts]:
    counts = {state.topic: state.partitions for state in kafka.topics}
    common = range(min(counts[STATE], counts[TELEMETRY], len(view)))
    if not common:
        return []
    names = STATE.name(settings.prefix), TELEMETRY.name(settings.prefix)
    logs = await _logs(topics, [TopicPartition(name, n) for name in names for n in common])
    committed = await committed_offsets(topics.admin, settings.app_id)
    found = [_partition(n, names, view[n], logs, committed) for n in common]
    found = [
        replace(each, another=await _is_another(topics, names[0], each, view[each.number].position))
        for each in found
    ]
    return await _as_kept(topics, names, found)


async def _as_kept(
    topics: Topics, names: tuple[str, str], partitions: Sequence[PartitionFacts]
) -> list[PartitionFacts]:
    """What is folded as the changelog says, where Redis does not show the newest of that."""
    state, telemetry = names
    unshown = {
        TopicPartition(state, each.number): each.state
        for each in partitions
        if behind(each.state.first if each.shown is None else each.shown, each.state.stable)
    }
    groups = {tp: Groups(Position()) for tp in unshown}
    starts = {tp: max(log.first, log.stable - LOOK_BACK) for tp, log in unshown.items()}
    ends = {tp: log.stable for tp, log in unshown.items()}
    async for batch in topics.between(starts, ends):
        for record in batch:
            groups[TopicPartition(record.topic, record.partition)].feed([record])
    kept = {tp.partition: each.position.offsets.get(telemetry) for tp, each in groups.items()}
    return [replace(each, folded=kept.get(each.number) or each.folded) for each in partitions]


async def _is_another(topics: Topics, name: str, facts: PartitionFacts, position: Position) -> bool:
    """Whether the changelog has another record where Redis says that its position is."""
    if (
        facts.damage
        or facts.shown is None
        or not facts.state.first < facts.shown <= facts.state.end
    ):
        return False
    tp = TopicPartition(name, facts.number)
    return displaced(await topics.first_from(tp, facts.shown - 1), position)


def _partition(
    number: int,
    names: tuple[str, str],
    view: Shown,
    logs: Mapping[TopicPartition, Log],
    committed: Mapping[TopicPartition, int],
) -> PartitionFacts:
    state, telemetry = (TopicPartition(name, number) for name in names)
    position = view.position
    return PartitionFacts(
        number,
        logs[telemetry],
        logs[state],
        committed.get(telemetry),
        position.changelog,
        position.offsets.get(telemetry.topic),
        view.damage,
        keys=view.keys,
    )


async def _logs(topics: Topics, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Log]:
    logs = await _look(topics, tps)
    if all(log.stable >= log.end for log in logs.values()):
        return logs
    await asyncio.sleep(LOOK_AGAIN_S)
    again = await _look(topics, tps)
    return {
        tp: replace(log, open_s=await _open_s(topics, tp, log))
        if log.stable < log.end and log.stable == logs[tp].stable
        else log
        for tp, log in again.items()
    }


async def _look(topics: Topics, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Log]:
    first = await topics.beginnings(tps)
    stable = await topics.ends(tps, open_too=False)
    ends = await topics.ends(tps, open_too=True)
    return {tp: Log(first[tp], ends[tp], stable[tp]) for tp in tps}


async def _open_s(topics: Topics, tp: TopicPartition, log: Log) -> float:
    """Age of the first record of the open transaction; a telemetry record has an event's time."""
    if not tp.topic.endswith(STATE.suffix):
        return LOOK_AGAIN_S
    record = await topics.first_from(tp, log.stable)
    return max(time.time() - record.timestamp / 1000, LOOK_AGAIN_S) if record else LOOK_AGAIN_S
