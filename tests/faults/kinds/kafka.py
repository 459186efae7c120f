"""A broker that is killed, stopped, started, or refuses."""

import asyncio
import signal
from functools import partial

from schemas.topics import TELEMETRY
from tests.faults import evidence
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


fault("F7", "Kafka is killed, 10 s away", rounds=2, bound_s=50)(
    partial(broker_outage, down_s=10, hard=True)
)
fault("F7", "Kafka is killed, 120 s away", rounds=1, bound_s=160)(
    partial(broker_outage, down_s=120, hard=True)
)
fault("F8", "Kafka restarts in order", rounds=1, bound_s=40)(
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


@fault("F10", "Kafka loses the end of a topic with the power", rounds=2, bound_s=120)
async def power_loss(scene: Scene) -> None:
    """One replica only, and everything off at once: the workers must see it, and fold no more."""
    await scene.until(lambda: scene.done, 60, "folding all records")
    scene.rescued = await evidence.telemetry(scene.settings)
    await asyncio.to_thread(scene.stack.kafka.kill)
    for slot in scene.fleet.slots:
        scene.fleet.signal(slot, signal.SIGKILL)
    scene.stack.cut_topic(TELEMETRY.name(scene.settings.prefix), scene.random.randint(100, 5000))
    await asyncio.to_thread(scene.stack.kafka.start)
    left = await evidence.telemetry(scene.settings)
    scene.gone = len(scene.rescued) - len(left)
    if not scene.gone:
        scene.complain("F10", "no record was lost: the fault has not happened")
    await scene.until(lambda: scene.fleet.said("source behind state"), 60, "telling the loss")
