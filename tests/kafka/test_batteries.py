"""Batteries and meters through a worker: what one process gives, whatever happens on the way."""

import asyncio
import signal
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis

from replay.config import load_config
from replay.pacing import SystemClock
from replay.publish import Options, publish
from replay.sample.cells import CellSpec, write_cells
from replay.signals.export import SignalExport
from schemas.topics import (
    ALARMS,
    CELLS,
    CRITICAL_CELLS,
    DEAD_LETTERS,
    HEALTH_DAILY,
    METER_DAILY,
    TELEMETRY,
)
from stream_app.codec.battery import encode_battery
from stream_app.codec.results import Output
from stream_app.core.battery import MeterSamples, SystemSamples
from stream_app.engine.view import RedisView
from stream_app.keys import telemetry_key
from stream_app.process_signals import process_signals
from stream_app.reports.catch_up import wait_for_workers
from stream_app.reports.topics import open_topics
from stream_app.settings import kafka_options
from tests.kafka.battery_results import Results, of_outputs, streamed
from tests.kafka.support import DEADLINE_S, Deployment

pytestmark = pytest.mark.kafka

SPEC = CellSpec(days=3, interval_s=300, systems=2, packs=2, cells=8, meters=1, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("cells"), SPEC).directory


def opened(folder: Path) -> SignalExport:
    return SignalExport.open(load_config(folder / "config.yaml"))


@pytest.fixture(scope="module")
def expected(folder: Path) -> Results:
    """Results of one process; a small export gives every kind."""
    outputs: list[Output] = []
    result = process_signals(opened(folder), outputs.append, lambda *_: None)
    found = of_outputs(outputs)
    assert not result.refusals
    kinds = (*CELLS.values(), HEALTH_DAILY, METER_DAILY, ALARMS, CRITICAL_CELLS)
    assert {topic.suffix for topic in kinds} <= {name for name, _ in found}
    return found


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path)


async def replay(deployment: Deployment, folder: Path, **options: object) -> None:
    settings = deployment.settings
    await publish(
        opened(folder),
        Options(**options),  # type: ignore[arg-type]
        settings.prefix,
        kafka_options(settings),
        SystemClock(),
        asyncio.Event(),
        lambda _: None,
    )


async def done(deployment: Deployment) -> None:
    """Wait until the workers have folded all records; offsets may end in marks of transactions."""
    settings = deployment.settings
    async with open_topics(kafka_options(settings)) as topics:
        telemetry = deployment.name(TELEMETRY)
        await wait_for_workers(topics, telemetry, settings.app_id, lambda _: None, DEADLINE_S)


@pytest.mark.parametrize("block_rows", [7, 500])
async def test_a_replay_in_blocks_of_any_size_gives_the_results_of_one_process(
    deployment: Deployment, folder: Path, expected: Results, block_rows: int
) -> None:
    await replay(deployment, folder, block_rows=block_rows)

    with deployment.worker():
        await done(deployment)

    assert await deployment.read(DEAD_LETTERS) == []
    assert await streamed(deployment) == expected


async def test_a_worker_that_is_killed_goes_on_where_it_was(
    deployment: Deployment, folder: Path, expected: Results
) -> None:
    await replay(deployment, folder, block_rows=5)

    with deployment.worker() as first:
        await deployment.wait_for_committed(300)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    with deployment.worker():
        await done(deployment)

    assert await streamed(deployment) == expected


async def test_the_states_of_a_battery_lie_together_and_are_shown_in_redis(
    deployment: Deployment, folder: Path
) -> None:
    await replay(deployment, folder)
    with deployment.worker():
        await done(deployment)

    settings = deployment.settings
    found: dict[str, set[int]] = {}
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        for number in range(settings.partitions):
            _, states = await RedisView(redis, settings.app_id).read(number)
            for key in states:
                found.setdefault(telemetry_key(key), set()).add(number)

    assert found.keys() == set(opened(folder).keys)
    assert all(len(numbers) == 1 for numbers in found.values())


async def test_what_does_not_belong_to_a_key_is_a_dead_letter(
    deployment: Deployment, folder: Path
) -> None:
    export = opened(folder)
    battery, point = export.batteries[0], export.meters[0]
    time = np.array([1_750_000_000_000], dtype=np.int64)
    power, soc = (
        MeterSamples(time, {"power_w": time * 0.0}),
        SystemSamples(time, {"v": time * 0.0}),
    )
    wrong = [
        (battery.key, encode_battery(power), "a record of a meter came under the key"),
        (point.key, encode_battery(soc), "a record of a battery system came under the key"),
        (f"{battery.site}/battery/b", encode_battery(soc), "no battery is known"),
        (f"{battery.site}/meter/b", encode_battery(point), f"the record of {point.key} came under"),
    ]
    await deployment.produce([(key.encode(), value) for key, value, _ in wrong])

    with deployment.worker():
        await done(deployment)

    letters = await deployment.read(DEAD_LETTERS)
    reasons = {each.key.decode(): dict(each.headers)["bess_reason"].decode() for each in letters}
    assert reasons.keys() == {key for key, _, _ in wrong}
    for key, _, told in wrong:
        assert told in reasons[key]
