"""A Redis that goes away, comes back with less, shows something else, or is slow."""

import asyncio
import signal
from typing import Any

from redis.asyncio import Redis

from stream_app.engine.view import RedisView
from tests.faults.matrix import fault
from tests.faults.scene import Scene


@fault("F11", "Redis is killed and comes back", bound_s=20)
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
