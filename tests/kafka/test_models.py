"""A model comes in order with the rows of its battery, and judges what closes after it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.topics import ALARMS, DEAD_LETTERS
from stream_app.codec.battery import encode_battery
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery_system import BatteryState, SystemMessage, fold_battery
from stream_app.core.messages import EndOfData
from tests.cells.generator import Faults, battery, trace
from tests.cells.models import DAYS, learned_model
from tests.kafka.battery_results import of_outputs, streamed
from tests.kafka.support import Deployment

pytestmark = pytest.mark.kafka


async def test_a_published_model_gives_what_it_gives_in_one_process(
    brokers: str, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    deployment = await Deployment.create(brokers, redis_url, prefix, tmp_path, 2)
    model, file = learned_model(1), tmp_path / "model.json"
    file.write_bytes(model.data)
    data = trace(1, DAYS, Faults(drifting=17, since_h=0), 300.0)
    rows: list[SystemMessage] = [data.samples(at, at + 60) for at in range(0, 540, 60)]
    before, after = [battery(300.0), *rows[:3]], [*rows[3:], EndOfData(int(data.times[540]))]
    key = model.key.encode()

    await deployment.produce([(key, encode_battery(each)) for each in before])
    await asyncio.to_thread(publish, deployment, file)
    await deployment.produce([(key, encode_battery(each)) for each in after])
    await deployment.produce([(b"station/battery/b2", model.data)])
    with deployment.worker():
        await deployment.wait_until_done()

    folded = fold_battery(BatteryState(), [*before, model, *after])
    expected = of_outputs(encode_battery_outputs(battery(300.0), folded))
    assert of_outputs(await streamed(deployment)) == expected
    alarms = [each.value for each in await deployment.read(ALARMS)]
    assert any(b'"LEARNED_ANOMALY"' in each and model.version.encode() in each for each in alarms)
    (letter,) = await deployment.read(DEAD_LETTERS)
    assert (
        b"the model of station/battery/b1 came under the key" in dict(letter.headers)["bess_reason"]
    )


def publish(deployment: Deployment, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", "anomalies", "publish", str(file)],
        env=deployment.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is published" in done.stdout
