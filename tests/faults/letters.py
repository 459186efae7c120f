"""I8: what the dead-letter topic must hold, from telemetry and what was planted in it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas import topics as contract
from stream_app.dead_letters import LONGEST_REASON, MOST_LETTERS, STRETCH, printable
from tests.faults.evidence import Evidence, Record
from tests.faults.golden import Golden
from tests.faults.workload import Record as Sent

Place = tuple[int, int]
"""Partition and offset."""
NOT_REFUSED = "the fold takes it"


@dataclass(frozen=True)
class Letter:
    """A dead letter, or a notice of records that are not published; headers sorted by name."""

    partition: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r:.100}" for name, value in self.headers)
        return (
            f"letter of partition {self.partition}, time {self.time}, {told}, "
            f"key {self.key!r:.40}, value {self.value!r:.60}"
        )


def dead_letters(evidence: Evidence, right: Golden, poison: Iterable[Sent]) -> list[str]:
    """I8: dead letters are the planted records as they were sent, each once, with place and reason.

    Of each stretch of offsets the first ones, and a notice with the number of the others once it is
    over; and a notice of offsets that were deleted before they were folded.
    """
    planted, words = set(poison), []
    refused: dict[Place, str] = {}
    for record in evidence.of(contract.TELEMETRY):
        place = record.partition, record.offset
        if (record.key, record.value) in planted:
            refused[place] = right.refused.get(place, NOT_REFUSED)
        elif place in right.refused:
            words.append(f"a good record at {place} is refused: {right.refused[place]}")
    expected = Counter(_expected(evidence, refused))
    found = Counter(map(_found, evidence.of(contract.DEAD_LETTERS)))
    return words + [
        f"{found[each]} times, not {expected[each]}: {each}"
        for each in sorted(expected.keys() | found.keys(), key=str)
        if expected[each] != found[each]
    ]


def _expected(evidence: Evidence, refused: Mapping[Place, str]) -> Iterator[Letter]:
    for partition, records in evidence.input().items():
        yield from _lost(evidence.source, records)
        stretches: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            if (partition, record.offset) in refused:
                stretches[record.offset // STRETCH].append(record)
        for number, bad in stretches.items():
            for each in bad[:MOST_LETTERS]:
                yield _letter(evidence.source, each, refused[partition, each.offset])
            end = (number + 1) * STRETCH
            after = [each for each in records if each.offset >= end]
            if after and len(bad) > MOST_LETTERS:
                span = end - STRETCH, end - 1
                yield _notice(evidence.source, after[0], *span, len(bad) - MOST_LETTERS)


def _lost(source: str, records: Sequence[Record]) -> Iterator[Letter]:
    expected = 0
    for record in records:
        if (count := record.offset - expected) > 0:
            yield _notice(source, record, expected, record.offset - 1, count)
        expected = record.offset + 1


def _letter(source: str, record: Record, reason: str) -> Letter:
    headers = _headers(source, record, record.offset)
    headers["bess_reason"] = printable(reason[:LONGEST_REASON])[:LONGEST_REASON]
    return _made(record, record.key or b"", record.value or b"", headers)


def _notice(source: str, after: Record, first: int, last: int, count: int) -> Letter:
    told = {"bess_last_offset": str(last), "bess_records": str(count)}
    return _made(after, b"", b"", {**_headers(source, after, first), **told})


def _headers(source: str, record: Record, offset: int) -> dict[str, str]:
    place = {"bess_partition": str(record.partition), "bess_offset": str(offset)}
    return {"bess_topic": source, **place}


def _made(record: Record, key: bytes, value: bytes, headers: Mapping[str, str]) -> Letter:
    encoded = tuple(sorted((name, text.encode()) for name, text in headers.items()))
    return Letter(record.partition, record.time, key, value, encoded)


def _found(record: Record) -> Letter:
    headers = dict(record.headers)
    # What a notice says is for people; what it tells is in its other headers.
    if "bess_records" in headers and headers.get("bess_reason"):
        del headers["bess_reason"]
    told = tuple(sorted(headers.items()))
    return Letter(record.partition, record.time, record.key, record.value, told)
