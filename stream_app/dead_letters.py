"""Dead letters: refused records as they came, bounded in size and rate."""

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
    """Dead letters of the stretch that source offset ``at`` lies in, from before ``at``."""

    at: int
    letters: int

    def after(self, offsets: Iterable[int], end: int) -> "tuple[list[int], Tally]":
        """Those refused offsets that become dead letters, and the tally at offset ``end``."""
        stretch, letters = self.at // STRETCH, self.letters
        kept = []
        for offset in offsets:
            if offset // STRETCH != stretch:
                stretch, letters = offset // STRETCH, 0
            if letters < MOST_LETTERS:
                kept.append(offset)
                letters += 1
        return kept, Tally(end, letters if end // STRETCH == stretch else 0)


class DeadLetters:
    """Chooses the refused records that are published: the first ones of each stretch of offsets.

    Which they are depends on the input alone, for the tally travels with the source offset.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._flooded: set[int] = set()

    def letters(
        self, refused: Mapping[int, str], chunk: Chunk, before: int
    ) -> tuple[list[Produce], int]:
        """Dead letters of a chunk, and their tally after it.

        Parameters
        ----------
        refused
            Reason by place in the chunk.
        before
            Dead letters of the stretch in which the chunk begins.
        """
        reasons = {chunk.records[place].offset: refused[place] for place in sorted(refused)}
        kept, tally = Tally(chunk.follows, before).after(reasons, chunk.next_offset)
        self._tell(chunk, len(reasons) - len(kept))
        records = {record.offset: record for record in chunk.records}
        letters = [letter(records[at], reasons[at], chunk, self._topic) for at in kept]
        return letters, tally.letters

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


def printable(text: str) -> str:
    """The text with what no terminal should get from outside written as escapes."""
    return text if text.isprintable() else repr(text)[1:-1]
