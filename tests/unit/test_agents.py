"""The agent's fold of a chunk keeps going when a record makes the pipeline raise."""

import re
from dataclasses import replace

import numpy as np
import pytest

from schemas.topics import DAILY
from stream_app import agents
from stream_app.agents import fold_chunk
from stream_app.codec.limits import LARGEST_STATE
from stream_app.codec.state import snapshot
from stream_app.codec.telemetry import Record, decode, encode
from stream_app.core.messages import Configure, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.pipeline import BlockState, fold
from tests.large import KEY as LARGE
from tests.large import long_holes

KEY = b"site/1PCS1"
BLOCK = PowerBlock("site", "1PCS1", "Europe/Berlin", {"1": {"1B1": 1.0}})
TIMES = 1_700_000_000_000 + 900_000 * np.arange(3, dtype=np.int64)


def record(*, time: int, power: float) -> Record:
    samples = PowerSamples(np.array([time], dtype=np.int64), {"1": np.array([power])})
    return KEY, encode(samples)


def test_a_state_that_cannot_be_read_is_no_fault_of_the_records() -> None:
    records = [record(time=int(TIMES[0]), power=1.0)]

    with pytest.raises(ValueError, match="format 99 was written by a newer version"):
        fold_chunk(decode(records), {KEY: b"\x63 a state of the future"}, records)


def test_records_that_do_not_raise_are_folded_when_one_beside_them_does() -> None:
    records = [(KEY, encode(Configure(BLOCK)))]
    records += [record(time=int(time), power=float(at)) for at, time in enumerate(TIMES)]
    decoded = decode(records)
    decoded.inboxes[KEY.decode()].messages.append(None)  # type: ignore[arg-type]
    decoded.inboxes[KEY.decode()].places.append([4])
    table: dict[bytes, bytes] = {}

    folded = fold_chunk(decoded, table, [*records, (KEY, b"[]")])

    expected = BlockState()
    fold(expected, decode(records).inboxes[KEY.decode()].messages)
    assert list(folded.refused) == [4]
    assert table[KEY] == snapshot(expected)


class Full(dict[bytes, bytes]):
    """A table on a machine without memory."""

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise MemoryError(f"no room for {len(value)} bytes of {key!r}")


def test_too_little_memory_is_no_fault_of_the_records() -> None:
    records = [(KEY, encode(Configure(BLOCK)))]

    with pytest.raises(MemoryError):
        fold_chunk(decode(records), Full(), records)


def folded_in_parts(
    records: list[Record], size: int
) -> tuple[dict[bytes, bytes], dict[int, str], list[bytes]]:
    """States, reasons by place, and days of records folded so many at a time."""
    table: dict[bytes, bytes] = {}
    refused: dict[int, str] = {}
    daily: list[bytes] = []
    for first in range(0, len(records), size):
        part = records[first : first + size]
        folded = fold_chunk(decode(part), table, part)
        refused |= {first + place: reason for place, reason in folded.refused.items()}
        daily += [each.value for each in folded.records if each.topic == DAILY]
    return table, refused, daily


def test_a_few_samples_around_a_week_lead_to_a_state_that_kafka_takes() -> None:
    records = long_holes()
    assert sum(len(value or b"") for _, value in records) < 14_000

    at_once, refused, daily = folded_in_parts(records, len(records))

    assert refused == {}
    assert len(daily) == 7 * 96 * 4
    assert len(at_once[LARGE]) < LARGEST_STATE / 4
    assert folded_in_parts(records, 1) == (at_once, refused, daily)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_record_whose_output_is_too_large_is_refused_and_leaves_the_state_as_it_was(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample after a day closes its windows in one record; the limit is set below that."""
    times = [*TIMES.tolist(), int(TIMES[-1]) + 86_400_000]
    rules = Rules(max_gap_ms=2 * 86_400_000, skew_ms=2 * 86_400_000)
    records = [(KEY, encode(Configure(replace(BLOCK, rules=rules))))]
    records += [record(time=time, power=1000.0) for time in times]
    monkeypatch.setattr(agents, "LARGEST_OUTPUT", 2000)

    table, refused, _ = folded_in_parts(records, size)

    assert list(refused) == [4]
    assert re.fullmatch(r"a record of .* for site/1PCS1 would have \d+ bytes; .*", refused[4])
    assert table == folded_in_parts(records[:4], size)[0]


@pytest.mark.parametrize("size", [1, 5, 30])
def test_a_record_that_would_make_the_state_too_large_is_refused_in_batches_of_any_size(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sample waits for a week, and takes some 20 bytes of a state that has room for a few."""
    rules = Rules(lateness_ms=7 * 86_400_000)
    records = [(KEY, encode(Configure(replace(BLOCK, rules=rules))))]
    records += [record(time=int(TIMES[0]) + 900_000 * at, power=at + 0.5) for at in range(25)]
    room = len(folded_in_parts(records[:12], 1)[0][KEY])
    monkeypatch.setattr(agents, "LARGEST_STATE", room)

    table, refused, _ = folded_in_parts(records, size)

    assert list(refused) == list(range(12, 26))
    assert "the state of site/1PCS1 would have" in refused[12]
    assert f"at most {room} can be kept" in refused[12]
    assert table == folded_in_parts(records[:12], 1)[0]
