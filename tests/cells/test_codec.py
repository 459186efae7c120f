"""Records of batteries and meters, in JSON and in binary: read back as written, or refused."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.battery import BatteryMessage, decode_battery, encode_battery
from stream_app.codec.packed import MAGIC, encode_packed
from stream_app.core.battery import (
    Battery,
    BatteryRules,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.messages import EndOfData, Heartbeat
from tests.cells.strategies import COLUMNS, degrees, volts

KEY, METER_KEY = "station/battery/b1", "station/meter/m1"
TIMES = np.array([1_743_861_000_000, 1_743_861_001_000], dtype=np.int64)
CELLS = CellSamples(
    "1",
    TIMES,
    np.array([[3.301, np.nan, 3.299], [3.3, 3.31, 3.298]]),
    np.array([[25.0, 25.1, np.nan], [np.nan, 25.2, 25.3]]),
    np.array([-70.5, np.nan]),
    np.array([np.nan, 0.5]),
)
RULES = {"interval_s": 60, "max_gap_s": 180, "skew_s": 3600, "rest_a": 1, "rest_s": 1800}
BATTERY = {
    "kind": "battery",
    "v": 1,
    "site": "station",
    "system": "b1",
    "zone": "Europe/Berlin",
    "packs": {"1": {"cells": 52}},
    "rules": RULES,
}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return np.array_equal(left, right, equal_nan=True)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if hasattr(left, "times"):
        return type(left) is type(right) and same(vars(left), vars(right))
    return bool(left == right)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (KEY, CELLS),
        (KEY, CellSamples("p", TIMES, None, np.array([[1.0], [2.0]]))),
        (KEY, SystemSamples(TIMES, {"soc_ratio": np.array([0.5, np.nan])})),
        (METER_KEY, MeterSamples(TIMES, {"power_w": np.array([1e6, -1.5])})),
        (METER_KEY, MeterPoint("station", "m1", "Europe/Berlin", 60_000, 180_000, 0)),
        (KEY, Heartbeat(int(TIMES[0]))),
        (KEY, EndOfData(int(TIMES[0]))),
        (
            KEY,
            Battery(
                "station",
                "b1",
                "Europe/Berlin",
                {"1": 52, "2": 52},
                BatteryRules(1000, 2000, 3000, 0.5, 60_000, 180_000, {"soc_ratio": 9000}),
                "nmc",
                "none",
                280.0,
                1e6,
                "2023-04-01",
                {"fa1_ErrCode": "max", "pcs1_t_env": "extremes"},
            ),
        ),
    ],
)
def test_what_is_written_is_read_again(key: str, message: BatteryMessage) -> None:
    assert same(decode_battery(key, encode_battery(message)), message)


@settings(max_examples=60)
@given(data=st.data())
def test_binary_and_json_say_the_same(data: st.DataObject) -> None:
    rows, cells = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))

    def matrix(values: st.SearchStrategy[float]) -> np.ndarray:
        row = st.lists(values, min_size=cells, max_size=cells)
        return np.array([data.draw(row) for _ in range(rows)])

    columns = [matrix(volts), matrix(degrees), matrix(degrees)[:, 0], matrix(volts)[:, 0] / 100]
    present = [data.draw(st.booleans()) for _ in columns]
    present[data.draw(st.integers(0, 1))] = True
    shown = [each if is_there else None for each, is_there in zip(columns, present, strict=True)]
    samples = CellSamples("1", TIMES[0] + np.arange(rows, dtype=np.int64), *shown)

    json_form = decode_battery(KEY, encode_battery(samples))
    binary = decode_battery(KEY, encode_battery(samples, packed=True))

    assert isinstance(json_form, CellSamples)
    assert isinstance(binary, CellSamples)
    assert same(binary.times, json_form.times)
    for name in COLUMNS:
        left, right = getattr(json_form, name), getattr(binary, name)
        assert (left is None) == (right is None)
        if left is not None:
            assert same(left.astype(np.float32), right)


def test_a_battery_of_which_no_cell_is_known_has_no_packs() -> None:
    found = decode_battery(KEY, changed(packs={}))

    assert isinstance(found, Battery)
    assert found.packs == {}


def changed(**fields: Any) -> bytes:
    return json.dumps({**BATTERY, **fields}).encode()


def cells(**fields: Any) -> bytes:
    plain = {"kind": "cells", "v": 1, "pack": "1", "t": TIMES.tolist()}
    return json.dumps({**plain, **fields}).encode()


def packed(**head: Any) -> bytes:
    """A packed record of one row and cell, with another head."""
    fields = {"v": 1, "pack": "1", "rows": 1, "cells": 1, "columns": ["voltage_v"], **head}
    data = msgspec.msgpack.encode(fields)
    front = MAGIC + len(data).to_bytes(4, "little") + data
    return front + bytes(-len(front) % 8) + TIMES[:1].tobytes() + np.float32(3.3).tobytes()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            changed(packs={str(n): {"cells": 1} for n in range(257)}),
            "the battery has 257 packs; at most 256 are read",
        ),
        (changed(packs={"1": {"cells": 0}}), "pack 1 has 0 cells; it must have 1 to 1000"),
        (changed(packs={"1": {"cells": 1001}}), "pack 1 has 1001 cells; it must have 1 to 1000"),
        (changed(site="a/b"), "must have no slash"),
        (changed(system="b2"), "the record of station/battery/b2 came under the key"),
        (changed(zone="Europe/Atlantis"), "No time zone found with key Europe/Atlantis"),
        (changed(capacity_ah=0), "capacity_ah is 0; it must be above 0, or null if not known"),
        (changed(commissioned="soon"), "commissioned is 'soon'; it must be a date like 2024-05-31"),
        (changed(rules={**RULES, "interval_s": 0}), "interval_s is 0 s; it must be 0.001 s"),
        (changed(rules={**RULES, "rest_a": -1}), "rest_a is -1 A; it must be 0 to 100000"),
        (changed(limits="lpf"), "there is no preset of limits 'lpf'; there are lfp, nmc, none"),
        (changed(more=1), "unknown field `more`"),
        (cells(), "the record has neither voltage_v nor temperature_c"),
        (cells(t=[], voltage_v=[]), "t has 0 times; it must have 1 to 100000"),
        (cells(voltage_v=[[3.3]]), "voltage_v has 1 rows for 2 times"),
        (cells(voltage_v=[[3.3], [3.3, 3.3]]), "the rows of voltage_v have 1 to 2 cells"),
        (cells(voltage_v=[[], []]), "voltage_v has 0 cells a row; it must have 1 to 1000"),
        (cells(voltage_v=[[3300], [3.3]]), "a value in voltage_v is beyond 100 V"),
        (cells(voltage_v=[[3.3], [3.3]], soc_ratio=[50, 51]), "soc_ratio is beyond 10 (a ratio"),
        (cells(voltage_v=[[3.3], [3.3]], current_a=[1]), "current_a has 1 values for 2 times"),
        (cells(voltage_v=[[3.3], [3.3]], t=[1, 2]), "a time in t lies outside 1971-2109"),
        (cells(voltage_v=[[3.3], [3.3]], t=[1 << 62, 1 << 63]), "a time in t lies outside"),
        (cells(voltage_v=[[3.3], [3.3]], pack="x" * 101), "a name of pack has 101 characters"),
        (b'{"kind":"system","v":1,"t":[1743861000000],"values":{}}', "values has 0 signals"),
        (b'{"x":' + b"[" * 100_000, "nested too deep"),
        (cells(v=2), "v is 2; this program reads version 1"),
        (b" " * (4 << 20) + b" ", "the record has 4194305 bytes; at most 4194304 are read"),
        (packed(rows=0), "the packed record has 0 rows; it must be 1 to 100000"),
        (packed(rows=2), "its head speaks of"),
        (packed(rows=-1), "the packed record has -1 rows"),
        (packed(cells=0), "the packed record has 0 cells; it must be 1 to 1000"),
        (packed(columns=["voltage_v"] * 2), "the packed record names a column twice"),
        (packed(columns=[]), "its head speaks of"),
        (packed(v=2), "v"),
        (packed()[:-1], "cut off"),
        (packed() + b"\0", "its head speaks of"),
        (packed()[:6], "cut off"),
        (MAGIC + b"\xff\xff\xff\xff", "cut off"),
        (MAGIC + b"\x01\0\0\0\xc1", "MessagePack"),
    ],
)
def test_what_cannot_be_used_says_where_and_what_to_do(value: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        decode_battery(KEY, value)


def test_a_packed_record_of_this_form_is_read() -> None:
    found = decode_battery(KEY, packed())

    assert isinstance(found, CellSamples)
    assert found.voltage_v is not None
    assert found.voltage_v.tolist() == [[pytest.approx(3.3)]]


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_never_more(data: st.DataObject) -> None:
    writers: list[Callable[[CellSamples], bytes]] = [encode_battery, encode_packed]
    value = bytearray(data.draw(st.sampled_from(writers))(CELLS))
    for place in data.draw(st.lists(st.integers(0, len(value) - 1), max_size=3)):
        value[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(value)))

    with suppress(ValueError):
        found = decode_battery(KEY, bytes(value[:end]))
        assert isinstance(found, CellSamples)


def rows_apart(cells: int, rows: int, step_ms: int) -> CellSamples:
    times = TIMES[0] + step_ms * np.arange(rows, dtype=np.int64)
    return CellSamples("1", times, np.full((rows, cells), 3.3))


@pytest.mark.parametrize("packed", [False, True])
def test_rows_far_apart_are_refused_before_they_make_many_windows(*, packed: bool) -> None:
    """A small record would else make gigabytes of them; the same rows close together are read."""
    day, second = 86_400_000, 1000
    near, far = (
        encode_battery(rows_apart(4, 30_000, step), packed=packed) for step in (second, day)
    )
    assert len(far) < 1_500_000

    assert decode_battery(KEY, near)
    with pytest.raises(ValueError, match="lie in 30000 windows of five minutes; at most 25000"):
        decode_battery(KEY, far)


def test_signals_far_apart_are_refused_likewise() -> None:
    times = TIMES[0] + 604_800_000 * np.arange(3_000, dtype=np.int64)
    samples = MeterSamples(times, {f"s{n}": np.zeros(3_000) for n in range(200)})

    with pytest.raises(ValueError, match=r"3000 rows of 200 columns .* send it as several"):
        decode_battery(METER_KEY, encode_battery(samples))
