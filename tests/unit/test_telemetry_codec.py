"""Bytes of the telemetry topic to messages: what is read, what is refused and why."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_app.codec.limits import (
    LARGEST_VALUE,
    LONGEST_KEY,
    MOST_ENCLOSURES,
    MOST_INPUTS,
    MOST_TIMES,
)
from stream_app.codec.telemetry import Record, decode, encode, power_block, topology_record
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Heartbeat,
    Message,
    PowerSamples,
)
from stream_app.core.topology import Rules
from tests.unit.blocks import MINUTE, NAN, START, block, power

KEY = b"north/1APCS1"
RULES = {
    "method": "trapezoid",
    "interval_s": 900,
    "max_gap_s": 2700,
    "lateness_s": 0,
    "skew_s": 3600,
    "stale_s": 2700,
    "frozen_s": 21600,
    "rating_w": None,
    "resolutions": ["1h"],
}
TOPOLOGY = {
    "kind": "topology",
    "v": 1,
    "site": "north",
    "block": "1APCS1",
    "zone": "UTC",
    "inputs": {"1": {"A1": 1.0}},
    "rules": RULES,
}
POWER = {"kind": "power", "v": 1, "t": [START], "dc_power_w": {"1": [5.0]}}


def topology(**changed: Any) -> bytes:
    return json.dumps(TOPOLOGY | changed).encode()


def telemetry(**changed: Any) -> bytes:
    return json.dumps(POWER | changed).encode()


def many(count: int, value: Any) -> dict[str, Any]:
    return {str(number): value for number in range(count)}


def inputs(count: int, enclosures: int) -> dict[str, dict[str, float]]:
    return {
        str(at): {f"{at}-{each}": 1 / enclosures for each in range(enclosures)}
        for at in range(count)
    }


BAD: list[tuple[str, bytes | None, bytes | None, str]] = [
    ("no key", None, telemetry(), "no key"),
    ("empty key", b"", telemetry(), "no key"),
    ("key not UTF-8", b"\xff", telemetry(), "utf-8"),
    ("tombstone", KEY, None, "no value"),
    ("empty", KEY, b"", "no value"),
    ("not JSON", KEY, b"power!", "malformed"),
    ("cut off", KEY, telemetry()[:-3], "truncated"),
    ("arrays for ever", KEY, b"[" * 100_000, "object"),
    ("nested too deep", KEY, b'{"x":' + b"[" * 100_000, "nested too deep"),
    ("unknown kind", KEY, telemetry(kind="cells"), "Invalid value 'cells' - at `$.kind`"),
    ("no kind", KEY, b'{"v":1}', "kind"),
    ("other version", KEY, telemetry(v=2), "v is 2; this program reads version 1"),
    ("other version, other fields", KEY, b'{"x":1,"kind":"power","v":3}', "reads version 1"),
    ("version is text", KEY, telemetry(v="1"), "v is '1'; this program reads version 1"),
    ("no version", KEY, b'{"kind":"power","t":[1]}', "missing required field `v`"),
    ("unknown field", KEY, telemetry(unit="kW"), "unknown field `unit`"),
    ("no time", KEY, telemetry(t=[]), "t is empty"),
    ("no input", KEY, telemetry(dc_power_w={}), "names no DC input"),
    (
        "lengths differ",
        KEY,
        telemetry(t=[START, START]),
        "dc_power_w['1'] has 1 values for 2 times",
    ),
    ("time in seconds", KEY, telemetry(t=[START // 1000]), "outside 1971-2109"),
    ("time in microseconds", KEY, telemetry(t=[START * 1000]), "outside 1971-2109"),
    ("time is text", KEY, telemetry(t=["2025"]), "Expected `int`, got `str`"),
    ("power is text", KEY, telemetry(dc_power_w={"1": ["Bad Input"]}), "got `str`"),
    ("power beyond belief", KEY, telemetry(dc_power_w={"1": [1e12]}), "beyond 1e+08 W"),
    ("power not a number", KEY, telemetry(dc_power_w={"1": [NAN]}), "malformed"),
    ("power infinite", KEY, telemetry(dc_power_w={"1": [float("inf")]}), "malformed"),
    ("power of 1e999", KEY, telemetry().replace(b"5.0", b"1e999"), "out of range"),
    ("power of 400 digits", KEY, telemetry().replace(b"5.0", b"9" * 400), "out of range"),
    ("power true", KEY, telemetry(dc_power_w={"1": [True]}), "got `bool`"),
    ("power no list", KEY, telemetry(dc_power_w={"1": 5.0}), "Expected `array`"),
    ("time null", KEY, telemetry(t=[None]), "got `null`"),
    ("time with a fraction", KEY, telemetry(t=[START + 0.5]), "got `float`"),
    ("time as a float", KEY, telemetry(t=[float(START)]), "got `float`"),
    ("time of 100 bits", KEY, telemetry(t=[1 << 100]), "outside 1971-2109"),
    ("time of 5000 digits", KEY, telemetry().replace(b"1743", b"9" * 5000), "out of range"),
    ("time negative", KEY, telemetry(t=[-START]), "outside 1971-2109"),
    ("value not UTF-8", KEY, telemetry().replace(b'"1"', b'"\xff"'), "utf-8"),
    ("half a surrogate", KEY, telemetry().replace(b'"1"', b'"\\ud800-"'), "surrogate"),
    ("a zero byte", KEY, telemetry().replace(b'"1"', b'"\0"'), "malformed"),
    ("an escaped zero", KEY, telemetry(dc_power_w={"\0": [1.0]}), "cannot be printed"),
    ("a line end in a name", KEY, telemetry(dc_power_w={"1\n2": [1.0]}), "cannot be printed"),
    ("a name without end", KEY, telemetry(dc_power_w={"1" * 101: [1.0]}), "at most 100"),
    ("a name of nothing", KEY, telemetry(dc_power_w={"": [1.0]}), "0 characters"),
    ("key with a line end", b"north/1\n", telemetry(), "cannot be printed"),
    ("key without end", b"k" * (LONGEST_KEY + 1), telemetry(), "at most 1024"),
    ("a record without end", KEY, telemetry() + b" " * LARGEST_VALUE, "at most 4194304"),
    ("times without end", KEY, telemetry(t=[START] * (MOST_TIMES + 1)), "at most 100000"),
    ("inputs without end", KEY, telemetry(dc_power_w=many(MOST_INPUTS + 1, [1.0])), "at most 256"),
    ("end in seconds", KEY, b'{"kind":"end_of_data","v":1,"t":5}', "outside 1971-2109"),
    ("heartbeat without time", KEY, b'{"kind":"heartbeat","v":1}', "missing required field `t`"),
    (
        "topology of another block",
        b"north/2",
        topology(),
        "north/1APCS1 came under the key north/2",
    ),
    ("unknown zone", KEY, topology(zone="Mars/X"), "No time zone found with key Mars/X"),
    ("zone is a folder", KEY, topology(zone="Europe"), "No time zone found with key Europe"),
    ("zone of the machine", KEY, topology(zone="localtime"), "No time zone found"),
    ("zone with leap seconds", KEY, topology(zone="right/UTC"), "No time zone found"),
    ("zone out of the folder", KEY, topology(zone="../../etc/passwd"), "No time zone found"),
    ("zone without end", KEY, topology(zone="x" * 10_000), "No time zone found"),
    ("zone of a zero byte", KEY, topology(zone="\0"), "No time zone found"),
    ("no inputs", KEY, topology(inputs={}), "has no DC input"),
    ("many inputs", KEY, topology(inputs=inputs(MOST_INPUTS + 1, 1)), "at most 256"),
    ("many enclosures", KEY, topology(inputs=inputs(1, MOST_ENCLOSURES + 1)), "at most 1024"),
    ("an enclosure twice", KEY, topology(inputs=many(2, {"A": 1.0})), "more than one DC input"),
    ("enclosure of a bell", KEY, topology(inputs={"1": {"\a": 1.0}}), "cannot be printed"),
    ("share of 1e999", KEY, topology().replace(b"1.0", b"1e999"), "out of range"),
    ("share not a number", KEY, topology(inputs={"1": {"A": NAN}}), "malformed"),
    ("no site", b"/1APCS1", topology(site=""), "must have a name"),
    ("no enclosure", KEY, topology(inputs={"1": {}}), "DC input 1 has no enclosure"),
    ("shares", KEY, topology(inputs={"1": {"A": 0.5, "B": 0.4}}), "sum to 0.9, not 1"),
    ("negative share", KEY, topology(inputs={"1": {"A": 1.5, "B": -0.5}}), "shares of DC input 1"),
    ("negative lateness", KEY, topology(rules=RULES | {"lateness_s": -1}), "lateness_s is -1 s"),
    ("interval of zero", KEY, topology(rules=RULES | {"interval_s": 0}), "0.001 s to 7 days"),
    ("unknown method", KEY, topology(rules=RULES | {"method": "simpson"}), "simpson"),
    ("unknown window", KEY, topology(rules=RULES | {"resolutions": ["2h"]}), "2h"),
]


@pytest.mark.parametrize(("key", "value", "reason"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_record_is_set_apart_with_its_reason_and_stops_nothing(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    records: list[Record] = [(KEY, telemetry()), (key, value), (KEY, telemetry(t=[START + 1]))]

    decoded = decode(records)

    [(place, why)] = decoded.bad
    assert place == 1
    assert reason in why
    times = [t for m in samples(decoded.inbox(KEY.decode()).messages) for t in m.times.tolist()]
    assert times == [START, START + 1]


def samples(messages: list[Message]) -> list[PowerSamples]:
    return [each for each in messages if isinstance(each, PowerSamples)]


@pytest.mark.parametrize(
    "value",
    [
        topology(inputs=inputs(MOST_INPUTS, MOST_ENCLOSURES // MOST_INPUTS)),
        topology(inputs=inputs(1, MOST_ENCLOSURES)),
        telemetry(t=[START] * MOST_TIMES, dc_power_w={"1" * 100: [None] * MOST_TIMES}),
        telemetry() + b" " * (LARGEST_VALUE - len(telemetry())),
    ],
    ids=["inputs", "enclosures", "times", "bytes"],
)
def test_what_just_keeps_the_limits_is_read(value: bytes) -> None:
    assert not decode([(KEY, value)]).bad


def test_thin_records_of_a_key_become_one_message_until_something_else_comes() -> None:
    end = encode(EndOfData(START + 9))
    records: list[Record] = [
        (KEY, telemetry()),
        (b"north/2", telemetry()),
        (KEY, telemetry(t=[START + 1])),
        (KEY, end),
        (KEY, telemetry(t=[START + 2])),
    ]

    decoded = decode(records)

    inbox = decoded.inbox("north/1APCS1")
    assert inbox.places == [[0, 2], [3], [4]]
    assert [type(each) for each in inbox.messages] == [PowerSamples, EndOfData, PowerSamples]
    assert decoded.inbox("north/2").places == [[1]]


def test_inputs_in_another_order_are_the_same_inputs() -> None:
    one = telemetry(dc_power_w={"1": [1.0], "2": [2.0]})
    two = telemetry(dc_power_w={"2": [20.0], "1": [10.0]})

    [message] = samples(decode([(KEY, one), (KEY, two)]).inbox(KEY.decode()).messages)

    assert message.power_w["1"].tolist() == [1.0, 10.0]
    assert message.power_w["2"].tolist() == [2.0, 20.0]


@pytest.mark.parametrize(
    "message",
    [
        Configure(block()),
        Configure(block(Rules("left", 1, 2, 3, 4, 5, 6, 7, 8.5, ("1d",)), "Australia/Lord_Howe")),
        Heartbeat(START),
        EndOfData(START + 1),
        CorrectionBegin("c", START, START + 1),
        CorrectionEnd("c"),
    ],
    ids=["topology", "topology with other rules", "heartbeat", "end of data", "begin", "end"],
)
def test_what_is_written_is_read_again(message: Message) -> None:
    assert decode([(KEY, encode(message))]).inbox(KEY.decode()).messages == [message]


def test_samples_are_read_as_written_and_what_is_no_number_becomes_null() -> None:
    written = power([0, 15, 30], i1=[0.1, NAN, -3.3], i2=[1, float("inf"), 3])

    value = encode(written)

    [message] = samples(decode([(KEY, value)]).inbox(KEY.decode()).messages)
    assert b"null" in value
    assert np.array_equal(message.times, written.times)
    assert np.array_equal(message.power_w["1"], written.power_w["1"], equal_nan=True)
    assert np.isnan(message.power_w["2"][1])


def test_a_topology_survives_its_record() -> None:
    original = block(Rules(lateness_ms=MINUTE, rating_w=1.5), inputs={"1": {"A": 0.25, "B": 0.75}})

    assert power_block(topology_record(original)) == original


def test_a_topology_from_before_there_were_corrections_asks_for_none() -> None:
    assert "correction_s" not in RULES

    (message,) = decode([(KEY, topology(rules=RULES))]).inbox(KEY.decode()).messages

    assert isinstance(message, Configure)
    assert message.block.rules.correction_ms == 0


def test_samples_of_a_correction_are_a_message_of_their_own() -> None:
    plain, corrected = power([0], i1=[1]), replace(power([15], i1=[2]), correction="c")

    inbox = decode([(KEY, encode(each)) for each in (plain, corrected, plain)]).inbox(KEY.decode())

    assert [each.correction for each in inbox.messages] == [None, "c", None]  # type: ignore[union-attr]
    assert inbox.places == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"kind": "correction_begin", "v": 1, "id": "c", "since": 1, "until": START}, "since lies"),
        ({"kind": "correction_begin", "v": 1, "id": "c", "since": START, "until": 1}, "until lies"),
        ({"kind": "correction_begin", "v": 1, "id": "", "since": START, "until": START}, "a name"),
        ({"kind": "correction_end", "v": 1, "id": "x" * 101}, "a name of correction"),
    ],
)
def test_a_correction_out_of_bounds_is_refused(record: dict[str, object], reason: str) -> None:
    ((_, found),) = decode([(KEY, json.dumps(record).encode())]).bad

    assert reason in found
