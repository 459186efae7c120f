"""One run: a deployment with workers under a supervisor, fed while a fault does its work."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import SecretStr
from redis.asyncio import Redis

from deploy.local import Endpoints
from schemas.topics import TELEMETRY
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics
from tests.faults.beside import beside
from tests.faults.checker import Violation, check
from tests.faults.evidence import Record, gather
from tests.faults.fleet import Fleet
from tests.faults.stack import RigStack
from tests.faults.watch import Watch
from tests.faults.workload import Workload

PARTITIONS = 4
CHUNK_RECORDS = 25
SESSION_S = 4.0
POLL_S = 0.05
OUTAGE_MS = 300_000
"""The feed outlasts any outage that a fault makes."""


class Servers(Protocol):
    """What a deployment runs on."""

    @property
    def direct(self) -> Endpoints:
        """Addresses for the rig, which judges."""

    @property
    def proxied(self) -> Endpoints:
        """Addresses for the workers."""

    def restore(self) -> None:
        """All of it runs and answers."""


@dataclass
class Scene:
    """What a fault is given to work with.

    Attributes
    ----------
    servers
        The rig's own, or those that the fault has asked for.
    settings
        The deployment as the rig sees it, past the proxies.
    rate
        Records of the workload that are sent in a second; None: as fast as it goes.
    sent
        Records of the workload that the broker has.
    complaints
        What was seen to be wrong while it ran.
    rescued
        Telemetry that a fault destroyed after it was folded; ``gone`` of the newest offsets are not
        there any more.
    """

    servers: Servers
    settings: Settings
    fleet: Fleet
    watch: Watch
    workload: Workload
    random: Random
    rate: float | None = None
    sent: int = 0
    complaints: list[Violation] = field(default_factory=list)
    rescued: list[Record] = field(default_factory=list)
    gone: int = 0

    @property
    def stack(self) -> RigStack:
        """The rig's own servers."""
        assert isinstance(self.servers, RigStack)
        return self.servers

    def complain(self, invariant: str, words: str) -> None:
        """Note a violation that no evidence will show."""
        self.complaints.append(Violation(invariant, words))

    def expect(self, slot: int, status: int | None) -> None:
        """A worker that was told to stop must have ended in order."""
        if status not in {0, None}:
            words = f"slot {slot}'s worker was told to stop and ended with {status}"
            self.complain("I9", f"{words}, last saying {self.fleet.last_words(slot)}")

    async def send_workers_home(self) -> list[int]:
        """Stop all workers in order, and wait until the group has forgotten them.

        Returns
        -------
        Their slots, to be opened again.
        """
        stopped = await self.fleet.stop()
        for slot, status in stopped:
            self.expect(slot, status)
        await asyncio.sleep(SESSION_S + 1)
        return [slot for slot, _ in stopped]

    async def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        """Wait for a condition.

        Raises
        ------
        TimeoutError
            It did not come true in time.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            self.fleet.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not happen in {limit_s:.0f} s")
            await asyncio.sleep(POLL_S)

    async def folded(self, more: int, limit_s: float = 60.0) -> None:
        """Wait until the workers have committed so many more records, or all there are."""
        goal = self.watch.folded + more
        await self.until(
            lambda: self.watch.folded >= goal or self.done, limit_s, f"folding {more} records"
        )

    @property
    def all_sent(self) -> bool:
        """Whether the broker has the whole workload."""
        return self.sent == len(self.workload.records)

    @property
    def done(self) -> bool:
        """Whether the whole workload is sent and committed."""
        total = len(self.workload.records)
        ends = sum(self.watch.ends.values())
        return self.all_sent and ends + self.gone >= total and self.watch.behind <= 0

    async def feed(self) -> None:
        """Send the workload."""
        options = kafka_options(self.settings)
        producer = AIOKafkaProducer(
            **options, enable_idempotence=True, request_timeout_ms=OUTAGE_MS, linger_ms=5
        )
        start, name = time.monotonic(), TELEMETRY.name(self.settings.prefix)
        async with producer:
            for number, (key, value) in enumerate(self.workload.records):
                if self.rate and (ahead := number / self.rate + start - time.monotonic()) > 0:
                    await asyncio.sleep(ahead)
                await producer.send(name, value, key=key)
                self.sent = number
            await producer.flush()
        self.sent = len(self.workload.records)


@asynccontextmanager
async def scene(
    servers: Servers,
    workload: Workload,
    seed: int,
    folder: Path,
    *,
    slots: Sequence[int] = (0, 1),
    rate: float | None = None,
    instances: bool = True,
    command: tuple[str, ...] | None = None,
) -> AsyncIterator[Scene]:
    """A deployment of its own on the servers, fed and worked on while the ``with`` block lasts."""
    random = Random(seed)
    direct = settings_of(servers)
    await create_topics(direct)
    fleet = Fleet(_environment(servers, direct), folder, random, instances=instances)
    if command:
        fleet.command = command
    watch = Watch(direct)
    async with beside(watch.look()), fleet:
        here = Scene(servers, direct, fleet, watch, workload, random, rate)
        feeding = asyncio.create_task(here.feed())
        for slot in slots:
            fleet.add(slot)
        try:
            yield here
            await feeding
        finally:
            feeding.cancel()
            servers.restore()
    await _clear_away(direct)


async def quiesce(here: Scene, limit_s: float) -> None:
    """Mend everything, and wait until the workers have folded all of the workload."""
    here.servers.restore()
    here.fleet.disarm()
    # Its client may still wait for an answer that an outage has swallowed.
    await here.until(lambda: here.all_sent, 2 * OUTAGE_MS / 1000, "sending all records")
    await here.until(lambda: here.done, limit_s, "folding all records")


async def shown(here: Scene, limit_s: float) -> None:
    """Wait until Redis shows all that is folded: idle workers compare a partition each 2 seconds.

    Raises
    ------
    TimeoutError
        It does not in time.
    """
    url, name = here.settings.redis_url.get_secret_value(), TELEMETRY.name(here.settings.prefix)
    async with Redis.from_url(url) as redis:
        view = RedisView(redis, here.settings.app_id)

        async def whole(number: int) -> bool:
            try:
                position, _ = await view.read(number)
            except DamagedViewError:
                return False
            return position.offsets.get(name, 0) >= here.watch.committed.get(number, 0)

        deadline = time.monotonic() + limit_s
        for number in range(here.settings.partitions):
            while not await whole(number):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Redis did not show partition {number} in {limit_s:.0f} s")
                await asyncio.sleep(POLL_S)


async def judge(here: Scene, *, ours: bool = True) -> list[Violation]:
    """Stop the workers and check what they leave behind."""
    for slot, status in await here.fleet.stop():
        here.expect(slot, status)
    evidence = await gather(here.settings)
    evidence.rescue(here.rescued)
    return here.complaints + check(evidence, here.workload.poison, ours=ours)


async def _clear_away(settings: Settings) -> None:
    """Delete the topics: a broker that is killed reads what it has before it answers again."""
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    with suppress(KafkaError):
        await admin.start()
        try:
            names = await admin.list_topics()
            await admin.delete_topics([each for each in names if each.startswith(settings.prefix)])
        finally:
            await admin.close()


def settings_of(servers: Servers) -> Settings:
    """A deployment with a name of its own."""
    return Settings(
        brokers=servers.direct.brokers,
        redis_url=SecretStr(servers.direct.redis_url),
        replication=servers.direct.brokers.count(",") + 1,
        prefix=f"rig{uuid.uuid4().hex[:8]}",
        partitions=PARTITIONS,
        chunk_records=CHUNK_RECORDS,
        session_timeout_s=SESSION_S,
    )


def _environment(servers: Servers, settings: Settings) -> dict[str, str]:
    ours = {
        "BESS_BROKERS": servers.proxied.brokers,
        "BESS_REDIS_URL": servers.proxied.redis_url,
        "BESS_PREFIX": settings.prefix,
        "BESS_PARTITIONS": str(settings.partitions),
        "BESS_CHUNK_RECORDS": str(settings.chunk_records),
        "BESS_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
        "BESS_METRICS_PORT": "0",
        "BESS_LOG_FORMAT": "json",
    }
    return {**{k: v for k, v in os.environ.items() if not k.startswith("BESS_")}, **ours}
