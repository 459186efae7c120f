"""What stands beside the worker: a bare decode loop, and Faust as it comes."""

import os
import tempfile
import time

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.telemetry import TelemetryRecord
from schemas.topics import TELEMETRY
from stream_app.settings import Settings, kafka_options

STOCK_RECORDS = 20_000
IDLE_MS = 1_000


async def bare_loop(settings: Settings, records: int) -> float:
    """Seconds to fetch and decode the topic with aiokafka and msgspec, and nothing else."""
    decoder = msgspec.json.Decoder(TelemetryRecord)
    topic = TELEMETRY.name(settings.prefix)
    consumer = AIOKafkaConsumer(
        **kafka_options(settings), group_id=None, isolation_level="read_committed"
    )
    async with consumer:
        partitions = [TopicPartition(topic, n) for n in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        start, seen = time.perf_counter(), 0
        while seen < records:
            for batch in (await consumer.getmany(timeout_ms=IDLE_MS, max_records=10_000)).values():
                seen += len([decoder.decode(record.value) for record in batch])
        return time.perf_counter() - start


def stock_faust(brokers: str, topic: str, partitions: int, records: int) -> None:
    """Run a plain Faust agent with a table over ``records`` of the topic; prints its seconds."""
    import faust  # noqa: PLC0415 - the other baselines do without

    app = faust.App(
        f"stock-{topic}",
        broker=f"kafka://{brokers}",
        store="memory://",
        topic_partitions=partitions,
        web_enabled=False,
        datadir=tempfile.mkdtemp(),
        stream_wait_empty=False,
    )
    source = app.topic(topic, key_serializer="raw", value_serializer="raw")
    table = app.Table("energy", default=float, partitions=partitions)
    decoder = msgspec.json.Decoder(TelemetryRecord)
    progress = {"seen": 0, "start": 0.0}

    @app.agent(source)
    async def integrate(stream: faust.StreamT) -> None:
        async for key, value in stream.items():
            progress["start"] = progress["start"] or time.perf_counter()
            record = decoder.decode(value)
            for power in getattr(record, "dc_power_w", {}).values():
                table[key.decode()] += power[0]
            progress["seen"] += 1
            if progress["seen"] == records:
                os.write(1, f"{time.perf_counter() - progress['start']}\n".encode())
                os._exit(0)

    worker = faust.Worker(app, quiet=True, loglevel="CRITICAL", redirect_stdouts=False)
    worker.execute_from_commandline()
