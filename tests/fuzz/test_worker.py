"""Mutated records through a real worker on Kafka: nothing stops it, and every record is counted."""

import asyncio
import os
import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families

from schemas.topics import DEAD_LETTERS, TELEMETRY
from stream_app.agents import fold_chunk
from stream_app.codec.telemetry import Record, decode
from stream_app.dead_letters import LARGEST_LETTER, LONGEST_KEY, MOST_LETTERS, STRETCH, Tally
from tests.fuzz.workload import clean, workload
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment

pytestmark = pytest.mark.kafka

RECORDS = int(os.environ.get("FUZZ_RECORDS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
PARTITIONS = 2
ROUNDS = max(5, RECORDS // 10_000)
GROWTH_MB = 64
"""Growth of a worker's memory, from after the first round to the end, that counts as flat."""

Place = tuple[int, int]


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    made = await Deployment.create(brokers, redis_url, prefix, tmp_path, partitions=PARTITIONS)
    return Deployment(made.settings.model_copy(update={"chunk_records": 500}), made.logs)


@pytest.mark.timeout(120 + RECORDS // 50)
async def test_every_mutated_record_is_folded_or_a_dead_letter_or_counted(
    deployment: Deployment,
) -> None:
    print(f"FUZZ_SEED={SEED} FUZZ_RECORDS={RECORDS}")  # noqa: T201
    records = workload(RECORDS, SEED)
    memory: list[int] = []

    with deployment.worker() as worker:
        for part in _rounds(records):
            await deployment.produce(part)
            await deployment.wait_until_done()
            memory.append(_resident_mb(worker))
        assert worker.poll() is None
        counted = await _counted(deployment)

    source = await deployment.read(TELEMETRY)
    told = await deployment.read(DEAD_LETTERS)
    letters = sorted((each for each in told if not _more(each)), key=_place_of)
    refused = _refused(source)
    published = _published(refused)
    assert len(source) == len(records)
    assert [_place_of(letter) for letter in letters] == published
    assert _bytes_of(letters) == _bytes_of_source(source, published)
    assert counted["bess_pipeline_records_total"] == len(records)
    assert counted["bess_pipeline_dead_letters_total"] == len(refused)
    limited = len(refused) - len(letters)
    assert counted["bess_pipeline_dead_letters_rate_limited_total"] == limited
    assert sum(map(_more, told)) == _over(source, refused) > 0
    assert await streamed(deployment, "test") == expected(clean(RECORDS))
    assert memory[-1] - memory[0] < GROWTH_MB
    print(  # noqa: T201
        f"{len(records)} records: {len(records) - len(refused)} folded, {len(letters)} dead "
        f"letters, {limited} rate-limited; worker's memory {memory} MB"
    )


def _rounds(records: Sequence[Record]) -> list[Sequence[Record]]:
    size = -(-len(records) // ROUNDS)
    return [records[first : first + size] for first in range(0, len(records), size)]


def _refused(source: Sequence[ConsumerRecord]) -> list[Place]:
    """Places that a fold in this process refuses, in chunks of another size than the worker's."""
    found = []
    for number in range(PARTITIONS):
        table: dict[bytes, bytes] = {}
        records = [each for each in source if each.partition == number]
        for first in range(0, len(records), 333):
            part = records[first : first + 333]
            pairs = [(each.key, each.value) for each in part]
            refused = fold_chunk(decode(pairs), table, pairs).refused
            found += [(number, part[place].offset) for place in sorted(refused)]
    return found


def _published(refused: Sequence[Place]) -> list[Place]:
    """Those that the limit lets through."""
    found = []
    for number in range(PARTITIONS):
        offsets = [offset for partition, offset in refused if partition == number]
        kept, _, _ = Tally(0, 0).after(offsets, 1 << 60)
        found += [(number, offset) for offset in kept]
    return found


def _over(source: Sequence[ConsumerRecord], refused: Sequence[Place]) -> int:
    """How many refused records are beyond the limit, in stretches of offsets that are over."""
    last = {each.partition: each.offset // STRETCH for each in source}
    stretches = Counter((number, offset // STRETCH) for number, offset in refused)
    over = (count for (number, at), count in stretches.items() if at < last[number])
    return sum(max(0, count - MOST_LETTERS) for count in over)


def _more(letter: ConsumerRecord) -> int:
    """How many records a notice stands for."""
    return int(dict(letter.headers).get("bess_records", 0))


def _place_of(letter: ConsumerRecord) -> Place:
    headers = dict(letter.headers)
    return int(headers["bess_partition"]), int(headers["bess_offset"])


def _bytes_of(letters: Sequence[ConsumerRecord]) -> list[Record]:
    return [(letter.key, letter.value) for letter in letters]


def _bytes_of_source(source: Sequence[ConsumerRecord], places: Sequence[Place]) -> list[Record]:
    records = {(each.partition, each.offset): each for each in source}
    found = (records[place] for place in places)
    return [((r.key or b"")[:LONGEST_KEY], (r.value or b"")[:LARGEST_LETTER]) for r in found]


def _resident_mb(worker: "subprocess.Popen[bytes]") -> int:
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024


async def _counted(deployment: Deployment) -> Counter[str]:
    (log,) = deployment.logs.glob("worker-*.log")
    (url,) = re.findall(r"metrics at (http://[^\s\"]+)/metrics", log.read_text())
    text = await asyncio.to_thread(_get, f"{url}/metrics")
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_total"):
                counted[sample.name] += int(sample.value)
    return counted


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()
