"""``make chaos``: the fault matrix on a Kafka and a Redis of its own, then ``out/chaos.md``."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.campaign import KILLING, Campaign
from tests.faults.kinds import FAULTS
from tests.faults.plan import Plan, PlanError
from tests.faults.stack import RigStack
from tests.faults.table import Pass, short_of

OUT = Path("out")


def say(words: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the plan of the environment; 1 where something is wrong."""
    try:
        plan = Plan.read(os.environ, {each.number for each in FAULTS.values()})
    except PlanError as error:
        say(f"error: {error}")
        return 2
    shutil.rmtree(OUT / "chaos", ignore_errors=True)
    (OUT / "chaos").mkdir(parents=True)
    logging.basicConfig(filename=OUT / "chaos" / "rig.log", level=logging.WARNING)
    say(f"CHAOS_SEED={plan.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="bess-chaos-") as folder,
        RigStack(Path(folder), say) as stack,
    ):
        found = asyncio.run(Campaign(plan, stack, OUT, say).run())
    wrong = complaints(found)
    say("\n".join([f"{OUT / 'chaos.md'}, {found.seconds / 60:.0f} min", *wrong]))
    return int(bool(wrong))


def complaints(found: Pass) -> list[str]:
    """Why a pass is no good; none where it is."""
    words = [f"{len(found.violations)} violations"] if found.violations else []
    if found.blind:
        words.append("the checker finds nothing wrong with stock Faust: it is blind")
    if found.plan.has(KILLING):
        short = short_of(found.kills, found.plan.kills)
        words += [f"too few kill points, {each}" for each in short]
    return words


if __name__ == "__main__":
    sys.exit(main())
