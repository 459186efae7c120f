"""The codec reads whatever bytes come, and what it writes."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.telemetry import Record, decode, encode
from stream_app.core.messages import Message, PowerSamples
from tests.property.strategies import blocked, histories

MANY = settings(max_examples=300)

KEYS = (b"station/1APCS1", b"station/2", None, b"", b"\xff", b"k" * 2000)
nonsense = st.one_of(st.none(), st.binary(max_size=60))
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 70), 1 << 70),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(("power", "topology", "heartbeat", "end_of_data", "UTC", "trapezoid")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(("kind", "v", "t", "dc_power_w", "site", "block", "zone", "inputs"))
            | st.text(max_size=3),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)
odd_json = json_values.map(lambda value: json.dumps(value).encode())
odd_records = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(("power", "topology", "heartbeat", "end_of_data")),
        "v": st.just(1),
        "t": st.one_of(st.integers(1 << 34, 1 << 43), st.lists(st.integers(1 << 34, 1 << 43))),
    },
    optional={"dc_power_w": json_values, "inputs": json_values},
).map(lambda value: json.dumps(value).encode())


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Good records with nonsense between them."""
    good: list[Record] = [(KEYS[0], encode(message)) for message in draw(histories())]
    bad = draw(
        st.lists(st.tuples(st.sampled_from(KEYS), nonsense | odd_json | odd_records), max_size=8)
    )
    return draw(st.permutations(good[:12] + bad))


@MANY
@given(records())
def test_bytes_of_any_kind_are_read_or_refused_each_record_once(records: list[Record]) -> None:
    decoded = decode(records)

    read = [place for inbox in decoded.inboxes.values() for each in inbox.places for place in each]
    assert sorted([*read, *(place for place, _ in decoded.bad)]) == list(range(len(records)))
    assert all(reason for _, reason in decoded.bad)


@MANY
@given(records())
def test_records_are_read_together_as_one_by_one(records: list[Record]) -> None:
    together = decode(records)

    alone: dict[str, list[Message]] = {}
    bad = []
    for place, record in enumerate(records):
        single = decode([record])
        bad += [(place, reason) for _, reason in single.bad]
        for key, inbox in single.inboxes.items():
            alone.setdefault(key, []).extend(inbox.messages)
    assert together.bad == bad
    assert {k: _plain(i.messages) for k, i in together.inboxes.items() if i.messages} == {
        key: _plain(messages) for key, messages in alone.items() if messages
    }


@MANY
@given(histories())
def test_what_is_written_is_read_again(messages: list[Message]) -> None:
    decoded = decode([(KEYS[0], encode(message)) for message in messages])

    assert not decoded.bad
    assert _plain(decoded.inbox("station/1APCS1").messages) == _plain(messages)


def _plain(messages: list[Message]) -> list[object]:
    """Messages to compare: neighbours with the same inputs joined, NaN equal to itself."""
    return [
        (each.times.tolist(), {name: _values(power) for name, power in each.power_w.items()})
        if isinstance(each, PowerSamples)
        else each
        for each in blocked(
            [
                PowerSamples(each.times, dict(sorted(each.power_w.items())))
                if isinstance(each, PowerSamples)
                else each
                for each in messages
            ]
        )
    ]


def _values(power: np.ndarray) -> list[str]:
    return [repr(value) for value in power.tolist()]
