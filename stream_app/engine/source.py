"""Whether a source partition still is the one that its state was folded from."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP

from stream_app.engine.position import Mark, mark_of

MARK_SECONDS = 30.0
MARKER = 1
"""Offsets that a gap may have without a question: the marker that ends a transaction."""


class SuspendedError(Exception):
    """A partition must not be folded until a person has decided; the text says what and how."""


def behind(tp: TP, end: int, folded: int) -> str:
    """What to tell of a source that ends before what was folded of it."""
    return (
        f"source behind state: {tp.topic} partition {tp.partition} has offset {end} next, but "
        f"{folded} are folded; the topic was made anew, or lost its end. Stop the workers and say "
        f"from where to go on: bess state realign --partition {tp.partition} --to start|end"
    )


def check_source(tp: TP, folded: int | None, end: int, committed: int | None) -> str | None:
    """Compare what the state has folded with what the topic holds and the group committed.

    Parameters
    ----------
    folded
        Next offset to fold, None before the first.
    end
        Next offset of the topic's partition.
    committed
        The group's offset, None where it has none.

    Returns
    -------
    What to warn of, or None.

    Raises
    ------
    SuspendedError
        The topic ends before what is already folded, or the state lacks what once was folded.
    """
    if folded is not None and folded > end:
        raise SuspendedError(behind(tp, end, folded))
    if committed is not None and committed > (folded or 0):
        raise SuspendedError(_state_lost(tp, folded or 0, committed))
    if committed is not None and committed != (folded or 0):
        return (
            f"the group has committed offset {committed} of {tp.topic} partition {tp.partition}, "
            f"the state has folded up to {folded or 0}: it goes on from the state"
        )
    return None


def _state_lost(tp: TP, folded: int, committed: int) -> str:
    return (
        f"state behind group: {committed} of {tp.topic} partition {tp.partition} are folded and "
        f"published, but changelog and Redis know of {folded}; both have lost states. Stop the "
        "workers and bring a backup back with `bess state import --into-changelog`, or count and "
        "publish again what the topic still holds: "
        f"bess state realign --partition {tp.partition} --to start"
    )


def check_mark(tp: TP, mark: Mark, found: Mark | None) -> None:
    """Compare the newest record that was folded with what the topic has at its offset.

    Parameters
    ----------
    found
        None where that offset has no record.

    Raises
    ------
    SuspendedError
        It is another one.
    """
    if found != mark:
        raise SuspendedError(
            f"another source: offset {mark[0]} of {tp.topic} partition {tp.partition} is not the "
            "record that was folded there; the topic was made anew, or lost its end and grew "
            "again. Stop the workers and say from where to go on: "
            f"bess state realign --partition {tp.partition} --to start|end"
        )


async def read_mark(consumer: AIOKafkaConsumer, tp: TP, offset: int) -> Mark | None:
    """The mark of a record, None where there is none at that offset, but something after it.

    Raises
    ------
    TimeoutError
        The broker gives nothing for a while.
    """
    consumer.assign([TopicPartition(*tp)])
    consumer.seek(TopicPartition(*tp), offset)
    async with asyncio.timeout(MARK_SECONDS):
        while await consumer.position(TopicPartition(*tp)) <= offset:
            for records in (await consumer.getmany(timeout_ms=200, max_records=1)).values():
                if records[0].offset == offset:
                    return mark_of(offset, records[0].key, records[0].value)
    return None


@dataclass
class Gaps:
    """Offsets that a fetch skipped, by partition.

    Markers of transactions and aborted records take offsets too. A longer gap is read once more,
    for a client may have skipped what is there; ``lost`` counts what the broker no longer has.
    """

    lost: dict[TP, int] = field(default_factory=dict)
    _asked: dict[TP, int] = field(default_factory=dict)

    def is_new(self, tp: TP, expected: int, found: int) -> bool:
        """Whether records from ``expected`` on are to be asked for once more."""
        if found - expected <= MARKER or self._asked.get(tp) == expected:
            return False
        self._asked[tp] = expected
        return True


def lost(expected: int, first_kept: int, found: int) -> int:
    """Offsets from ``expected`` on that the broker deleted before ``found`` could be read."""
    return max(0, min(first_kept, found) - expected)


async def committed(client: Mapping[str, Any], group: str) -> dict[TP, int]:
    """Offsets that a consumer group has committed.

    A take-over judges by them: where no coordinator answers it fails, instead of taking that for a
    group which has committed nothing, as those do who only look.
    """
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {TP(*tp): at.offset for tp, at in found.items() if at.offset >= 0}
