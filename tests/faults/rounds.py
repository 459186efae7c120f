"""One round: a fault at work on a deployment of its own, then the verdict."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import Violation, alive
from tests.faults.fleet import Life
from tests.faults.matrix import Fault
from tests.faults.scene import judge, quiesce, scene
from tests.faults.stack import RigStack

LIMIT_S = 600.0
"""No round takes longer, whatever happens."""
QUIESCE_S = 120.0


@dataclass
class Outcome:
    """What a round came to.

    Attributes
    ----------
    seed
        Gives the same round again.
    pause_s
        Longest time that a partition stood still although it had records.
    lives
        Worker processes that ended before they were told to.
    """

    fault: Fault
    seed: int
    violations: list[Violation] = field(default_factory=list)
    pause_s: float = 0.0
    seconds: float = 0.0
    records: int = 0
    lives: list[Life] = field(default_factory=list)

    @property
    def kill_points(self) -> Counter[str]:
        """Failpoints at which a worker was killed, by step."""
        fired = [life.point for life in self.lives if life.point and life.fired]
        return Counter(point.step for point in fired if point.action == "kill")

    @property
    def statuses(self) -> Counter[int]:
        """How the processes ended."""
        return Counter(life.status for life in self.lives)


async def play(fault: Fault, stack: RigStack, seed: int, folder: Path) -> Outcome:
    """Let a fault do its work once; what goes wrong on the way is a violation too."""
    outcome, start = Outcome(fault, seed), time.monotonic()
    workload = fault.load(fault.samples, seed)
    outcome.records = len(workload.records)
    slots = range(fault.slots)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    staging = scene(
        stack, workload, seed, folder, slots=slots, rate=fault.rate, instances=fault.instances
    )
    async with staging as here:
        try:
            async with asyncio.timeout(LIMIT_S):
                await fault.inject(here)
                await quiesce(here, QUIESCE_S)
                outcome.violations += await judge(here)
        except TimeoutError as late:
            outcome.violations.append(Violation("I9", f"{late} (logs in {folder})"))
        outcome.lives, outcome.pause_s = list(here.fleet.lives), here.watch.take_pause()
    outcome.violations += [Violation("I9", w) for w in alive(outcome.pause_s, fault.bound_s)]
    outcome.seconds = time.monotonic() - start
    return outcome
