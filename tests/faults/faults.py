"""The faults F1-F20 as functions of a scene; a new one is one function below.

A fault does its work while telemetry is sent and folded, and may leave things broken: the runner
mends everything, waits until all is folded, and lets the checker judge.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from redis.asyncio import Redis

from stream_app.engine.view import RedisView
from tests.faults.failpoints import SIDES, STEPS, FailPoint
from tests.faults.proxy import END_TXN, PRODUCE, Proxy
from tests.faults.scene import SESSION_S, Scene
from tests.faults.workload import Workload, shuffled, station, with_poison

Inject = Callable[[Scene], Awaitable[None]]
Load = Callable[[int, int], Workload]

RECOVERY_STEPS = ("fence", "changelog", "rebuild")


def telemetry(samples: int, seed: int) -> Workload:
    """The usual workload: eight blocks, a record for each time."""
    return station(8, samples, seed)


@dataclass(frozen=True)
class Fault:
    """One row of the fault matrix.

    Attributes
    ----------
    number, title
        As in the table of results.
    inject
        Does it.
    rounds
        Runs in a full pass.
    slots
        Workers.
    samples, load
        The telemetry: times of each block, and what makes it.
    rate
        Records sent in a second; None: all at once, so that no chunk is ever missing.
    bound_s
        Longest time that a partition may stand still.
    """

    number: str
    title: str
    inject: Inject
    rounds: int = 3
    slots: int = 2
    rate: float | None = 300.0
    bound_s: float = 40.0
    samples: int = 250
    load: Load = telemetry
    instances: bool = True


FAULTS: dict[str, Fault] = {}


def fault(number: str, title: str, **options: object) -> Callable[[Inject], Inject]:
    """Put a function into the matrix."""

    def add(inject: Inject) -> Inject:
        FAULTS[title] = Fault(number, title, inject, **options)  # type: ignore[arg-type]
        return inject

    return add


def kill_points(random: Random) -> list[FailPoint]:
    """Each side of each step once, in random order.

    A view has something to catch up with only after a worker that died between Kafka and Redis.
    """
    early = [FailPoint(step, side, random.randint(1, 4)) for step in STEPS for side in SIDES]
    points = [each for each in early if each.step not in RECOVERY_STEPS]
    points += [FailPoint(step, side) for step in RECOVERY_STEPS[:2] for side in SIDES]
    random.shuffle(points)
    for side in SIDES:
        points += [FailPoint("commit", "after", random.randint(1, 4)), FailPoint("rebuild", side)]
    return points


@fault("F1", "a worker is killed at random", rounds=10, instances=False)
async def kill_at_random(scene: Scene) -> None:
    for _ in range(5):
        await scene.folded(scene.random.randint(20, 200))
        await asyncio.sleep(scene.random.uniform(0, 0.3))
        scene.fleet.signal(scene.random.choice(scene.fleet.slots), signal.SIGKILL)


@fault("F2", "a worker is killed at each step", rounds=10, rate=None, samples=400, bound_s=150)
async def kill_at_each_step(scene: Scene) -> None:
    await die_at(scene, kill_points(scene.random))


async def die_at(scene: Scene, points: list[FailPoint]) -> None:
    """Let one worker after the other die at its point."""
    scene.fleet.arm(points)

    def dead() -> bool:
        return sum(life.point is not None for life in scene.fleet.lives) == len(points)

    await scene.until(dead, 15.0 * len(points), "dying at each point")


@fault("F3", "workers are told to stop, one after the other, three times", slots=3)
async def roll(scene: Scene) -> None:
    for _ in range(3):
        for slot in scene.fleet.slots:
            await scene.folded(60)
            scene.expect(slot, await scene.fleet.remove(slot))
            scene.fleet.add(slot)


@fault("F4", "workers join and leave: 1, 4, 2", slots=1, rounds=2, instances=False)
async def join_and_leave(scene: Scene) -> None:
    for slots in ([1, 2, 3], [-1, -2], [1, 2], [-3, -1]):
        for slot in slots:
            await asyncio.sleep(scene.random.uniform(0.5, 2))
            if slot > 0:
                scene.fleet.add(slot)
            else:
                scene.expect(-slot, await scene.fleet.remove(-slot))
        await scene.folded(100)


@fault("F5", "a frozen worker comes back as a zombie")
async def freeze(scene: Scene) -> None:
    await scene.folded(scene.random.randint(50, 300))
    slot = scene.random.choice(scene.fleet.slots)
    scene.fleet.signal(slot, signal.SIGSTOP)
    await asyncio.sleep(3 * SESSION_S)
    scene.fleet.signal(slot, signal.SIGCONT)
    await scene.folded(100)


@fault("F5", "a worker freezes inside a commit and comes back", rounds=4)
async def freeze_inside(scene: Scene) -> None:
    step = scene.random.choice(["send", "offsets", "commit", "swap"])
    point = FailPoint(step, scene.random.choice(SIDES), scene.random.randint(1, 5), "stop")
    await scene.folded(50)
    scene.fleet.arm([point])
    scene.fleet.signal(0, signal.SIGKILL)
    await asyncio.sleep(2 + 3 * SESSION_S + 2)
    await scene.folded(100)


@fault("F6", "two workers have the same name")
async def same_name(scene: Scene) -> None:
    await scene.folded(100)
    scene.fleet.add(2, name="slot0")
    await scene.folded(300)
    await asyncio.sleep(5)


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


@fault("F11", "Redis is killed and comes back")
async def redis_outage(scene: Scene) -> None:
    for down_s in (0.0, 4.0):
        await scene.folded(200)
        await asyncio.to_thread(scene.stack.redis.kill)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(scene.stack.redis.start)
    await scene.folded(100)


@fault("F12", "Redis loses the end of its file")
async def redis_loses_its_tail(scene: Scene) -> None:
    for _ in range(2):
        await scene.folded(200)
        await asyncio.to_thread(scene.stack.redis.kill)
        scene.stack.cut_redis_file(scene.random.choice([1, 1000, 20_000, 200_000]))
        await asyncio.to_thread(scene.stack.redis.start)
    await scene.folded(100)


@fault("F13", "Redis is emptied")
async def redis_emptied(scene: Scene) -> None:
    await scene.folded(300)
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        await redis.flushall()
    await scene.folded(200)


@fault("F13", "the states of one partition vanish from Redis")
async def states_vanish(scene: Scene) -> None:
    await scene.folded(300)
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        view = RedisView(redis, scene.settings.app_id)
        await redis.delete(view.states_key(scene.random.randrange(scene.settings.partitions)))
    scene.fleet.signal(scene.random.choice(scene.fleet.slots), signal.SIGKILL)
    await scene.folded(200)


@fault("F13", "one state in Redis is changed")
async def state_changed(scene: Scene) -> None:
    await scene.folded(300)
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        view = RedisView(redis, scene.settings.app_id)
        for number in range(scene.settings.partitions):
            states: Any = await redis.hgetall(view.states_key(number))
            for key, value in states.items():
                spoiled = value[:-1] + bytes([value[-1] ^ 1])
                await redis.hset(view.states_key(number), key, spoiled)
    scene.fleet.signal(scene.random.choice(scene.fleet.slots), signal.SIGKILL)
    await scene.folded(200)


@fault("F14", "Redis does not answer for a while")
async def redis_stuck(scene: Scene) -> None:
    await scene.folded(200)
    scene.stack.redis.pause()
    await asyncio.sleep(15)
    scene.stack.redis.resume()
    await scene.folded(100)


@fault("F14", "Redis is slow")
async def redis_slow(scene: Scene) -> None:
    await scene.folded(200)
    scene.stack.redis_proxy.spoil(delay_s=0.5)
    await asyncio.sleep(10)
    scene.stack.redis_proxy.heal()
    await scene.folded(100)


async def cut(scene: Scene, proxy: str) -> None:
    """The network between the workers and a server fails in each way in turn."""
    link: Proxy = getattr(scene.stack, f"{proxy}_proxy")
    for spoiled in ("closed", "swallow_requests", "swallow_answers"):
        await scene.folded(100)
        link.spoil(**{spoiled: True})
        await asyncio.sleep(scene.random.uniform(1, 12))
        link.heal()
    await scene.folded(100)


fault("F15", "the network to Kafka fails", bound_s=90)(partial(cut, proxy="kafka"))
fault("F15", "the network to Redis fails")(partial(cut, proxy="redis"))


async def spoil(scene: Scene, kind: int, *, reset: bool, times: int) -> None:
    """The answer to one kind of request gets lost, or the connection breaks within it."""
    link, kinds = scene.stack.kafka_proxy, frozenset({kind})
    for _ in range(times):
        await scene.folded(60)
        enough = link.spoiled + 1
        link.spoil(reset=kinds) if reset else link.spoil(drop=kinds)
        await scene.until(partial(_has_spoiled, link, enough), 30, "a spoiled request")
        link.heal()
    await scene.folded(60, limit_s=150)


def _has_spoiled(link: Proxy, count: int) -> bool:
    return link.spoiled >= count


fault("F15", "the connection breaks within a commit", bound_s=90)(
    partial(spoil, kind=END_TXN, reset=True, times=3)
)
fault("F16", "the answer to a commit gets lost", rounds=2, bound_s=150)(
    partial(spoil, kind=END_TXN, reset=False, times=1)
)
fault("F16", "the answer to a send gets lost", rounds=2, bound_s=150)(
    partial(spoil, kind=PRODUCE, reset=False, times=1)
)


async def nothing(scene: Scene) -> None:
    """The input itself is the fault."""
    await scene.until(lambda: scene.done, 120, "folding all records")


def poisoned(samples: int, seed: int) -> Workload:
    """One record in a hundred is none."""
    return with_poison(telemetry(samples, seed), 0.01, seed)


def disordered(samples: int, seed: int) -> Workload:
    """Shuffled within the lateness, one in twenty twice."""
    return shuffled(telemetry(samples, seed), seed)


fault("F18", "one record in a hundred is poison", load=poisoned)(nothing)
fault("F19", "telemetry comes shuffled and doubled", load=disordered)(nothing)
