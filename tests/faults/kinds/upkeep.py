"""What an operator does to states: backup and restore."""

import asyncio
import subprocess
import sys

from redis.asyncio import Redis

from tests.faults.matrix import fault
from tests.faults.scene import Scene

COMMAND_S = 60.0


@fault("F24", "Redis is replaced, its states come from a backup", rounds=2)
async def restore(scene: Scene) -> None:
    """The backup is older than the changelog: workers catch up with what has come since."""
    file = str(scene.fleet.logs / "backup")
    await scene.folded(400)
    await bess(scene, "state", "export", file)
    await scene.folded(300)
    slots = await scene.send_workers_home()
    async with Redis.from_url(scene.stack.direct.redis_url) as redis:
        await redis.flushall()
    await bess(scene, "state", "import", file)
    for slot in slots:
        scene.fleet.add(slot)


async def bess(scene: Scene, *words: str) -> None:
    """Run a command of the product; one that fails is a complaint."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "stream_app", *words],
        env=dict(scene.fleet.environment),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    if done.returncode:
        command = " ".join(words[:2])
        scene.complain("I9", f"bess {command} ends with {done.returncode}: {done.stderr[-500:]}")
