"""What the supervisor of the rig's workers makes of the way in which they end."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.faults.fleet import FENCED, Fleet

WORKER = """
import os, signal, time
def end(*_):
    {words}
    os._exit({status})
signal.signal(signal.SIGTERM, end)
print('"ready"', flush=True)
time.sleep(60)
"""
TOLD = 'print("told to stop", flush=True)'


@pytest.mark.parametrize(
    ("words", "status", "seen"),
    [(TOLD, 0, 0), (TOLD, FENCED, FENCED), ("pass", FENCED, None), ("pass", 1, 1)],
    ids=["in order", "told and not in order", "ending itself already", "an error"],
)
async def test_a_worker_must_end_in_order_once_it_has_heard_that_it_is_to_stop(
    tmp_path: Path, words: str, status: int, seen: int | None
) -> None:
    script = WORKER.format(words=words, status=status)
    async with Fleet({}, tmp_path, Random(1), command=("-c", script)) as fleet:
        fleet.add(0)
        while not fleet.said("ready"):  # noqa: ASYNC110 - another process says it
            await asyncio.sleep(0.05)

        assert await fleet.remove(0) == seen
        assert fleet.last_words(0) == ("told to stop" if words == TOLD else '"ready"')
