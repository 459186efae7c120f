"""Waiting until the workers have folded all telemetry."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.errors import CoordinatorNotAvailableError, NotCoordinatorError

from stream_app.reading import Offsets, StreamError, Topics

POLL_S = 0.5


@dataclass(frozen=True)
class Lag:
    """How far a group of workers is: records that are not folded yet, of all; both about.

    Transaction markers count as records here; ``started`` is False before the first commit.
    """

    behind: int
    total: int
    started: bool


async def wait_for_workers(
    topics: Topics, topic: str, group: str, on_lag: Callable[[Lag], None], patience_s: float
) -> None:
    """Wait until a group has committed all that the topic holds now.

    Parameters
    ----------
    patience_s
        Time without any headway after which to give up [s].

    Raises
    ------
    StreamError
        The group made no headway for ``patience_s``.
    """
    partitions = await topics.partitions(topic)
    goal = await topics.ends(partitions, open_too=True)
    first = await topics.beginnings(partitions)
    clock = asyncio.get_running_loop()
    best, since = None, clock.time()
    while True:
        committed = await _committed(topics, group, first)
        done = {each: max(committed.get(each, 0), first[each]) for each in partitions}
        if not await topics.holds_records(done, goal):
            return
        lag = _lag(first, done, goal, started=bool(committed))
        on_lag(lag)
        if best is None or lag.behind < best:
            best, since = lag.behind, clock.time()
        if clock.time() - since > patience_s:
            raise StreamError(_stalled(lag, group, patience_s))
        await asyncio.sleep(POLL_S)


async def _committed(topics: Topics, group: str, partitions: Offsets) -> Offsets:
    try:
        found = await topics.admin.list_consumer_group_offsets(group, partitions=list(partitions))
    except (CoordinatorNotAvailableError, NotCoordinatorError):
        return {}
    return {each: position.offset for each, position in found.items() if position.offset >= 0}


def _lag(first: Offsets, done: Offsets, goal: Offsets, *, started: bool) -> Lag:
    behind = sum(max(goal[each] - done[each], 0) for each in goal)
    return Lag(behind, sum(goal[each] - first[each] for each in goal), started)


def _stalled(lag: Lag, group: str, patience_s: float) -> str:
    what = f"are {lag.behind} records behind" if lag.started else "have not committed anything yet"
    return (
        f"the workers of group {group} {what} and made no headway for {patience_s:.0f} s: start "
        "`bess worker`, or see what there is with `bess report --no-wait`"
    )
