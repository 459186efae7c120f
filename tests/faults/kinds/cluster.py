"""Brokers that hold replicas for one another, and die."""

import asyncio
import time
from collections.abc import Sequence

from schemas.topics import STATE, TELEMETRY
from tests.faults.cluster import IN_SYNC, Cluster
from tests.faults.matrix import fault
from tests.faults.scene import Scene

WHOLE_S = 120.0
"""Until a broker that was away has all replicas again."""
SETTLE_S, STANDING_S = 3.0, 8.0
MORE = 40
"""Records that must be folded to show that it goes on."""
INTERNAL = ("__consumer_offsets", "__transaction_state")


@fault(
    "F9",
    "of three brokers a leader is killed, the controller, two at once",
    rounds=1,
    rate=10.0,
    samples=400,
    bound_s=90,
    servers=Cluster,
)
async def replicas_die(scene: Scene) -> None:
    """With two of three everything goes on; with one nothing does, and then everything again."""
    cluster = scene.servers
    assert isinstance(cluster, Cluster)
    await scene.folded(MORE)
    await away(scene, cluster, [await cluster.leader(TELEMETRY.name(scene.settings.prefix))])
    await away(scene, cluster, [cluster.controller()])
    await away(scene, cluster, scene.random.sample(range(len(cluster.brokers)), IN_SYNC))
    if scene.done:
        scene.complain("F9", "all was folded while brokers still died: nothing is shown")
    await scene.folded(MORE, 90)
    scene.rate = None


async def away(scene: Scene, cluster: Cluster, places: Sequence[int]) -> None:
    """Kill some brokers, look what goes on without them, and wait until they are as before."""
    for place in places:
        cluster.brokers[place].kill()
    if len(cluster.brokers) - len(places) >= IN_SYNC:
        await scene.folded(MORE, 90)
    else:
        await asyncio.sleep(SETTLE_S)
        before = scene.watch.folded
        await asyncio.sleep(STANDING_S)
        if scene.watch.folded > before:
            scene.complain("F9", "one broker of three has taken commits")
    await asyncio.to_thread(cluster.restore)
    await whole(scene, cluster)


async def whole(scene: Scene, cluster: Cluster) -> None:
    names = [*INTERNAL, *(topic.name(scene.settings.prefix) for topic in (TELEMETRY, STATE))]
    deadline = time.monotonic() + WHOLE_S * scene.fleet.slowness
    while not await cluster.whole(names):
        if time.monotonic() > deadline:
            raise TimeoutError("the brokers that came back have not caught up")
        await asyncio.sleep(0.5)
