"""Real workers, real topics: what the tests of the stream share."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError
from pydantic import SecretStr

from schemas.topics import LARGEST_RECORD, TELEMETRY, Topic
from schemas.topics import settings as topic_settings
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, EndOfData, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.settings import Settings, kafka_options
from stream_app.topics import create_topics

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Deployment:
    """A prefix on the test's Kafka and Redis, with its topics made."""

    settings: Settings
    logs: Path

    @classmethod
    async def create(
        cls, brokers: str, redis_url: str, prefix: str, logs: Path, partitions: int = 4
    ) -> "Deployment":
        settings = Settings(
            brokers=brokers,
            redis_url=SecretStr(redis_url),
            prefix=prefix,
            partitions=partitions,
            chunk_records=50,
            session_timeout_s=6,
        )
        await create_topics(settings)
        return cls(settings, logs)

    def name(self, topic: Topic) -> str:
        return topic.name(self.settings.prefix)

    def environment(self) -> dict[str, str]:
        ours = {
            f"BESS_{name.upper()}": _text(value)
            for name, value in self.settings
            if value is not None
        }
        ours |= {"BESS_METRICS_PORT": "0", "BESS_LOG_FORMAT": "json"}
        # readline, which pytest loads, sets COLUMNS for all that it starts.
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BESS_") and k != "COLUMNS"}
        return kept | ours

    @contextmanager
    def worker(self, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker process; what still runs at the end is told to stop, and must."""
        number = len(list(self.logs.glob("worker-*.log")))
        with (self.logs / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "worker"],
                env={**self.environment(), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
                    process.wait(30)

    def bess(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end; what it says is text."""
        return subprocess.run(
            [sys.executable, "-m", "stream_app", *command],
            env={**self.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S * 2,
            check=False,
        )

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(**kafka_options(self.settings))
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    async def delete_all(self, topic: Topic) -> None:
        """Delete the records of a topic, which stays."""
        name = self.name(topic)
        own = {**topic_settings(topic), "cleanup.policy": "compact,delete", "retention.ms": "-1"}
        async with self.admin() as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, own)])
            tps = [TopicPartition(name, number) for number in range(self.settings.partitions)]
            await admin.delete_records({tp: RecordsToDelete(-1) for tp in tps})

    async def make_anew(self, topic: Topic) -> None:
        """Delete a topic with all its records, and make it again."""
        name = self.name(topic)
        async with self.admin() as admin:
            await admin.delete_topics([name])

            async def gone() -> bool:
                return name not in await admin.list_topics()

            await self.wait_for(f"deleting {name}", gone)
        await create_topics(self.settings)

    async def produce(
        self, records: Sequence[tuple[bytes, bytes]], partition: int | None = None
    ) -> None:
        """Append records to the telemetry topic, in order; of None, by their keys."""
        options = {"enable_idempotence": True, "max_request_size": LARGEST_RECORD}
        producer = AIOKafkaProducer(**kafka_options(self.settings), **options)
        async with producer:
            for key, value in records:
                await producer.send(self.name(TELEMETRY), value, key=key, partition=partition)

    async def produce_and_abort(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Write records in a transaction that is given up."""
        options = kafka_options(self.settings)
        producer = AIOKafkaProducer(**options, transactional_id=f"{self.settings.prefix}-aborted")
        async with producer:
            await producer.begin_transaction()
            for key, value in records:
                await producer.send(self.name(TELEMETRY), value, key=key)
            await producer.flush()
            await producer.abort_transaction()

    async def committed(self) -> int:
        """Source records that the worker's group has committed."""
        return sum((await self._offsets()).values())

    async def set_back(self, count: int) -> None:
        """Have the group, which is without a member, commit ``count`` records less of each."""
        done = await self._offsets()
        group = {"group_id": self.settings.app_id, "enable_auto_commit": False}
        async with AIOKafkaConsumer(**kafka_options(self.settings), **group) as consumer:
            consumer.assign(list(done))
            await consumer.commit({tp: max(0, at - count) for tp, at in done.items()})

    async def wait_for(
        self,
        what: str,
        condition: Callable[[], Awaitable[bool]],
        patience_s: float = DEADLINE_S,
    ) -> None:
        """Wait until the condition holds; the logs of the workers stand in the failure."""
        deadline = time.monotonic() + patience_s
        while not await condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen in {patience_s} s\n{self._logs()}")
            await asyncio.sleep(0.1)

    async def wait_until_done(self) -> None:
        """Wait until all telemetry is folded and committed."""
        end = await self._ends(TELEMETRY)

        async def caught_up() -> bool:
            done = await self._offsets()
            return all(done.get(tp, 0) >= offset for tp, offset in end.items())

        await self.wait_for(f"folding all of {sum(end.values())} records", caught_up)

    async def wait_for_committed(self, count: int, patience_s: float = DEADLINE_S) -> None:
        async def reached() -> bool:
            return await self.committed() >= count

        await self.wait_for(f"committing {count} records", reached, patience_s)

    async def sent(self) -> int:
        """Telemetry that there is, with the marks of transactions."""
        return sum((await self._ends(TELEMETRY)).values())

    async def read(self, topic: Topic) -> list[ConsumerRecord]:
        """All committed records of a topic."""
        ends = await self._ends(topic)
        consumer = self._consumer()
        found: list[ConsumerRecord] = []
        async with consumer:
            consumer.assign(list(ends))
            await consumer.seek_to_beginning()
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
        return found

    async def _ends(self, topic: Topic) -> dict[TopicPartition, int]:
        count = self.settings.partitions if topic.co_partitioned else 1
        async with self._consumer() as consumer:
            tps = [TopicPartition(self.name(topic), number) for number in range(count)]
            ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
        return ends

    async def _offsets(self) -> dict[TopicPartition, int]:
        async with self.admin() as admin:
            try:
                found = await admin.list_consumer_group_offsets(self.settings.app_id)
            except GroupCoordinatorNotAvailableError:
                # A broker that has just started has no place for groups yet.
                return {}
        return {tp: at.offset for tp, at in found.items() if at.offset >= 0}

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **kafka_options(self.settings),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
        )

    def _logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.logs.glob("*.log")))


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def station(blocks: int, minutes: int, *, seed: int = 1) -> dict[str, list[Message]]:
    """Messages of a small station by key, a sample a minute, one message for all samples."""
    random = np.random.default_rng(seed)
    times = START_MS + MINUTE_MS * np.arange(minutes, dtype=np.int64)
    found: dict[str, list[Message]] = {}
    for number in range(blocks):
        power = np.round(random.normal(0, 1e6, (2, minutes)), 1)
        power[1, minutes // 3 : minutes // 3 + 20] = np.nan
        block = PowerBlock(
            "test",
            f"{number}PCS1",
            "Europe/Berlin",
            {"1": {f"{number}B1": 0.5, f"{number}B2": 0.5}, "2": {f"{number}B3": 1.0}},
            Rules(interval_ms=MINUTE_MS, max_gap_ms=3 * MINUTE_MS, stale_ms=5 * MINUTE_MS),
        )
        samples = PowerSamples(times, {"1": power[0], "2": power[1]})
        end = EndOfData(int(times[-1]) + MINUTE_MS)
        found[block.key] = [Configure(block), samples, end]
    return found


def records(messages: dict[str, list[Message]], size: int) -> list[tuple[bytes, bytes]]:
    """The messages as records with ``size`` samples each, keys taking turns."""
    queues = [
        [(key.encode(), encode(part)) for message in each for part in _parts(message, size)]
        for key, each in messages.items()
    ]
    longest = max(map(len, queues))
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _parts(message: Message, size: int) -> Iterator[Message]:
    if not isinstance(message, PowerSamples):
        yield message
        return
    for first in range(0, message.times.size, size):
        part = slice(first, first + size)
        power = {name: values[part] for name, values in message.power_w.items()}
        yield PowerSamples(message.times[part], power)
