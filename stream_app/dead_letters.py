"""Dead letters: refused records as they came, bounded in size and rate; notices of all others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from aiokafka import ConsumerRecord

from stream_app.engine.chunk import Chunk
from stream_app.engine.publisher import Produce

STRETCH = 1_000
"""Source offsets of a partition that are limited together, from a whole multiple on."""
MOST_LETTERS = 100
"""Dead letters of a stretch: enough to see what is wrong, a tenth of a broken source's records."""
LARGEST_LETTER = 1 << 20
"""Bytes of a refused value that are kept: the topics and the producer take them in any case."""
LONGEST_KEY = 1 << 10
"""Bytes of a refused key that are kept."""
LONGEST_REASON = 500
"""Characters of a reason: it may quote what came."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tally:
    """``refused`` records so far of the stretch that the ``last`` folded source offset lies in."""

    last: int
    refused: int

    def after(
        self, offsets: Iterable[int], last: int
    ) -> "tuple[list[int], list[tuple[int, int]], Tally]":
        """Go on to the offset ``last``.

        Returns
        -------
        Those of the refused ``offsets`` that become dead letters; the stretches that are over and
        had more than that, as (offset after it, how many more); the tally at ``last``.
        """
        counts = Counter({self.last // STRETCH: self.refused})
        kept = []
        for offset in offsets:
            counts[offset // STRETCH] += 1
            if counts[offset // STRETCH] <= MOST_LETTERS:
                kept.append(offset)
        stretch = last // STRETCH
        more = [
            ((each + 1) * STRETCH, count - MOST_LETTERS)
            for each, count in sorted(counts.items())
            if each < stretch and count > MOST_LETTERS
        ]
        return kept, more, Tally(last, counts[stretch])


class DeadLetters:
    """Chooses the refused records that are published: the first ones of each stretch of offsets.

    Which they are depends on the input alone, for the tally travels with the source offset. What is
    not published leaves a notice with offsets and number, and so do records that were lost.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._flooded: set[int] = set()

    def letters(
        self, refused: Mapping[int, str], chunk: Chunk, before: int
    ) -> "tuple[Letters, int]":
        """Dead letters of a chunk, and the tally of refused records after it.

        Parameters
        ----------
        refused
            Reason by place in the chunk.
        before
            Refused records so far of the stretch of the offset before the chunk.
        """
        reasons = {chunk.records[place].offset: refused[place] for place in sorted(refused)}
        last = chunk.records[-1].offset
        kept, more, tally = Tally(chunk.follows - 1, before).after(reasons, last)
        limited = len(reasons) - len(kept)
        self._tell(chunk, limited)
        records = {record.offset: record for record in chunk.records}
        found = [(at, letter(records[at], reasons[at], chunk, self._topic)) for at in kept]
        notices = [(end, limited_notice(end, count, chunk, self._topic)) for end, count in more]
        if chunk.lost:
            notices.insert(0, (chunk.follows, lost_notice(chunk, self._topic)))
        ordered = sorted(notices + found, key=lambda each: each[0])
        return Letters([each for _, each in ordered], limited), tally.refused

    def _tell(self, chunk: Chunk, limited: int) -> None:
        """Say when a flood begins, for a line a chunk would be another one."""
        if limited and chunk.partition not in self._flooded:
            log.warning(
                "refused records beyond the limit are counted, not published",
                partition=chunk.partition,
                from_offset=chunk.follows,
            )
            self._flooded.add(chunk.partition)
        elif chunk.next_offset // STRETCH > chunk.follows // STRETCH and not limited:
            self._flooded.discard(chunk.partition)


@dataclass(frozen=True)
class Letters:
    """Dead letters and notices of a chunk, in order, and how many refused are not published."""

    records: list[Produce]
    limited: int


def letter(record: ConsumerRecord, reason: str, chunk: Chunk, topic: str) -> Produce:
    """A refused record as it came, with where it stood and why in the headers."""
    key, value = record.key or b"", record.value or b""
    headers = {
        "bess_reason": printable(reason[:LONGEST_REASON])[:LONGEST_REASON],
        "bess_topic": chunk.topic,
        "bess_partition": str(chunk.partition),
        "bess_offset": str(record.offset),
    }
    if len(key) > LONGEST_KEY or len(value) > LARGEST_LETTER:
        headers["bess_cut"] = f"{LONGEST_KEY} bytes of key, {LARGEST_LETTER} bytes of value"
        headers["bess_original_bytes"] = str(len(key) + len(value))
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    # A sender may leave the time out; Kafka then says -1.
    time = max(record.timestamp, 0)
    return Produce(topic, key[:LONGEST_KEY], value[:LARGEST_LETTER], time, encoded)


def limited_notice(end: int, count: int, chunk: Chunk, topic: str) -> Produce:
    """Says how many refused records of the stretch before offset ``end`` are not published."""
    reason = (
        f"{count} refused records are not published beside the first {MOST_LETTERS} of these "
        "offsets: read them in the telemetry topic"
    )
    after = next(record for record in chunk.records if record.offset >= end)
    return _notice(reason, end - STRETCH, end - 1, count, after, chunk, topic)


def lost_notice(chunk: Chunk, topic: str) -> Produce:
    """Says which offsets before a chunk the broker deleted before they were folded."""
    reason = (
        "the broker deleted these offsets before they were folded: days of power can be brought in "
        "again, rows of batteries and meters cannot (docs/runbooks/BessRecordsLost.md)"
    )
    last = chunk.follows + chunk.lost - 1
    return _notice(reason, chunk.follows, last, chunk.lost, chunk.records[0], chunk, topic)


def _notice(
    reason: str, first: int, last: int, count: int, at: ConsumerRecord, chunk: Chunk, topic: str
) -> Produce:
    headers = {
        "bess_reason": reason,
        "bess_topic": chunk.topic,
        "bess_partition": str(chunk.partition),
        "bess_offset": str(first),
        "bess_last_offset": str(last),
        "bess_records": str(count),
    }
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    return Produce(topic, b"", b"", max(at.timestamp, 0), encoded)


def printable(text: str) -> str:
    """The text with what no terminal should get from outside written as escapes."""
    return text if text.isprintable() else repr(text)[1:-1]
