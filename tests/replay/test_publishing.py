"""Publishing to a real Kafka: every row once, whatever happens on the way."""

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer.producer import DefaultPartitioner

from deploy.local import LocalStack
from replay.errors import PublishError
from replay.export import Export
from replay.publish import Options, Summary, name_of, publish
from schemas.topics import TELEMETRY, TOPOLOGY
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, EndOfData
from tests.replay.broker import DEADLINE_S, Deployment, FakeClock, kinds
from tests.replay.exports import enclosures, joined, opened, parquet, power, same

pytestmark = pytest.mark.kafka

QUARTER_MS = 900_000
START = datetime.fromisoformat("2025-07-01T00:00")
ROWS = 400


@pytest.fixture
async def deployment(brokers: str, prefix: str) -> Deployment:
    return await Deployment.create(brokers, prefix)


def write_station(path: Path, rows: int = ROWS, inverters: int = 5) -> Path:
    columns: dict[str, list[object]] = {
        "Timestamp": [START + timedelta(minutes=15 * n) for n in range(rows)]
    }
    for number in range(1, inverters + 1):
        for dc_input in (1, 2):
            values: list[object] = [float(number * 1000 + n) for n in range(rows)]
            columns[power(f"1APCS{number}", dc_input)] = values
        columns |= dict.fromkeys(enclosures(f"1A{number}"), [0.0] * rows)
    return parquet(path, columns)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_station(tmp_path / "station.parquet")


@pytest.fixture
def export(path: Path) -> Export:
    return opened(path, parsing={"timezone": "UTC"})


async def test_topology_samples_and_end_stand_in_order_under_every_key(
    deployment: Deployment, export: Export
) -> None:
    summary = await deployment.publish(export, Options(block_rows=70))

    messages = await deployment.messages()
    assert set(messages) == {block.key for block in export.blocks}
    for block in export.blocks:
        found = messages[block.key]
        assert kinds(found) == ["topology", "power", "end"]
        assert found[0] == Configure(block)
    assert same(await deployment.samples(), joined(export))
    assert (summary.state, summary.rows, summary.samples) == ("complete", ROWS, ROWS * 10)


async def test_the_data_end_one_interval_after_the_last_row(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export)

    end = export.first_ms + ROWS * QUARTER_MS
    assert await deployment.ends() == {block.key: [end] for block in export.blocks}


async def test_a_key_has_one_partition_and_records_carry_event_time(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export, Options(block_rows=100))

    records = await deployment.committed(TELEMETRY)
    partitions = [0, 1, 2, 3]
    assert {(record.key, record.partition) for record in records} == {
        (key, DefaultPartitioner()(key, partitions, partitions))
        for key in (block.key.encode() for block in export.blocks)
    }
    first = [record for record in records if record.key == b"station/1APCS1"]
    starts = [export.first_ms + n * 100 * QUARTER_MS for n in (0, 0, 1, 2, 3, 4)]
    assert [record.timestamp for record in first] == starts


async def test_the_topology_is_in_the_compacted_topic_too(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export)

    records = await deployment.committed(TOPOLOGY)
    assert {record.key.decode(): record.value for record in records} == {
        block.key: encode(Configure(block)) for block in export.blocks
    }


async def test_progress_says_how_far_the_replay_has_come(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export)

    record = (await deployment.progress())[-1]
    assert (record.file, record.row, record.rows_published) == ("station.parquet", ROWS, ROWS)
    assert record.event_time == "2025-07-05T03:45:00.000+00:00"
    assert record.complete


async def test_a_complete_replay_does_nothing_until_asked_for_again(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export)
    before = len(await deployment.committed(TELEMETRY))

    second = await deployment.publish(export)
    assert (second.state, second.records) == ("was complete", 0)
    assert len(await deployment.committed(TELEMETRY)) == before

    third = await deployment.publish(export, Options(again=True))
    assert (third.state, third.rows) == ("complete", ROWS)
    assert len(await deployment.committed(TELEMETRY)) == 2 * before


@pytest.mark.parametrize(
    "changed", [Options(from_ms=1), Options(to_ms=2**41), Options(clock="shift")]
)
def test_another_choice_of_what_is_published_is_another_replay(
    export: Export, changed: Options
) -> None:
    assert name_of(export, changed) != name_of(export, Options())
    assert name_of(export, changed) == name_of(export, replace(changed, speed=5, block_rows=1))


async def test_an_interrupted_replay_goes_on_where_it_ended(
    deployment: Deployment, export: Export
) -> None:
    options = Options(speed=900 * 20)
    stopped = await deployment.publish(export, options, stop_at_row=120)
    assert (stopped.state, stopped.next_row) == ("interrupted", 120)

    finished = await deployment.publish(export, Options(block_rows=33))

    assert (finished.state, finished.resumed_at) == ("complete", 120)
    assert same(await deployment.samples(), joined(export))
    record = (await deployment.progress())[-1]
    assert record.rows_published == ROWS


async def test_a_restart_forgets_how_far_the_replay_had_come(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export, Options(speed=18_000), stop_at_row=100)

    summary = await deployment.publish(export, Options(restart=True))

    assert (summary.resumed_at, summary.rows) == (0, ROWS)
    assert len((await deployment.samples())["station/1APCS1"].times) == 100 + ROWS


async def test_a_transaction_that_a_killed_run_left_open_is_never_seen(
    deployment: Deployment, export: Export
) -> None:
    await deployment.publish(export, Options(speed=18_000), stop_at_row=100)
    prefix = deployment.settings.prefix
    orphan = AIOKafkaProducer(
        **deployment.kafka,
        transactional_id=f"{prefix}.replay.{name_of(export, Options())}",
    )
    await orphan.start()
    await orphan.begin_transaction()
    value = encode(EndOfData(export.first_ms))
    await orphan.send_and_wait(TELEMETRY.name(prefix), value, key=b"station/1APCS1")

    await deployment.publish(export)

    assert same(await deployment.samples(), joined(export))
    assert {len(ends) for ends in (await deployment.ends()).values()} == {1}
    await orphan.stop()


async def test_the_older_of_two_runs_of_one_replay_ends(
    deployment: Deployment, export: Export
) -> None:
    older = asyncio.create_task(_publish_slowly(deployment, export))
    await deployment.until(lambda record: record.row >= 20)

    summary = await deployment.publish(export)

    assert summary.state == "complete"
    with pytest.raises(PublishError, match="another run of the same replay has taken over"):
        await asyncio.wait_for(older, DEADLINE_S)
    assert same(await deployment.samples(), joined(export))


async def _publish_slowly(deployment: Deployment, export: Export) -> None:
    class Slow(FakeClock):
        async def wait(self, event: asyncio.Event, seconds: float) -> None:
            await super().wait(event, seconds)
            await asyncio.sleep(0.05)

    await deployment.publish(export, Options(speed=900), Slow())


def start_replay(deployment: Deployment, path: Path, *options: str) -> "subprocess.Popen[str]":
    config = path.parent / "config.yaml"
    config.write_text("parsing: {timezone: UTC}\n", encoding="utf-8")
    return start(deployment, str(path), "-c", str(config), *options)


def start(deployment: Deployment, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "stream_app", "replay", *arguments],
        env=deployment.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out


async def test_every_row_is_seen_once_after_kills_in_the_middle(
    deployment: Deployment, path: Path, export: Export
) -> None:
    for kill_at in (20, 90, 160):
        process = start_replay(deployment, path, "--speed", "45000")
        await deployment.until(lambda record, row=kill_at: record.row >= row)  # type: ignore[misc]
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
        assert not (await deployment.progress())[-1].complete

    code, out = await asyncio.to_thread(ended, start_replay(deployment, path))

    assert code == 0
    assert "resumed at row" in out
    assert same(await deployment.samples(), joined(export))
    assert {len(ends) for ends in (await deployment.ends()).values()} == {1}


async def test_ctrl_c_finishes_the_transaction_and_says_how_to_go_on(
    deployment: Deployment, path: Path
) -> None:
    process = start_replay(deployment, path, "--speed", "9000")
    await deployment.until(lambda record: record.row >= 20)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, out = await asyncio.to_thread(ended, process)

    assert code == 130
    assert "the same command goes on from there" in out
    assert f"interrupted at row {(await deployment.progress())[-1].row}" in out
    assert time.monotonic() - began < 20


async def test_a_broker_that_is_lost_ends_the_run_and_the_next_one_goes_on(
    export: Export, prefix: str
) -> None:
    with LocalStack() as stack:
        deployment = await Deployment.create(stack.endpoints.brokers, prefix)

        def lose_broker(summary: Summary) -> None:
            if summary.next_row == 40:
                stack.kafka.kill()

        with pytest.raises(PublishError, match="has not answered for 3 s"):
            await deployment.publish(
                export, Options(speed=18_000, patience_s=3), on_progress=lose_broker
            )
        stack.kafka.start()
        summary = await deployment.publish(export)

        assert (summary.state, summary.resumed_at) == ("complete", 40)
        assert same(await deployment.samples(), joined(export))


async def test_paced_rows_are_sent_when_they_are_due(
    deployment: Deployment, tmp_path: Path
) -> None:
    export = opened(write_station(tmp_path / "a.parquet", rows=5), parsing={"timezone": "UTC"})
    clock = FakeClock()

    await deployment.publish(export, Options(speed=60), clock)

    assert clock.waits == [15.0] * 4


async def test_a_shifted_replay_keeps_its_shift_when_it_is_resumed(
    deployment: Deployment, export: Export
) -> None:
    options = Options(clock="shift", speed=18_000)
    await deployment.publish(export, options, FakeClock(), stop_at_row=100)
    await deployment.publish(export, options, FakeClock(epoch_ms=1_790_000_000_000))

    times = (await deployment.samples())["station/1APCS1"].times.tolist()
    assert times == [1_780_000_000_000 + n * QUARTER_MS for n in range(ROWS)]


async def test_with_the_clock_now_rows_carry_the_time_at_which_they_are_due(
    deployment: Deployment, export: Export
) -> None:
    to_ms = export.first_ms + 40 * QUARTER_MS
    await deployment.publish(export, Options(clock="now", speed=900, to_ms=to_ms))

    times = (await deployment.samples())["station/1APCS1"].times.tolist()
    assert times == [1_780_000_000_000 + n * 1000 for n in range(40)]


async def test_a_row_from_the_future_does_not_stop_the_replay(
    deployment: Deployment, tmp_path: Path
) -> None:
    path = write_station(tmp_path / "a.parquet", rows=8)
    table = pq.read_table(path)
    times = table["Timestamp"].to_pylist()
    times[2] = times[2].replace(year=2099)
    pq.write_table(table.set_column(0, "Timestamp", pa.array(times)), path)
    export = opened(path, parsing={"timezone": "UTC"})

    await deployment.publish(export, Options(block_rows=1))

    assert same(await deployment.samples(), joined(export))
    end = export.first_ms + 8 * QUARTER_MS
    assert (await deployment.ends())["station/1APCS1"] == [end]


async def test_without_an_end_windows_are_left_open(deployment: Deployment, export: Export) -> None:
    await deployment.publish(export, Options(end=False))

    assert set(map(tuple, (await deployment.ends()).values())) == {()}


async def test_a_part_of_the_export_ends_with_that_part(
    deployment: Deployment, export: Export
) -> None:
    first = export.first_ms
    span = Options(from_ms=first + 10 * QUARTER_MS, to_ms=first + 20 * QUARTER_MS)

    summary = await deployment.publish(export, span)

    assert (summary.rows, summary.first_ms) == (10, span.from_ms)
    assert (await deployment.ends())["station/1APCS1"] == [span.to_ms]


async def test_a_part_without_rows_is_complete_and_ends_nothing(
    deployment: Deployment, export: Export
) -> None:
    summary = await deployment.publish(export, Options(from_ms=2**41))

    assert (summary.state, summary.rows) == ("complete", 0)
    assert {tuple(kinds(found)) for found in (await deployment.messages()).values()} == {
        ("topology",)
    }


async def test_missing_topics_are_named_with_the_command_that_makes_them(
    brokers: str, prefix: str, export: Export
) -> None:
    kafka = {"bootstrap_servers": brokers}

    with pytest.raises(PublishError, match=rf"{prefix}\.telemetry\.v1.*bess topics create"):
        await publish(export, Options(), prefix, kafka, FakeClock(), asyncio.Event(), print)


async def test_no_kafka_is_said_at_once(export: Export) -> None:
    kafka = {"bootstrap_servers": "127.0.0.1:9"}

    with pytest.raises(PublishError, match=r"no Kafka answers at 127\.0\.0\.1:9.*BESS_BROKERS"):
        await publish(export, Options(), "p", kafka, FakeClock(), asyncio.Event(), print)


async def test_the_clock_now_needs_a_speed(export: Export) -> None:
    with pytest.raises(PublishError, match="choose a --speed"):
        await publish(export, Options(clock="now"), "p", {}, FakeClock(), asyncio.Event(), print)
