"""Two builds of the product on the same topics and the same Redis."""

import asyncio
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

from tests.faults.fleet import WORKER
from tests.faults.matrix import fault
from tests.faults.scene import Scene
from tests.faults.workload import RULES, Workload, station

OLDER = "050c4d0"
"""The last build that wrote states of format 1, with the topics and the view of today."""
REPOSITORY = Path(__file__).resolve().parents[3]
REFUSED = "state of format 02; this program reads"
STANDING_S = 5.0
DAY_MS = 86_400_000
CALM = ("max_gap_ms", "stale_ms", "frozen_ms")
"""Rules that lead to alarms after less than a day."""
UNKNOWN = b',"correction_s":0.0'
"""What the older build does not know in a topology."""


def absent() -> str | None:
    """Why there is no older build here; None where there is one."""
    found = _git("cat-file", "-e", f"{OLDER}^{{commit}}")
    return None if found.returncode == 0 else f"this repository has no commit {OLDER}"


def shared(samples: int, seed: int) -> Workload:
    """What both builds know and fold alike: no samples out of time, no corrections.

    And no alarms, whose order the older build does not keep.
    """
    rules = replace(RULES, correction_ms=0, rating_w=None, **dict.fromkeys(CALM, DAY_MS))
    plain = station(8, samples, seed, strays=False, corrections=False, rules=rules)
    return Workload([(key, (value or b"").replace(UNKNOWN, b"")) for key, value in plain.records])


@fault(
    "F23",
    "an upgrade, a rollback and the upgrade again",
    slots=0,
    rounds=1,
    load=shared,
    absent=absent,
)
async def upgrade_and_back(scene: Scene) -> None:
    """The older build cannot read the states of this one: it waits, says why, and loses nothing."""
    older = scene.fleet.logs / "older"
    await asyncio.to_thread(unpack, older)
    await run(scene, older)
    await scene.folded(400)
    await run(scene, REPOSITORY)
    await scene.folded(600)
    await run(scene, older)
    await scene.until(lambda: scene.fleet.said(REFUSED), 60, "refusing states of this build")
    before = scene.watch.folded
    await asyncio.sleep(STANDING_S)
    if scene.watch.folded > before:
        scene.complain("I1", "the older build has folded on over states that it cannot read")
    await run(scene, REPOSITORY)


async def run(scene: Scene, build: Path) -> None:
    """Two workers of a build, in the place of those that run."""
    if scene.fleet.slots:
        await scene.send_workers_home()
    scene.fleet.environment = {**scene.fleet.environment, "PYTHONPATH": str(build)}
    # With -P, or the folder of the rig would come before the older build.
    scene.fleet.command = WORKER if build == REPOSITORY else ("-P", "-m", "stream_app", "worker")
    for slot in (0, 1):
        scene.fleet.add(slot)


def unpack(folder: Path) -> None:
    """The files of the older build."""
    archive = _git("archive", OLDER)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, check=False)
