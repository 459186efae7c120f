"""Mutated records through the fold itself: nothing raises, and the clean blocks do not notice."""

import os
from collections.abc import Iterator
from itertools import cycle

import pytest

from schemas.topics import TOPICS
from stream_app.agents import fold_chunk
from stream_app.codec.state import snapshot
from stream_app.codec.telemetry import Record, decode
from stream_app.core.messages import Message
from stream_app.pipeline import BlockState, fold
from tests.fuzz.workload import CLEAN, clean, workload
from tests.kafka.results import canonical, expected

RECORDS = int(os.environ.get("FUZZ_RECORDS", "4000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SIZES = (1, 7, 500)


@pytest.mark.timeout(60 + RECORDS // 50)
def test_mutated_records_are_folded_or_refused_and_leave_the_others_exact() -> None:
    print(f"FUZZ_SEED={SEED} FUZZ_RECORDS={RECORDS}")  # noqa: T201
    records = workload(RECORDS, SEED)
    table: dict[bytes, bytes] = {}
    values: dict[str, list[bytes]] = {topic.suffix: [] for topic in TOPICS}
    refused: list[int] = []

    for first, part in _parts(records):
        folded = fold_chunk(decode(part), table, part)
        refused += [first + place for place in folded.refused]
        for output in folded.records:
            if output.key.startswith(CLEAN):
                values[output.topic.suffix].append(output.value)

    messages = clean(RECORDS)
    assert {k: v for k, v in table.items() if k.startswith(CLEAN)} == {
        key.encode(): _state(each) for key, each in messages.items()
    }
    assert canonical(values) == expected(messages)
    assert len(refused) == len(set(refused))
    assert RECORDS // 3 < len(refused) < RECORDS
    print(f"{len(records)} records, {len(refused)} refused")  # noqa: T201


def _parts(records: list[Record]) -> Iterator[tuple[int, list[Record]]]:
    first = 0
    for size in cycle(SIZES):
        if first >= len(records):
            return
        yield first, records[first : first + size]
        first += size


def _state(messages: list[Message]) -> bytes:
    state = BlockState()
    fold(state, messages)
    return snapshot(state)
