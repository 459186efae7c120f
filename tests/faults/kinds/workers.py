"""Workers that die, leave, join, freeze and come back."""

import asyncio
import signal
from collections.abc import Sequence
from random import Random

from tests.faults import evidence
from tests.faults.expectations import (
    frozen_ones_are_shut_out,
    one_chunk_again,
    one_is_shut_out,
    stops_within,
)
from tests.faults.failpoints import SIDES, STEPS, FailPoint
from tests.faults.fleet import LIFE_S
from tests.faults.matrix import fault
from tests.faults.scene import SESSION_S, Scene

RECOVERY_STEPS = ("fence", "changelog", "rebuild")

INSIDE = [
    *((step, side) for step in ("send", "offsets", "commit") for side in SIDES),
    ("swap", "before"),
]
"""With something of a chunk still to do, so that who freezes there must be shut out."""
WAKE_S = 20.0
TWIN_S = 20.0

Chain = tuple[FailPoint, ...]
"""Points for processes that follow one another in the same slot."""


def kill_points(random: Random) -> list[Chain]:
    """Each side of each step once, in random order.

    A view has something to catch up with only after a worker that died between Kafka and Redis.
    """
    early = [step for step in STEPS if step not in RECOVERY_STEPS]
    chains: list[Chain] = [
        (FailPoint(step, side, random.randint(1, 4)),) for step in early for side in SIDES
    ]
    chains += [(FailPoint(step, side),) for step in ("fence", "changelog") for side in SIDES]
    chains += [
        (FailPoint("commit", "after", random.randint(1, 4)), FailPoint("rebuild", side))
        for side in SIDES
    ]
    random.shuffle(chains)
    return chains


@fault(
    "F1",
    "a worker is killed at random",
    rounds=10,
    bound_s=20,
    instances=False,
    expects=one_chunk_again,
)
async def kill_at_random(scene: Scene) -> None:
    for _ in range(5):
        await scene.folded(scene.random.randint(20, 200))
        await asyncio.sleep(scene.random.uniform(0, 0.3))
        scene.fleet.signal(scene.random.choice(scene.fleet.slots), signal.SIGKILL)


@fault(
    "F2",
    "a worker is killed at each step",
    rounds=10,
    rate=60.0,
    samples=400,
    bound_s=60,
    expects=one_chunk_again,
)
async def kill_at_each_step(scene: Scene) -> None:
    await die_at(scene, kill_points(scene.random))


async def die_at(scene: Scene, chains: Sequence[Chain]) -> None:
    """Let one worker after the other die at its point, as long as there is something to fold."""
    points = sum(map(len, chains))
    enough = scene.fleet.armed_lives + points
    scene.fleet.arm(chains)
    await scene.until(
        lambda: scene.fleet.armed_lives >= enough or scene.done,
        15.0 * points,
        "dying at each point",
    )


@fault(
    "F3",
    "workers are told to stop, one after the other, three times",
    slots=3,
    bound_s=20,
    expects=stops_within(10),
)
async def roll(scene: Scene) -> None:
    for _ in range(3):
        for slot in scene.fleet.slots:
            await scene.folded(60)
            scene.expect(slot, await scene.fleet.remove(slot))
            scene.fleet.add(slot)
    await scene.until(lambda: scene.done, 60, "folding all records")
    for place, count in (await evidence.aborted(scene.settings)).items():
        scene.complain("F3", f"a transaction with {count} records of {place} was given up")


@fault("F4", "workers join and leave: 1, 4, 2", slots=1, rounds=2, bound_s=30, instances=False)
async def join_and_leave(scene: Scene) -> None:
    fleet = scene.fleet
    for count in (4, 2, 4, 2):
        while len(fleet.slots) != count:
            await asyncio.sleep(scene.random.uniform(0.5, 2))
            if len(fleet.slots) < count:
                fleet.add(max(fleet.slots) + 1)
            else:
                slot = scene.random.choice(fleet.slots)
                scene.expect(slot, await fleet.remove(slot))
        await scene.folded(100)


@fault("F5", "a frozen worker comes back as a zombie", bound_s=20)
async def freeze(scene: Scene) -> None:
    """One that had nothing in work when it froze joins again; the others must be shut out."""
    await scene.folded(scene.random.randint(50, 300))
    slot = scene.random.choice(scene.fleet.slots)
    scene.fleet.signal(slot, signal.SIGSTOP)
    await asyncio.sleep(3 * SESSION_S)
    scene.fleet.signal(slot, signal.SIGCONT)
    await scene.folded(100)


@fault(
    "F5",
    "a worker freezes inside a commit and comes back",
    rounds=4,
    rate=80.0,
    samples=400,
    bound_s=20,
    expects=frozen_ones_are_shut_out,
)
async def freeze_inside(scene: Scene) -> None:
    place = scene.random.choice(INSIDE)
    point = FailPoint(*place, scene.random.randint(1, 3), "stop")
    await scene.folded(50)
    before, ended = len(scene.fleet.frozen), len(scene.fleet.fired)
    scene.fleet.arm([(point,)])
    scene.fleet.signal(0, signal.SIGKILL)
    await scene.until(lambda: len(scene.fleet.frozen) > before, LIFE_S, f"freezing at {point}")
    await scene.until(
        lambda: len(scene.fleet.fired) > ended,
        scene.fleet.frozen_s + WAKE_S * scene.fleet.slowness,
        "the end of the worker that was frozen",
    )
    await scene.folded(100)


@fault("F6", "two workers have the same name", samples=1000, bound_s=20, expects=one_is_shut_out)
async def same_name(scene: Scene) -> None:
    await scene.folded(100)
    before = len(scene.fleet.lives)
    scene.fleet.add(max(scene.fleet.slots) + 1, name="slot0")
    await scene.until(
        lambda: len(scene.fleet.lives) > before,
        TWIN_S * scene.fleet.slowness,
        "the end of one of two workers of the same name",
    )
    await scene.folded(300)
