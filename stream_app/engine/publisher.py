"""How a chunk's records reach Kafka: in one transaction, or at least once."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.codec import zstd_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder

TRANSACTION_TIMEOUT_MS = 60_000

OUTCOME_SECONDS = 30.0
"""How long a commit may go unanswered."""

ZSTD_LEVEL = 1
"""Packs results at 700 MB/s instead of the 260 of the usual 3, and a tenth smaller."""

Offsets = Mapping[TopicPartition, int]
CommitOffsets = Callable[[Offsets], Awaitable[None]]


@dataclass(frozen=True)
class Produce:
    """A record to publish. ``time`` is in ms UTC, None for now."""

    topic: str
    key: bytes
    value: bytes
    time: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def pack_lightly() -> None:
    """Have all producers of this process pack at ``ZSTD_LEVEL``; aiokafka has no setting for it."""
    packing = sys.modules[DefaultRecordBatchBuilder.__module__]
    vars(packing)["zstd_encode"] = partial(zstd_encode, level=ZSTD_LEVEL)


class OutcomeUnknownError(Exception):
    """Whether a transaction was committed cannot be known by who asked for it."""


class TopicLostError(Exception):
    """A topic ends before what was published to it: it was made anew, or lost its end."""


class Publisher(Protocol):
    """Sends the records of one partition's chunks; any exception leaves their fate open."""

    fences: bool
    """Whether starting it shuts the last owner of the partition out."""

    async def start(self) -> None:
        """Be ready to publish."""

    async def publish(
        self,
        records: Sequence[Produce],
        partition: int,
        source: Offsets,
        outputs: Sequence[Produce] = (),
        since: int = 0,
    ) -> int:
        """Make records last; with them, where it can be, that the source is folded so far.

        ``outputs`` last wherever any of the records does.

        Returns
        -------
        Offset of the last record.

        Raises
        ------
        TopicLostError
            The records came to lie before the offset ``since``; what is in transactions is undone.
        """

    async def shown(self, source: Offsets) -> None:
        """The view shows what was published."""

    async def stop(self) -> None:
        """Close the connection."""


class ExactlyOnce:
    """Outputs, states and source offsets become visible together or not at all."""

    fences = True

    def __init__(self, client: Mapping[str, Any], transactional_id: str, group: str) -> None:
        self._producer = _producer(
            client,
            transactional_id=transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )
        _commit_once(self._producer)
        self._group = group

    async def start(self) -> None:
        await self._producer.start()

    async def publish(
        self,
        records: Sequence[Produce],
        partition: int,
        source: Offsets,
        outputs: Sequence[Produce] = (),
        since: int = 0,
    ) -> int:
        try:
            await self._producer.begin_transaction()
            offsets = await _send(self._producer, [*outputs, *records], partition)
            _check_end(records[0], offsets[len(outputs)], since)
            await self._commit(source)
        except Exception:
            why = _why_it_ended(self._producer)
            if why is None:
                raise
            # What failed first is a call that found the transaction ended under it.
            raise why  # noqa: B904 - it has a cause of its own
        return offsets[-1]

    async def _commit(self, source: Offsets) -> None:
        if source:
            await self._producer.send_offsets_to_transaction(source, self._group)
        async with asyncio.timeout(OUTCOME_SECONDS):
            await self._producer.commit_transaction()

    async def shown(self, source: Offsets) -> None:
        """Nothing: the source offsets went with the transaction."""

    async def stop(self) -> None:
        await self._producer.stop()


class AtLeastOnce:
    """Outputs are acknowledged by all replicas before the states, and those before the offset.

    After a crash the records of an unfinished chunk come once more, with the same ids.
    """

    fences = False

    def __init__(self, client: Mapping[str, Any], commit_offsets: CommitOffsets) -> None:
        self._producer = _producer(client, enable_idempotence=True)
        self._commit_offsets = commit_offsets

    async def start(self) -> None:
        await self._producer.start()

    async def publish(
        self,
        records: Sequence[Produce],
        partition: int,
        source: Offsets,  # noqa: ARG002
        outputs: Sequence[Produce] = (),
        since: int = 0,
    ) -> int:
        # Who takes over goes on from the records: what they account for must be there before them.
        if outputs:
            await _send(self._producer, outputs, partition)
        offsets = await _send(self._producer, records, partition)
        _check_end(records[0], offsets[0], since)
        return offsets[-1]

    async def shown(self, source: Offsets) -> None:
        await self._commit_offsets(source)

    async def stop(self) -> None:
        await self._producer.stop()


def _commit_once(producer: AIOKafkaProducer) -> None:
    """Have the client ask once to end a transaction; anything but yes is an error.

    It would ask again on another connection, while the first request may be on its way still: that
    one would then end the transaction after this one in its midst.
    """
    sender = producer._sender  # noqa: SLF001 - aiokafka has no public way
    manager, ask = sender._txn_manager, sender._do_txn_commit  # noqa: SLF001

    async def once(commit_result: Any) -> None:
        await ask(commit_result)
        if manager.needs_transaction_commit() is not None:
            manager.error_transaction(OutcomeUnknownError("a commit was not answered with yes"))

    sender._do_txn_commit = once  # noqa: SLF001


def _why_it_ended(producer: AIOKafkaProducer) -> BaseException | None:
    """The error with which the client ended its transaction; None where it has not."""
    end = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001 - no public way
    return end.exception() if end is not None and end.done() and not end.cancelled() else None


def _producer(client: Mapping[str, Any], **kind: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **client,
        **kind,
        compression_type="zstd",
        linger_ms=1,
        max_batch_size=1 << 20,
        max_request_size=16 << 20,
    )


def _check_end(record: Produce, found: int, since: int) -> None:
    if found < since:
        raise TopicLostError(
            f"{record.topic} ended at offset {found}, and {since} was next: it was made anew, or "
            "lost its end"
        )


async def _send(
    producer: AIOKafkaProducer, records: Sequence[Produce], partition: int
) -> list[int]:
    """Offsets of the records, all acknowledged."""
    # The broker refuses records that are dated ahead of its clock.
    now_ms = int(time.time() * 1000)
    futures: list[asyncio.Future[Any]] = []
    for each in records:
        future = await producer.send(
            each.topic,
            value=each.value,
            key=each.key,
            partition=partition,
            timestamp_ms=None if each.time is None else min(each.time, now_ms),
            headers=list(each.headers),
        )
        futures.append(future)
    await producer.flush()
    return [each.offset for each in await asyncio.gather(*futures)]
