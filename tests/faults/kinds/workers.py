"""Workers that die, leave, join, freeze and come back."""

import asyncio
import signal
from collections.abc import Sequence
from random import Random

from tests.faults.failpoints import SIDES, STEPS, FailPoint
from tests.faults.fleet import LIFE_S
from tests.faults.matrix import fault
from tests.faults.scene import SESSION_S, Scene

RECOVERY_STEPS = ("fence", "changelog", "rebuild")

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


@fault("F1", "a worker is killed at random", rounds=10, instances=False)
async def kill_at_random(scene: Scene) -> None:
    for _ in range(5):
        await scene.folded(scene.random.randint(20, 200))
        await asyncio.sleep(scene.random.uniform(0, 0.3))
        scene.fleet.signal(scene.random.choice(scene.fleet.slots), signal.SIGKILL)


@fault("F2", "a worker is killed at each step", rounds=10, rate=60.0, samples=400, bound_s=60)
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


@fault("F3", "workers are told to stop, one after the other, three times", slots=3)
async def roll(scene: Scene) -> None:
    for _ in range(3):
        for slot in scene.fleet.slots:
            await scene.folded(60)
            scene.expect(slot, await scene.fleet.remove(slot))
            scene.fleet.add(slot)


@fault("F4", "workers join and leave: 1, 4, 2", slots=1, rounds=2, instances=False)
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


@fault("F5", "a frozen worker comes back as a zombie")
async def freeze(scene: Scene) -> None:
    await scene.folded(scene.random.randint(50, 300))
    slot = scene.random.choice(scene.fleet.slots)
    scene.fleet.signal(slot, signal.SIGSTOP)
    await asyncio.sleep(3 * SESSION_S)
    scene.fleet.signal(slot, signal.SIGCONT)
    await scene.folded(100)


@fault("F5", "a worker freezes inside a commit and comes back", rounds=4, rate=80.0, samples=400)
async def freeze_inside(scene: Scene) -> None:
    step = scene.random.choice(["send", "offsets", "commit", "swap"])
    point = FailPoint(step, scene.random.choice(SIDES), scene.random.randint(1, 3), "stop")
    await scene.folded(50)
    before = len(scene.fleet.frozen)
    scene.fleet.arm([(point,)])
    scene.fleet.signal(0, signal.SIGKILL)
    await scene.until(lambda: len(scene.fleet.frozen) > before, LIFE_S, f"freezing at {point}")
    await asyncio.sleep(scene.fleet.frozen_s + 2)
    await scene.folded(100)


@fault("F6", "two workers have the same name")
async def same_name(scene: Scene) -> None:
    await scene.folded(100)
    scene.fleet.add(max(scene.fleet.slots) + 1, name="slot0")
    await scene.folded(300)
    await asyncio.sleep(5)
