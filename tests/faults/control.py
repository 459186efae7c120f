"""Playing the negative control: stock Faust under the same kills, before the same checker."""

import asyncio
import signal
from pathlib import Path

from tests.faults.checker import Violation
from tests.faults.matrix import telemetry
from tests.faults.scene import judge, quiesce, scene
from tests.faults.stack import RigStack

KILLS = 2
QUIESCE_S = 15.0
COMMAND = ("-m", "tests.faults.stock")


async def stock_faust(
    stack: RigStack, seed: int, folder: Path, samples: int = 70
) -> list[Violation]:
    """Kill a worker of stock Faust under load a few times; gives what the checker says."""
    workload = telemetry(samples, seed)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    staging = scene(
        stack, workload, seed, folder, slots=[0], rate=40.0, instances=False, command=COMMAND
    )
    async with staging as here:
        for _ in range(KILLS):
            await here.folded(1)
            await asyncio.sleep(here.random.uniform(1.0, 2.0))
            here.fleet.signal(0, signal.SIGKILL)
        try:
            await quiesce(here, QUIESCE_S)
        except TimeoutError as late:
            # After a restart Faust may never commit some partitions again.
            here.complaints.append(Violation("I9", str(late)))
        return await judge(here, ours=False)
