"""A contiguous run of records of one source partition: the unit of work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Chunk:
    """Records handed to an agent as one event.

    Attributes
    ----------
    topic, partition
        Where the records come from.
    records
        aiokafka consumer records, in offset order.
    follows
        Offset at which the chunk before this one ended, or the position that was sought.
    next_offset
        Offset after the last record.
    size
        Bytes of its keys and values.
    generation
        Consumer group generation in which the chunk was fetched.
    lost
        Offsets before the first record that the broker had deleted unread.
    """

    topic: str
    partition: int
    records: Sequence[Any]
    follows: int
    next_offset: int
    size: int
    generation: int
    lost: int = 0
