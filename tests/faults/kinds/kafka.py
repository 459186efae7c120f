"""A broker that is killed, stopped, started, or refuses."""

import asyncio
import signal
from functools import partial

from tests.faults.matrix import fault
from tests.faults.scene import Scene


async def broker_outage(scene: Scene, down_s: float, *, hard: bool) -> None:
    """Kafka is away for a while."""
    await scene.folded(200)
    kafka = scene.stack.kafka
    await asyncio.to_thread(kafka.kill if hard else kafka.stop)
    await asyncio.sleep(down_s)
    await asyncio.to_thread(kafka.start)
    await scene.folded(200)


fault("F7", "Kafka is killed, 10 s away", rounds=2, bound_s=90)(
    partial(broker_outage, down_s=10, hard=True)
)
fault("F7", "Kafka is killed, 120 s away", rounds=1, bound_s=200)(
    partial(broker_outage, down_s=120, hard=True)
)
fault("F8", "Kafka restarts in order", rounds=1, bound_s=90)(
    partial(broker_outage, down_s=1, hard=False)
)


@fault("F8", "workers start while Kafka is away", rounds=1, bound_s=90)
async def start_without_broker(scene: Scene) -> None:
    await scene.folded(200)
    await asyncio.to_thread(scene.stack.kafka.kill)
    for slot in scene.fleet.slots:
        scene.fleet.signal(slot, signal.SIGKILL)
    await asyncio.sleep(8)
    await asyncio.to_thread(scene.stack.kafka.start)
    await scene.folded(200)
