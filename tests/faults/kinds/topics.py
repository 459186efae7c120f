"""Topics that refuse, lose records, or are compacted; groups that forget."""

import asyncio
import resource
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from schemas.topics import STATE, TELEMETRY, Topic
from schemas.topics import settings as topic_settings
from stream_app.settings import kafka_options
from tests.faults import evidence
from tests.faults.matrix import fault
from tests.faults.scene import Scene
from tests.faults.workload import Workload, station

REFUSED_S = 8.0


@fault("F17", "the state topic refuses records for a while", bound_s=60)
async def changelog_refuses(scene: Scene) -> None:
    await scene.folded(200)
    # Enough for the marker of a transaction, so that it can be aborted.
    await configure(scene, STATE, {"max.message.bytes": "200"})
    await asyncio.sleep(2)
    before = scene.watch.folded
    await asyncio.sleep(REFUSED_S)
    if scene.watch.folded > before:
        scene.complain("I1", "offsets were committed although no state could be written")
    await configure(scene, STATE, {})
    await scene.folded(200)


@fault("F17", "Kafka's disk is full", bound_s=90)
async def disk_full(scene: Scene) -> None:
    await scene.folded(200)
    kafka = scene.stack.kafka
    assert kafka.pid
    # A process that may not write past this size gets an error, as from a full disk.
    resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE, (1 << 14, resource.RLIM_INFINITY))
    await asyncio.sleep(REFUSED_S)
    await asyncio.to_thread(kafka.kill)
    await asyncio.to_thread(kafka.start)
    await scene.folded(200)


@fault("F17", "Redis has no memory left")
async def redis_full(scene: Scene) -> None:
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        for _ in range(2):
            await scene.folded(100)
            await redis.config_set("maxmemory", "1")
            await asyncio.sleep(scene.random.uniform(1, REFUSED_S))
            await redis.config_set("maxmemory", "0")
    await scene.folded(100)


def uncorrected(samples: int, seed: int) -> Workload:
    """No corrections: with the begin of one lost, its samples are refused rightly."""
    return station(6, samples, seed, corrections=False, storage=True)


@fault("F21", "retention deletes telemetry unread", samples=600, rounds=2, load=uncorrected)
async def retention_overtakes(scene: Scene) -> None:
    await scene.folded(800)
    slots = await scene.send_workers_home()
    done = await evidence.committed(scene.settings)
    held = await evidence.telemetry(scene.settings)
    ends = await _ends(scene, TELEMETRY)
    # Something stays to be folded, or no offset behind the lost ones would ever be committed.
    kept = {tp: (done.get(tp.partition, 0) + end + 1) // 2 for tp, end in ends.items()}
    await delete(scene, kept)
    scene.rescued = [each for each in held if each.offset < done.get(each.partition, 0)]
    if sum(kept.values()) <= sum(done.values()):
        scene.complain("F21", "nothing was left unread: the fault has not happened")
    for slot in slots:
        scene.fleet.add(slot)


@fault("F21", "the group's offsets are set back to the start", rounds=2)
async def group_forgets(scene: Scene) -> None:
    await scene.folded(400)
    slots = await scene.send_workers_home()
    group = AIOKafkaConsumer(
        **kafka_options(scene.settings), group_id=scene.settings.app_id, enable_auto_commit=False
    )
    async with group:
        group.assign(_partitions(scene, TELEMETRY))
        await group.commit(dict.fromkeys(_partitions(scene, TELEMETRY), 0))
    for slot in slots:
        scene.fleet.add(slot)


@fault("F22", "the state topic is emptied while no worker runs", rounds=2)
async def changelog_emptied(scene: Scene) -> None:
    await scene.folded(400)
    slots = await scene.send_workers_home()
    await configure(scene, STATE, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    await delete(scene, await _ends(scene, STATE))
    await configure(scene, STATE, {})
    for slot in slots:
        scene.fleet.add(slot)


@fault("F22", "the state topic is compacted, Redis is emptied", samples=400, rounds=2, bound_s=120)
async def changelog_compacted(scene: Scene) -> None:
    at_once = {"min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0.0"}
    await configure(scene, STATE, {**at_once, "segment.ms": "1000", "max.compaction.lag.ms": "1"})
    await scene.folded(800)
    await scene.until(lambda: scene.stack.compacted(STATE.name(scene.settings.prefix)), 60, "it")
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        await redis.flushall()
    slots = await scene.send_workers_home()
    for slot in slots:
        scene.fleet.add(slot)


async def configure(scene: Scene, topic: Topic, own: Mapping[str, str]) -> None:
    """Give a topic its usual settings, but for some."""
    name = topic.name(scene.settings.prefix)
    values = {**topic_settings(topic), **own}
    admin = AIOKafkaAdminClient(**kafka_options(scene.settings))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, values)])
    finally:
        await admin.close()


async def delete(scene: Scene, until: Mapping[TopicPartition, int]) -> None:
    """Delete records before offsets."""
    admin = AIOKafkaAdminClient(**kafka_options(scene.settings))
    await admin.start()
    try:
        await admin.delete_records({tp: RecordsToDelete(end) for tp, end in until.items()})
    finally:
        await admin.close()


async def _ends(scene: Scene, topic: Topic) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(**kafka_options(scene.settings), group_id=None) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(_partitions(scene, topic))
    return ends


def _partitions(scene: Scene, topic: Topic) -> list[TopicPartition]:
    name = topic.name(scene.settings.prefix)
    return [TopicPartition(name, number) for number in range(scene.settings.partitions)]
