"""Batteries and meters through a worker: what one process gives, whatever happens on the way."""

import asyncio
import os
import signal
import subprocess
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
    SIGNALS,
    TELEMETRY,
)
from stream_app.codec.battery import encode_battery
from stream_app.codec.results import Output
from stream_app.core.battery import MeterSamples, SystemSamples
from stream_app.engine.view import RedisView
from stream_app.keys import telemetry_key
from stream_app.process_signals import process_signals
from stream_app.reading import open_topics
from stream_app.reports.batteries import BatteryTables
from stream_app.reports.battery_data import NotFoundError
from stream_app.reports.battery_files import read
from stream_app.reports.catch_up import wait_for_workers
from stream_app.reports.files import write_files
from stream_app.settings import kafka_options
from stream_app.upkeep.batteries import newest, show
from tests.kafka.battery_results import differences, streamed, tables
from tests.kafka.support import DEADLINE_S, Deployment

pytestmark = pytest.mark.kafka

SMALL = CellSpec(days=3, interval_s=300, systems=2, packs=2, cells=8, meters=1, seed=3)
"""Gives every kind of result in a second."""
LARGE = os.environ.get("BATTERIES") == "large"
"""``make proof``: the export that ``bess sample --cells`` writes, 3 systems, 10 days at 1 min."""
SPEC = CellSpec() if LARGE else SMALL
PATIENCE_S = 1800.0 if LARGE else DEADLINE_S


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("cells"), SPEC).directory


def opened(folder: Path) -> SignalExport:
    return SignalExport.open(load_config(folder / "config.yaml"))


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[Output]:
    """Results of one process; even a small export gives every kind."""
    outputs: list[Output] = []
    result = process_signals(opened(folder), outputs.append, lambda *_: None)
    assert not result.refusals
    kinds = (*CELLS.values(), *SIGNALS.values(), HEALTH_DAILY, METER_DAILY, ALARMS, CRITICAL_CELLS)
    assert {*kinds} <= {each.topic for each in outputs}
    assert {"health_daily.csv", "meter_daily.csv", "signals_daily.csv", "cells_daily.csv"} <= {
        *tables(outputs)
    }
    return outputs


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
        await wait_for_workers(topics, telemetry, settings.app_id, lambda _: None, PATIENCE_S)


@pytest.mark.parametrize("block_rows", [7, 500])
async def test_a_replay_in_blocks_of_any_size_gives_the_results_of_one_process(
    deployment: Deployment, folder: Path, expected: list[Output], block_rows: int
) -> None:
    await replay(deployment, folder, block_rows=block_rows)

    with deployment.worker():
        await done(deployment)

    assert await deployment.read(DEAD_LETTERS) == []
    assert differences(await streamed(deployment), expected) == []


async def test_of_two_workers_first_one_is_killed_and_then_the_other(
    deployment: Deployment, folder: Path, expected: list[Output]
) -> None:
    """Whichever of them had a key, somebody else goes on with it."""
    await replay(deployment, folder, block_rows=5)
    total = await deployment.sent()

    with deployment.worker() as first, deployment.worker() as second:
        await deployment.wait_for_committed(total // 4, PATIENCE_S)
        kill(first)
        with deployment.worker():
            await deployment.wait_for_committed(total // 2, PATIENCE_S)
            kill(second)
            await done(deployment)

    assert differences(await streamed(deployment), expected) == []


def kill(worker: "subprocess.Popen[bytes]") -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait(30)


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


async def test_the_newest_windows_critical_cells_and_day_are_read_from_redis_alone(
    deployment: Deployment, folder: Path
) -> None:
    export = opened(folder)
    kept = BatteryTables(export.batteries, "1h")
    process_signals(export, kept.take, lambda *_: None)
    write_files(folder / "out", kept.files())
    await replay(deployment, folder, block_rows=50)
    with deployment.worker():
        await done(deployment)

    for system in ("bess1", "station/bess2"):
        shown = await newest(deployment.settings, system)
        written = read(folder / "out", system)
        assert shown.battery == written.battery
        assert shown.critical == written.critical
        assert shown.days == written.days[-1:]
        for level in ("1h", "1d"):
            assert shown.newest(level) == written.newest(level)
        assert shown.newest("5min").keys() == written.newest("1d").keys()

        held = await show(deployment.settings, f"station/battery/{shown.battery.system}")
        assert [each.pack for each in held.battery.packs] == ["1", "2"]
        assert held.lag == 0
        assert {each for each in held.sizes if each.startswith("newest/cells/1/")} == {
            f"newest/cells/1/{level}" for level in CELLS
        }
        assert {f"newest/signals/{level}" for level in SIGNALS} <= held.sizes.keys()

    with pytest.raises(NotFoundError, match="there are station/bess1, station/bess2"):
        await newest(deployment.settings, "bess3")

    shown = [
        deployment.bess("state", "show", name)
        for name in ("bess1", "station/bess1", "station/battery/bess1", "bess3")
    ]
    assert [each.returncode for each in shown] == [0, 0, 0, 2]
    assert shown[0].stdout == shown[1].stdout == shown[2].stdout
    assert "station/battery/bess1" in shown[0].stdout
    assert "…" not in shown[0].stdout
    assert "there are station/bess1, station/bess2" in shown[3].stderr


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
