"""One round: a fault at work on a deployment of its own, then the verdict."""

import asyncio
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from tests.faults.checker import Violation, alive
from tests.faults.expectations import Trace
from tests.faults.fleet import Life
from tests.faults.matrix import Fault
from tests.faults.scene import Servers, judge, quiesce, scene, shown
from tests.faults.stack import RigStack

LIMIT_S = 600.0
"""No round takes longer, whatever happens."""
QUIESCE_S = 120.0
SHOWN_S = 30.0
TROUBLE = (TimeoutError, RuntimeError, KafkaError, RedisError, OSError)
"""What ends a round early; it counts as a violation."""


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
    slowness
        Of the machine; bounds in time were stretched by it.
    """

    fault: Fault
    seed: int
    violations: list[Violation] = field(default_factory=list)
    pause_s: float = 0.0
    seconds: float = 0.0
    records: int = 0
    lives: list[Life] = field(default_factory=list)
    slowness: float = 1.0

    @property
    def kill_points(self) -> Counter[str]:
        """Failpoints at which a worker was killed, by step."""
        fired = [life.point for life in self.lives if life.point and life.fired]
        return Counter(point.step for point in fired if point.action == "kill")


async def play(fault: Fault, stack: RigStack, seed: int, folder: Path) -> Outcome:
    """Let a fault do its work once; what goes wrong on the way is a violation too."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    own = fault.servers(folder / "servers", stack.say) if fault.servers else nullcontext(stack)
    with own as servers:
        return await _play(fault, servers, seed, folder)


async def _play(fault: Fault, servers: Servers, seed: int, folder: Path) -> Outcome:
    outcome, start = Outcome(fault, seed), time.monotonic()
    workload = fault.load(fault.samples, seed)
    outcome.records = len(workload.records)
    slots = range(fault.slots)
    staging = scene(
        servers, workload, seed, folder, slots=slots, rate=fault.rate, instances=fault.instances
    )
    async with staging as here:
        try:
            async with asyncio.timeout(LIMIT_S):
                await fault.inject(here)
                await quiesce(here, QUIESCE_S)
                await shown(here, SHOWN_S)
                outcome.violations += await judge(here)
        except TROUBLE as error:
            outcome.violations.append(Violation("I9", f"{type(error).__name__}: {error}"))
        outcome.lives, outcome.pause_s = list(here.fleet.lives), here.watch.take_pause()
        outcome.slowness = here.fleet.slowness
        trace = Trace(outcome.lives, here.fleet.stops, outcome.slowness, here.fleet.folds)
    words = alive(outcome.pause_s, fault.bound_s * outcome.slowness) + fault.expects(trace)
    outcome.violations += [Violation("I9", each) for each in words]
    outcome.seconds = time.monotonic() - start
    return outcome
