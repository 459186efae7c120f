"""The silence of a whole live block is told, with nobody to send anything but the worker."""

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.results import AlarmRecord
from schemas.topics import ALARMS, TELEMETRY
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from tests.kafka.support import Deployment

pytestmark = pytest.mark.kafka

STALE_MS = 2_000
BLOCK = PowerBlock("test", "1PCS1", "UTC", {"1": {"B1": 1.0}}, Rules(stale_ms=STALE_MS))
KEY = BLOCK.key.encode()


def samples(newest_ms: int) -> bytes:
    times = np.array([newest_ms - 1000, newest_ms], dtype=np.int64)
    return encode(PowerSamples(times, {"1": np.array([1e5, 1e5])}))


async def alarms(deployment: Deployment) -> list[tuple[str, str]]:
    records = [
        msgspec.json.decode(each.value, type=AlarmRecord) for each in await deployment.read(ALARMS)
    ]
    return [(each.rule, each.state) for each in records]


async def test_a_live_block_that_falls_silent_is_stale_until_it_speaks_again(
    brokers: str, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    created = await Deployment.create(brokers, redis_url, prefix, tmp_path)
    beating = created.settings.model_copy(update={"heartbeat_s": 0.5})
    deployment = replace(created, settings=beating)
    told: list[tuple[str, str]] = []

    async def is_told(count: int) -> bool:
        told[:] = await alarms(deployment)
        return len(told) >= count

    with deployment.worker():
        now_ms = int(time.time() * 1000)
        await deployment.produce([(KEY, encode(Configure(BLOCK))), (KEY, samples(now_ms))])
        await deployment.wait_for("the silence of a block", lambda: is_told(1))
        await deployment.produce([(KEY, samples(int(time.time() * 1000)))])
        await deployment.wait_for("the end of the silence", lambda: is_told(2))

    assert told[:2] == [("STALE_DATA", "raised"), ("STALE_DATA", "cleared")]


async def test_a_replay_of_old_data_has_no_heartbeats(
    brokers: str, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    created = await Deployment.create(brokers, redis_url, prefix, tmp_path)
    beating = created.settings.model_copy(update={"heartbeat_s": 0.1})
    deployment = replace(created, settings=beating)
    old = 1_700_000_000_000
    rules = replace(BLOCK.rules, stale_ms=3 * STALE_MS)
    other, own = replace(BLOCK, block="2PCS1", rules=rules), replace(BLOCK, rules=rules)

    async def tell(block: PowerBlock, newest: int) -> None:
        key = block.key.encode()
        await deployment.produce([(key, encode(Configure(block))), (key, samples(newest))])

    async def beats() -> bool:
        return len([r for r in await deployment.read(TELEMETRY) if b"heartbeat" in r.value]) >= 3

    with deployment.worker():
        await tell(other, old)
        await deployment.wait_until_done()
        await tell(own, int(time.time() * 1000) - STALE_MS)
        await deployment.wait_for("heartbeats of the live block", beats)

    keys = {r.key for r in await deployment.read(TELEMETRY) if b"heartbeat" in r.value}
    assert keys == {KEY}
