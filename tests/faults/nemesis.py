"""F25: one deployment for a long time, and fault after fault at random."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.beside import beside
from tests.faults.checker import Violation, alive
from tests.faults.kinds import FAULTS
from tests.faults.kinds.workers import die_at, kill_points
from tests.faults.matrix import Fault
from tests.faults.rounds import TROUBLE, Outcome
from tests.faults.scene import Scene, judge, quiesce, scene
from tests.faults.stack import RigStack
from tests.faults.vitals import Nurse, flat, growth_per_h, write
from tests.faults.workload import RULES, knowing_refusals, shuffled, station, with_poison

RATE = 80.0
"""Records a second."""
BLOCKS = 6
KEYS = BLOCKS + 2
"""With a battery system and a meter; each sends a record for each time."""
SLOTS = (0, 1)
WITNESS = 9
"""Slot of a worker that no fault harms by itself: whether it grows is seen."""
WAIT_S = 1.0, 6.0
SPARED = {
    "a worker is killed at each step",
    "Kafka is killed, 120 s away",
    "Kafka loses the end of a topic with the power",
    "Kafka's disk is full",
}
"""Too long for a random step, or meant to end it all. After a full disk the group coordinator of
Kafka 4.1 may stay out of step with its own log until the broker is started once more."""
LAST = 17
"""Those behind it are of the input, which has them all the time, or need all workers gone."""
QUIESCE_S = 180.0

Say = Callable[[str], None]


@dataclass
class Nemesis:
    """What happened: the longest pause by fault, how often each came, growth [bytes/h]."""

    outcome: Outcome
    pauses: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    growth: list[float] = field(default_factory=list)

    def note(self, title: str, pause_s: float) -> None:
        self.pauses[title] = max(pause_s, self.pauses.get(title, 0.0))
        self.counts[title] = self.counts.get(title, 0) + 1


async def die_anywhere(here: Scene) -> None:
    """A few of the kill points of F2: they are given to workers that start."""
    for slot in here.fleet.slots:
        here.fleet.signal(slot, signal.SIGKILL)
    await die_at(here, here.random.sample(kill_points(here.random), 3))


SOAK = Fault("F25", "faults at random, one after the other", die_anywhere, slots=len(SLOTS))
STEP = Fault("F2", "a worker is killed at three of the steps", die_anywhere)


def repertoire() -> list[Fault]:
    """The faults that may come: of the servers that all share."""
    known = (each for title, each in FAULTS.items() if title not in SPARED)
    return [STEP, *(each for each in known if int(each.number[1:]) <= LAST and not each.servers)]


async def nemesis(stack: RigStack, seed: int, minutes: float, folder: Path, say: Say) -> Nemesis:
    """Inject faults at random for so long; the checker has the last word."""
    outcome = Outcome(SOAK, seed)
    found = Nemesis(outcome)
    samples = int(minutes * 60 * RATE / KEYS)
    rules = replace(RULES, resolutions=("1h", "1d"))
    plain = station(BLOCKS, samples, seed, storage=True, rules=rules)
    workload = knowing_refusals(with_poison(shuffled(plain, seed), 0.01, seed))
    outcome.records = len(workload.records)
    start = time.monotonic()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with scene(stack, workload, seed, folder, slots=SLOTS, rate=RATE) as here:
        here.fleet.spared = frozenset({WITNESS})
        here.fleet.add(WITNESS)
        nurse = Nurse(lambda: here.fleet.running)
        async with beside(nurse.go_round()):
            try:
                await _torment(here, found, start + minutes * 60, say)
                await quiesce(here, QUIESCE_S)
            except TROUBLE as error:
                outcome.violations.append(Violation("I9", f"{type(error).__name__}: {error}"))
        outcome.lives = list(here.fleet.lives)
        outcome.violations += await judge(here)
    outcome.violations += [Violation("I10", words) for words in flat(nurse.charts)]
    await asyncio.to_thread(write, nurse.charts, folder / "vitals.csv")
    found.growth = [g for g in map(growth_per_h, nurse.charts.values()) if g is not None]
    outcome.pause_s = max(found.pauses.values(), default=0.0)
    outcome.seconds = time.monotonic() - start
    return found


async def _torment(here: Scene, found: Nemesis, until: float, say: Say) -> None:
    chance = random.Random(found.outcome.seed)
    while time.monotonic() < until and not here.done:
        await asyncio.sleep(chance.uniform(*WAIT_S))
        each, restarts = chance.choice(repertoire()), here.stack.restarts
        here.watch.take_pause()
        came = await _comes_about(here, each)
        await _recover(here, each.bound_s)
        pause_s = here.watch.take_pause()
        if here.stack.restarts > restarts:
            found.note("Kafka out of step with itself, started once more", pause_s)
        else:
            if came:
                found.note(f"{each.number} {each.title}", pause_s)
            found.outcome.violations += [
                Violation("I9", w) for w in alive(pause_s, each.bound_s * here.fleet.slowness)
            ]
        left = until - time.monotonic()
        words = f"pause {pause_s:.1f} s" if came else "did not come about"
        say(f"  F25 {each.number} {each.title}: {words}, {left / 60:.1f} min left")


async def _comes_about(here: Scene, each: Fault) -> bool:
    """Whether a fault got where it wanted to; on a slow machine it may not in time.

    What follows must be right in any case.
    """
    try:
        await each.inject(here)
    except TimeoutError:
        return False
    return True


async def _recover(here: Scene, bound_s: float) -> None:
    """The deployment as it was, and all that had come by now is folded."""
    here.stack.restore()
    here.fleet.disarm()
    for slot in set(here.fleet.slots).difference(SLOTS):
        here.expect(slot, await here.fleet.remove(slot))
    for slot in set(SLOTS).difference(here.fleet.slots):
        here.fleet.add(slot)
    try:
        await _caught_up(here, bound_s)
    except TimeoutError:
        restarts = here.stack.restarts
        here.stack.restore()
        if here.stack.restarts == restarts:
            raise
        await _caught_up(here, bound_s)


async def _caught_up(here: Scene, bound_s: float) -> None:
    goal = dict(here.watch.ends)
    await here.until(
        lambda: all(here.watch.committed.get(n, 0) >= end for n, end in goal.items()),
        bound_s + QUIESCE_S,
        "catching up",
    )
