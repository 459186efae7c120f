"""A short selection of the fault matrix, and the control that shows what the checker sees."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.faults.control import stock_faust
from tests.faults.expectations import Trace, one_chunk_again
from tests.faults.failpoints import STEPS, FailPoint
from tests.faults.kinds import FAULTS
from tests.faults.kinds.workers import RECOVERY_STEPS, die_at
from tests.faults.matrix import telemetry
from tests.faults.rounds import play
from tests.faults.scene import judge, quiesce, scene
from tests.faults.stack import RigStack

pytestmark = pytest.mark.kafka

SEED = 20_261_121
SHORT = (
    "a frozen worker comes back as a zombie",
    "Redis is emptied",
    "one record in a hundred is poison",
)


async def test_a_kill_at_each_step_of_a_commit_changes_nothing(
    rig: RigStack, tmp_path: Path
) -> None:
    random = Random(SEED)
    steps = [step for step in STEPS if step not in RECOVERY_STEPS]
    points = [FailPoint(step, random.choice(["before", "after"])) for step in steps]
    staging = scene(rig, telemetry(100, SEED), SEED, tmp_path)

    async with staging as here:
        await die_at(here, [(point,) for point in points])
        await quiesce(here, 60)
        violations = await judge(here)

    assert set(here.fleet.fired) == set(points)
    assert violations == []
    assert one_chunk_again(Trace([], folds=here.fleet.folds)) == []


@pytest.mark.parametrize("title", SHORT)
async def test_a_fault_changes_nothing(rig: RigStack, tmp_path: Path, title: str) -> None:
    outcome = await play(replace(FAULTS[title], samples=100), rig, SEED, tmp_path)

    assert outcome.violations == []


async def test_the_checker_sees_what_stock_faust_doubles_and_loses(
    rig: RigStack, tmp_path: Path
) -> None:
    violations = await stock_faust(rig, SEED, tmp_path)

    assert {each.invariant for each in violations} & {"I1", "I2", "I3"}
