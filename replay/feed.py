"""What a replay needs of an export, whatever its files look like."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from replay.config import Config
from replay.issues import Issues
from replay.wire import Samples
from schemas.topics import Topic
from stream_app.core.energy import Ints

ROWS = 500

S_co = TypeVar("S_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Batch(Generic[S_co]):
    """Consecutive rows of an export.

    Attributes
    ----------
    file
        Name of the file that they are of.
    next_row
        Row of the export, over all files, at which reading can go on after this batch.
    times
        (n,) [ms UTC] of the rows that are used, in file order.
    samples
        Key and samples; rows in which a key has no value at all are left out.
    clock_ms
        Newest credible event time so far [ms UTC], None before the first: a time far ahead that
        nothing follows is not believed. The data end at this plus one interval.
    """

    file: str
    next_row: int
    times: Ints
    samples: Sequence[tuple[str, S_co]]
    clock_ms: int | None


class Feed(Protocol):
    """An export that can be published: see ``replay.export`` and ``replay.signals.export``.

    Attributes
    ----------
    config
        How to read it.
    interval_ms
        Shortest nominal time between rows.
    first_ms
        Time of the first row [ms UTC].
    issues
        What the current or last pass of :meth:`batches` could not use.
    """

    config: Config
    interval_ms: int
    first_ms: int
    issues: Issues

    @property
    def files(self) -> Sequence[Path]:
        """All files that are read."""

    @property
    def total_rows(self) -> int:
        """Rows of all files, about."""

    @property
    def keys(self) -> list[str]:
        """Keys of all records, in order."""

    @property
    def values_a_row(self) -> int:
        """Values in a row of the largest record, at most."""

    @property
    def identity(self) -> list[str]:
        """What makes this export another one than others, but for the folder that it lies in."""

    def topology(self) -> list[tuple[Topic, str, bytes]]:
        """Topic, key and record of everything that must be known before the first sample."""

    def batches(
        self,
        start_row: int = 0,
        rows: int = ROWS,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> Iterator[Batch[Samples]]:
        """Read on from a row; samples in ``[from_ms, to_ms)`` only [ms UTC]."""
