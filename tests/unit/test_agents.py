"""The agent's fold of a chunk keeps going when a record makes the pipeline raise."""

import numpy as np
import pytest

from stream_app.agents import fold_chunk
from stream_app.codec.state import snapshot
from stream_app.codec.telemetry import Record, decode, encode
from stream_app.core.messages import Configure, PowerSamples
from stream_app.core.topology import PowerBlock
from stream_app.pipeline import BlockState, fold

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
