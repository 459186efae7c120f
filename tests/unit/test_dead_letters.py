"""Dead letters are bounded in size and rate, and which ones there are depends on offsets alone."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codec import limits
from stream_app.dead_letters import (
    LARGEST_LETTER,
    LONGEST_KEY,
    LONGEST_REASON,
    MOST_LETTERS,
    STRETCH,
    DeadLetters,
    letter,
)
from stream_app.engine.chunk import Chunk
from stream_app.engine.publisher import Produce
from tests.property.strategies import cuts

TOPIC = "bess.telemetry.v1"


def record(offset: int, key: bytes | None = b"north/1", value: bytes | None = b"{") -> Any:
    return ConsumerRecord(TOPIC, 0, offset, 0, 0, key, value, None, 0, 0, ())


def chunk(*records: ConsumerRecord, follows: int, end: int) -> Chunk:
    return Chunk(TOPIC, 0, records, follows=follows, next_offset=end, size=0, generation=1)


def told(record: ConsumerRecord, reason: str = "t is empty") -> tuple[dict[str, str], Any]:
    end = record.offset + 1
    found = letter(record, reason, chunk(record, follows=record.offset, end=end), "dead")
    return {name: text.decode() for name, text in found.headers}, found


def test_a_small_record_is_kept_as_it_came() -> None:
    headers, found = told(record(42))

    assert (found.key, found.value) == (b"north/1", b"{")
    assert headers == {
        "bess_reason": "t is empty",
        "bess_topic": TOPIC,
        "bess_partition": "0",
        "bess_offset": "42",
    }


@pytest.mark.parametrize(
    ("key", "value"), [(b"k", b"v" * (LARGEST_LETTER + 1)), (b"k" * (LONGEST_KEY + 1), b"v")]
)
def test_a_large_record_is_cut_and_says_how_large_it_was(key: bytes, value: bytes) -> None:
    headers, found = told(record(42, key, value))

    assert (found.key, found.value) == (key[:LONGEST_KEY], value[:LARGEST_LETTER])
    assert headers["bess_original_bytes"] == str(len(key) + len(value))
    assert "1024 bytes of key" in headers["bess_cut"]


@pytest.mark.parametrize(
    "reason", ["x" * 10**6, "\x1b[2J" * 10**5, "line\nline", "\ud800", "\u202e"]
)
def test_a_reason_is_short_and_safe_to_print_whatever_it_quotes(reason: str) -> None:
    shown = told(record(42), reason)[0]["bess_reason"]

    assert 0 < len(shown) <= LONGEST_REASON
    assert shown.isprintable()


def notices(records: list[Produce]) -> list[tuple[str, ...]]:
    """First and last offset and number of each notice."""
    names = ("bess_offset", "bess_last_offset", "bess_records")
    found = [dict(each.headers) for each in records if not each.key + each.value]
    return [tuple(headers[name].decode() for name in names) for headers in found]


@dataclass
class Worker:
    """Chunks go in as offsets; the tally is kept with the source offset, as a commit would."""

    refused: frozenset[int]
    published: set[int] = field(default_factory=set)
    notices: list[tuple[str, ...]] = field(default_factory=list)
    tally: int = 0
    limit: DeadLetters = field(default_factory=lambda: DeadLetters("dead"))

    def take(self, first: int, end: int) -> None:
        records = [record(offset) for offset in range(first, end)]
        bad = {place: "bad" for place in range(end - first) if first + place in self.refused}
        part = chunk(*records, follows=first, end=end)
        letters, self.tally = self.limit.letters(bad, part, self.tally)
        assert letters.limited == len(bad) - len(letters.records) + len(notices(letters.records))
        self.notices += notices(letters.records)
        self.published |= {
            int(dict(each.headers)["bess_offset"]) for each in letters.records if each.value
        }

    def restart(self) -> None:
        """Another process takes over; all that it knows is what was committed."""
        self.limit = DeadLetters("dead")


def published(
    refused: frozenset[int], parts: list[slice], restarts: set[int]
) -> tuple[set[int], list[tuple[str, ...]]]:
    worker = Worker(refused)
    for number, part in enumerate(parts):
        if number in restarts:
            worker.restart()
        if part.start < part.stop:
            worker.take(part.start, part.stop)
    return worker.published, worker.notices


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (range(0), []),
        (range(5, 8), range(5, 8)),
        (range(3000), [o for s in range(3) for o in range(1000 * s, 1000 * s + MOST_LETTERS)]),
        (range(950, 1200), [*range(950, 1000), *range(1000, 1100)]),
    ],
    ids=["none", "few", "all", "across two stretches"],
)
def test_the_first_hundred_of_a_stretch_are_published(refused: range, expected: list[int]) -> None:
    assert published(frozenset(refused), [slice(0, 3000)], set())[0] == set(expected)


@pytest.mark.parametrize("size", [1, 7, 400, 1000, 2001])
def test_a_notice_tells_how_many_of_a_stretch_are_not_published_once_it_is_over(size: int) -> None:
    refused = frozenset([*range(250, 1200), *range(2000, 2300)])
    parts = [slice(first, min(first + size, 2001)) for first in range(0, 2001, size)]

    _, found = published(refused, parts, set())

    assert found == [("0", "999", "650"), ("1000", "1999", "100")]


def test_what_the_broker_deleted_leaves_a_notice_before_the_letters_of_its_chunk() -> None:
    late = replace(chunk(record(60), record(61), follows=10, end=62), lost=50)

    letters, _ = DeadLetters("dead").letters({1: "bad"}, late, 0)

    notice, bad = letters.records
    assert dict(notice.headers) == {
        "bess_reason": (
            b"the broker deleted these offsets before they were folded: days of power can be "
            b"brought in again, rows of batteries and meters cannot "
            b"(docs/runbooks/BessRecordsLost.md)"
        ),
        "bess_topic": TOPIC.encode(),
        "bess_partition": b"0",
        "bess_offset": b"10",
        "bess_last_offset": b"59",
        "bess_records": b"50",
    }
    assert (notice.key, notice.value, bad.value) == (b"", b"", b"{")


@given(data=st.data(), runs=st.lists(st.tuples(st.integers(0, 2500), st.integers(1, 400))))
def test_neither_chunks_nor_restarts_decide_which_are_published(
    data: st.DataObject, runs: list[tuple[int, int]]
) -> None:
    refused = frozenset(o for first, count in runs for o in range(first, first + count))
    parts = data.draw(cuts(3 * STRETCH))
    restarts = data.draw(st.sets(st.integers(0, len(parts))))

    found = published(refused, parts, restarts)

    assert found == published(refused, [slice(0, 3 * STRETCH)], set())


def test_a_chunk_that_is_folded_again_gives_the_same_letters() -> None:
    worker = Worker(frozenset(range(500)))
    worker.take(0, 60)
    before = set(worker.published), worker.tally

    worker.take(60, 200)
    worker.published, worker.tally = before
    worker.restart()
    worker.take(60, 200)

    assert worker.published == set(range(MOST_LETTERS))


def test_a_stretch_that_is_passed_over_leaves_its_tally_behind() -> None:
    worker = Worker(frozenset(range(4 * STRETCH)))
    worker.take(0, 150)

    far = chunk(record(2500), follows=150, end=2501)
    letters, tally = worker.limit.letters({0: "bad"}, far, worker.tally)

    assert (worker.tally, letters.limited, tally) == (150, 0, 1)
    assert notices(letters.records[:1]) == [("0", "999", "50")]
    assert letters.records[1].value == b"{"


def test_every_limit_of_records_is_documented() -> None:
    text = Path("docs/topics.md").read_text(encoding="utf-8").replace(",", "")
    stated = set(map(int, re.findall(r"\d+", text)))

    assert limits.LARGEST_VALUE == 4 << 20
    assert {4, limits.LONGEST_KEY, limits.LONGEST_NAME, limits.MOST_TIMES} <= stated
    assert {limits.MOST_INPUTS, limits.MOST_ENCLOSURES, STRETCH, MOST_LETTERS} <= stated
