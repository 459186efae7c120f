"""Names of the archive's files, and what follows from them: how far each topic is archived.

A *span* of offsets of a topic's partition becomes files of several kinds, systems and days, which
appear one by one. Each says in its name which span it is of and how many files that has, so a
span is whole or it is not, and the names alone say where to go on.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

Source = tuple[str, int]
"""Topic without the deployment's prefix, and partition."""
Place = tuple[tuple[str, str], ...]
"""Folders of a file, outermost first: ``("kind", "cells_5min"), ("site", "north"), ...``."""

SUFFIX = ".parquet"
_READY = ".ready"
_NAME = re.compile(
    r"(?P<topic>[a-z0-9.]+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<next>\d+)-"
    r"(?:(?P<number>\d+)of(?P<count>\d+)|merged)\.parquet"
)


@dataclass(frozen=True, order=True)
class Span:
    """Offsets ``first <= offset < next`` of a partition."""

    topic: str
    partition: int
    first: int
    next: int

    @property
    def source(self) -> Source:
        return self.topic, self.partition


@dataclass(frozen=True, order=True)
class FileName:
    """File ``number`` of the ``count`` of a span, from 1; 0 of 0: merged of whole spans."""

    span: Span
    number: int = 0
    count: int = 0

    def __str__(self) -> str:
        span = self.span
        which = f"{self.number}of{self.count}" if self.count else "merged"
        return f"{span.topic}-{span.partition:03}-{span.first:012}-{span.next:012}-{which}{SUFFIX}"

    @property
    def ready(self) -> str:
        """Name of a merged file that is whole, while those that it is made of may still be there.

        No reader but this program's takes it for a file of the archive.
        """
        return f".{self}{_READY}"

    @classmethod
    def parse(cls, text: str) -> "FileName | None":
        """The name of a file, also of one that is ready; None if it is no file of an archive."""
        is_ready = text.startswith(".") and text.endswith(_READY)
        found = _NAME.fullmatch(text[1 : -len(_READY)] if is_ready else text)
        if found is None:
            return None
        partition, first, after = (int(found[each]) for each in ("partition", "first", "next"))
        span = Span(found["topic"], partition, first, after)
        return cls(span, int(found["number"] or 0), int(found["count"] or 0))


def covered(names: Iterable[FileName]) -> set[FileName]:
    """Of the files of a folder those whose rows stand in a merged one, too."""
    every = list(names)
    merged = [each for each in every if not each.count]
    return {each for each in every if any(_covers(other, each) for other in merged)}


def _covers(merged: FileName, other: FileName) -> bool:
    inside = merged.span.first <= other.span.first and other.span.next <= merged.span.next
    return merged != other and merged.span.source == other.span.source and inside


@dataclass(frozen=True)
class Standing:
    """What names of files say.

    Attributes
    ----------
    positions
        Offset after the last one that is archived, by source.
    torn
        Spans of which some files are missing: at most the newest of each source.
    """

    positions: Mapping[Source, int]
    torn: frozenset[Span]


def standing(names: Iterable[FileName]) -> Standing:
    """How far each source is archived."""
    counts: dict[Span, list[int]] = defaultdict(list)
    merged: dict[Source, int] = defaultdict(int)
    for name in names:
        if name.count:
            counts[name.span].append(name.count)
        else:
            merged[name.span.source] = max(merged[name.span.source], name.span.next)
    newest: dict[Source, Span] = {}
    for span in sorted(counts):
        newest[span.source] = span
    torn = frozenset(
        span
        for source, span in newest.items()
        if len(counts[span]) < counts[span][0] and merged.get(source, 0) < span.next
    )
    positions = dict(merged)
    for source, span in newest.items():
        done = span.first if span in torn else span.next
        positions[source] = max(done, positions.get(source, 0))
    return Standing(positions, torn)


def folder(place: Place) -> str:
    """Hive-style path of a place below the archive's folder."""
    return "/".join(f"{name}={quote(value, safe='')}" for name, value in place)


def place_of(path: str) -> Place:
    """The place that a hive-style path names; a ValueError for any other."""
    parts = [part.partition("=") for part in path.split("/")]
    if not all(sign for _, sign, _ in parts):
        raise ValueError(f"{path} is no folder of an archive")
    return tuple((name, unquote(value)) for name, _, value in parts)
