"""Fetched records that are still to be handed on, cut to chunks of bounded size."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from faust.types import TP


class Backlog:
    """Records by partition, in offset order.

    Parameters
    ----------
    most_records, most_bytes
        Bounds of a chunk; it holds at least one record, however large.
    """

    def __init__(self, most_records: int, most_bytes: int) -> None:
        self._most_records, self._most_bytes = most_records, most_bytes
        self._records: dict[TP, deque[Any]] = {}

    def add(self, fetched: Mapping[Any, Iterable[Any]]) -> None:
        """Put fetched records behind those that wait."""
        for tp, records in fetched.items():
            waiting = self._records.setdefault(TP(tp.topic, tp.partition), deque())
            waiting.extend(records)

    def holding(self, tps: Iterable[TP]) -> list[TP]:
        """Those partitions that have records waiting."""
        return [tp for tp in tps if self._records.get(tp)]

    def cut(self, tp: TP) -> tuple[list[Any], int]:
        """The next chunk of a partition, and its bytes."""
        waiting = self._records[tp]
        chunk = [waiting.popleft()]
        size = size_of(chunk[0])
        while waiting and len(chunk) < self._most_records and size < self._most_bytes:
            chunk.append(waiting.popleft())
            size += size_of(chunk[-1])
        return chunk, size

    def forget(self, tp: TP) -> None:
        """Drop what waits of a partition, because its position is sought anew."""
        self._records.pop(TP(tp.topic, tp.partition), None)


def size_of(record: Any) -> int:
    """Bytes of a record's key and value."""
    return len(record.key or b"") + len(record.value or b"")
