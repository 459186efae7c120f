"""Moving the states to another number of partitions, under another prefix."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord

from schemas.topics import (
    CRITICAL_CELLS,
    DAILY,
    HEALTH_DAILY,
    METER_DAILY,
    PROGRESS,
    TOPOLOGY,
    Topic,
)
from stream_app.engine.position import Position
from stream_app.engine.publisher import ExactlyOnce, Produce
from stream_app.keys import telemetry_key
from stream_app.partitioner import partition_of
from stream_app.topics import create_topics
from stream_app.upkeep.owner import owner
from stream_app.upkeep.stores import Kept, Stores, UpkeepError

Step = Callable[[str], None]

CARRIED = (TOPOLOGY, PROGRESS, DAILY, CRITICAL_CELLS, HEALTH_DAILY, METER_DAILY)
"""Compacted topics that go along: no day is missed, and no replay begins anew."""


@dataclass(frozen=True)
class Moved:
    """What was moved: states, the digest of them all, and how many each new partition has."""

    states: int
    digest: str
    counts: Mapping[int, int] = field(default_factory=dict)


def rekey(states: Mapping[bytes, bytes], partitions: int) -> dict[int, dict[bytes, bytes]]:
    """States by new partition; all partitions are there, those without states are empty."""
    found: dict[int, dict[bytes, bytes]] = {number: {} for number in range(partitions)}
    for key, value in states.items():
        found[partition_of(telemetry_key(key), partitions)][key] = value
    return found


def digest(states: Mapping[bytes, bytes]) -> str:
    """One number for keys and values, whatever their order."""
    whole = hashlib.sha256()
    for key in sorted(states):
        for part in (key, states[key]):
            whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:16]


async def repartition(stores: Stores, target: Stores, on_step: Step) -> Moved:
    """Copy the newest states to the partitions of ``target``, whose telemetry topic is still empty.

    Nothing of the old deployment is changed; run again after an interruption.

    Parameters
    ----------
    target
        The same Kafka and Redis with another prefix and number of partitions.

    Raises
    ------
    UpkeepError
        Workers run, telemetry is not folded yet, a block was written by another partitioner, the
        target is in use, or what arrived is not what was sent.
    """
    await stores.require_idle()
    async with AsyncExitStack() as stack:
        on_step("taking over the old partitions")
        for number in stores.numbers:
            app_id, tp = stores.settings.app_id, stores.state(number)
            await stack.enter_async_context(owner(stores.client, app_id, tp))
        on_step("reading the old states")
        states = await _drained(stores)
    on_step("creating the new topics")
    await create_topics(target.settings)
    await _require_unused(target, states)
    for topic in CARRIED:
        on_step(f"copying {topic.suffix}")
        await _carry(stores, target, topic)
    parts = rekey(states, target.settings.partitions)
    for number, part in parts.items():
        on_step(f"writing partition {number}")
        await _write(target, number, part)
    on_step("reading back")
    return await _verified(target, states, parts)


async def _drained(stores: Stores) -> dict[bytes, bytes]:
    """Newest states of all partitions, whose telemetry is folded to its end."""
    states: dict[bytes, bytes] = {}
    for number in stores.numbers:
        kept = await stores.changelog(number)
        await _require_folded(stores, number, kept)
        _require_own_partitioner(kept, number, len(stores.numbers))
        states |= kept.states
    if not states:
        raise UpkeepError(f"{stores.state(0).topic} has no states: check BESS_PREFIX")
    return states


async def _require_folded(stores: Stores, number: int, kept: Kept) -> None:
    tp = stores.telemetry(number)
    first = (await stores.topics.beginnings([tp]))[tp]
    end = (await stores.topics.ends([tp], open_too=True))[tp]
    folded = max(kept.position.offsets.get(tp.topic, 0), first)
    if await stores.topics.holds_records({tp: folded}, {tp: end}):
        raise UpkeepError(
            f"partition {number} has about {end - folded} telemetry records that are not folded: "
            "stop what publishes, let the workers finish (`bess doctor` shows the lag), stop them"
        )


def _require_own_partitioner(kept: Kept, number: int, partitions: int) -> None:
    for key in kept.states:
        if partition_of(telemetry_key(key), partitions) != number:
            raise UpkeepError(
                f"{key.decode(errors='replace')} is in partition {number}, where the default "
                "partitioner (murmur2) would not put it: its telemetry is published with another "
                "one, and would not meet its state after the move"
            )


async def _require_unused(target: Stores, states: Mapping[bytes, bytes]) -> None:
    await target.require_idle()
    for number in target.numbers:
        tp = target.telemetry(number)
        if (await target.topics.ends([tp], open_too=True))[tp]:
            raise UpkeepError(f"{tp.topic} has records already: use another prefix")
        if (await target.changelog(number)).states.keys() - states.keys():
            raise UpkeepError(f"{target.state(number).topic} has other states: use another prefix")


async def _write(target: Stores, number: int, part: Mapping[bytes, bytes]) -> None:
    tp, app_id = target.state(number), target.settings.app_id
    async with owner(target.client, app_id, tp) as owned:
        await owned.write(part, Position(None, {target.telemetry(number).topic: 0}))


async def _verified(
    target: Stores, states: Mapping[bytes, bytes], parts: Mapping[int, Mapping[bytes, bytes]]
) -> Moved:
    found: dict[bytes, bytes] = {}
    for number, part in parts.items():
        kept = await target.changelog(number)
        if kept.states != part:
            raise UpkeepError(f"partition {number} did not arrive as sent: run it again")
        found |= kept.states
    if digest(found) != digest(states):
        raise UpkeepError("the new states are not the old ones: run it again")
    return Moved(len(found), digest(found), {number: len(part) for number, part in parts.items()})


class _Subject(msgspec.Struct):
    """What a result is of: one of the three has a name."""

    site: str
    block: str | None = None
    system: str | None = None
    meter: str | None = None

    @property
    def key(self) -> str:
        if self.system is not None:
            return f"{self.site}/battery/{self.system}"
        if self.meter is not None:
            return f"{self.site}/meter/{self.meter}"
        return f"{self.site}/{self.block}"


async def _carry(stores: Stores, target: Stores, topic: Topic) -> None:
    """Copy the newest record of each key of a compacted topic."""
    newest: dict[bytes, ConsumerRecord] = {}
    async for batch in stores.topics.read(topic.name(stores.settings.prefix), open_too=True):
        newest |= {record.key: record for record in batch}
    parts: dict[int, list[Produce]] = {}
    name = topic.name(target.settings.prefix)
    for record in newest.values():
        produce = Produce(name, record.key, record.value, record.timestamp, tuple(record.headers))
        parts.setdefault(_place(topic, record.value, len(target.numbers)), []).append(produce)
    carrier = ExactlyOnce(target.client, f"{target.settings.app_id}-carry", target.settings.app_id)
    await carrier.start()
    try:
        for number, records in parts.items():
            await carrier.publish(records, number, {})
    finally:
        await carrier.stop()


def _place(topic: Topic, value: bytes, partitions: int) -> int:
    """Results go to the partition of the telemetry they come from."""
    if not topic.co_partitioned:
        return 0
    return partition_of(msgspec.json.decode(value, type=_Subject).key, partitions)
