"""The archive beside a real stream: each result in the files once, whatever happens to the sink."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from schemas.topics import ALARMS, CELLS, LARGEST_RECORD, SIGNALS, Topic
from stream_app.archive.files import files
from stream_app.archive.kinds import KINDS
from stream_app.settings import kafka_options
from tests.kafka.support import Deployment
from tests.schemas.examples import outputs as examples

pytestmark = pytest.mark.kafka

PARTITIONS = 2
Offsets = Counter[tuple[str, int, int]]
"""Topic, partition and offset of each record."""


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path, PARTITIONS)


async def publish(deployment: Deployment, count: int, *, abort: bool = False) -> None:
    """Results of ``count`` systems, a transaction for each three."""
    options = kafka_options(deployment.settings)
    results = [each for each in examples() if b"/battery/" in each.key or b"/meter/" in each.key]
    producer = AIOKafkaProducer(
        **options,
        transactional_id=f"{deployment.name(ALARMS)}-{abort}",
        max_request_size=LARGEST_RECORD,
    )
    async with producer:
        for number in range(0, count, 3):
            async with producer.transaction() if not abort else given_up(producer):
                for system in range(number, min(number + 3, count)):
                    for each in results:
                        if each.topic in {kind.topic for kind in KINDS}:
                            value = each.value.replace(b'"1A1BAT1"', b'"%d"' % system)
                            await producer.send(
                                deployment.name(each.topic), value, partition=system % PARTITIONS
                            )


class given_up:  # noqa: N801
    """A transaction that is aborted in the end."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer

    async def __aenter__(self) -> None:
        await self.producer.begin_transaction()

    async def __aexit__(self, *_: object) -> None:
        await self.producer.flush()
        await self.producer.abort_transaction()


def sink(deployment: Deployment, directory: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "stream_app", "archive", "--dir", str(directory), *options],
        env=deployment.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def once(deployment: Deployment, directory: Path) -> str:
    """Archive all that there is; gives what the command said."""
    process = sink(deployment, directory, "--once")
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, said
    return said


def archived(directory: Path) -> Offsets:
    """Rows by the record that they are of: topic, partition, offset."""
    found: Offsets = Counter()
    for path, name in files(directory):
        for offset in pq.ParquetFile(path).read()["kafka_offset"].to_pylist():
            found[name.span.topic, name.span.partition, offset] += 1
    return found


async def published(deployment: Deployment) -> Offsets:
    """The same from the topics."""
    found: Offsets = Counter()
    for topic in {kind.topic for kind in KINDS}:
        for record in await deployment.read(topic):
            found[topic.suffix, record.partition, record.offset] = rows_in(topic, record.value)
    return found


def rows_in(topic: Topic, value: bytes) -> int:
    record = json.loads(value)
    if topic in CELLS.values():
        reasons = 0
        if topic == CELLS["1d"]:
            reasons = sum(len(each) for day in record["evaluability"] for each in day.values())
            reasons += sum(map(len, record["missing"] or ()))
        return sum(map(len, record["voltage_samples"])) + reasons
    if topic in SIGNALS.values():
        windows = zip(record["samples"], record["refused"], strict=True)
        return sum(bool(some or bad) for each in windows for some, bad in zip(*each, strict=True))
    return max(1, len(record["cells"])) if "cells" in record else 1


async def test_a_sink_killed_again_and_again_writes_each_result_once(
    deployment: Deployment, tmp_path: Path
) -> None:
    directory, chance = tmp_path / "archive", random.Random(5)
    await publish(deployment, 3, abort=True)

    seen = []
    for _ in range(3):
        await publish(deployment, 15)
        process = sink(deployment, directory, "--every", "1", "--metrics-port", "0")
        await deployment.wait_for("another file", partial(grown, directory, written(directory)))
        await asyncio.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        seen.append(archived(directory))
    await once(deployment, directory)

    every = await published(deployment)
    assert archived(directory) == every
    assert all(each <= every for each in seen)


def written(directory: Path) -> int:
    return len(list(files(directory)))


async def grown(directory: Path, before: int) -> bool:
    return written(directory) > before


async def test_a_stopped_sink_goes_on_where_it_was_and_refuses_other_topics(
    deployment: Deployment, tmp_path: Path
) -> None:
    directory = tmp_path / "archive"
    await publish(deployment, 2)
    process = sink(deployment, directory, "--every", "600", "--metrics-port", "0")
    await deployment.wait_for("opening the archive", partial(opened, directory))
    await asyncio.sleep(1)
    process.terminate()
    said, _ = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 0, said
    assert f"{directory}: " in said

    await once(deployment, directory)
    assert archived(directory) == await published(deployment)
    path = next(path for path, name in files(directory) if name.span.topic == "cells.1d.v1")
    path.rename(path.with_name("cells.1d.v1-000-000000000000-000000009999-1of1.parquet"))

    process = sink(deployment, directory, "--once")
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)

    assert process.returncode == 2
    assert "up to offset 9999" in said
    assert "use another folder" in said
    assert "Traceback" not in said


async def opened(directory: Path) -> bool:
    return (directory / "archive.json").exists()


async def test_records_that_the_broker_deleted_unread_are_told(
    deployment: Deployment, tmp_path: Path
) -> None:
    directory = tmp_path / "archive"
    await publish(deployment, 2)
    await once(deployment, directory)
    await publish(deployment, 4)
    before = await published(deployment)
    partition = TopicPartition(deployment.name(CELLS["1d"]), 0)
    last = max(offset for topic, number, offset in before if (topic, number) == ("cells.1d.v1", 0))
    async with deployment.admin() as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=last)})

    said = await once(deployment, directory)

    assert "offsets were deleted unread" in said
    gone = before - archived(directory)
    assert gone
    assert {key[:2] for key in gone} == {("cells.1d.v1", 0)}
