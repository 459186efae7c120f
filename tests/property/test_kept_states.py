"""States kept between chunks give what states read anew give, whatever happens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app import agents
from stream_app.agents import Folded, fold_chunk, load
from stream_app.codec.battery import encode_battery
from stream_app.codec.telemetry import Record, decode, encode
from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.messages import Configure, PowerSamples
from stream_app.core.topology import PowerBlock
from stream_app.families import BATTERY, family_of
from stream_app.kept import Kept, KeptStates
from stream_app.keys import part
from tests.cells.strategies import NEAR_A_CLOCK_CHANGE_MS, histories

Table = dict[bytes, bytes]
Accident = Literal["none", "not committed", "taken over", "another worker", "put back", "forgotten"]
accidents = st.sampled_from(get_args(Accident))

METER = MeterPoint("station", "grid", "Europe/Berlin")
BLOCK = PowerBlock("station", "1PCS1", "Europe/Berlin", {"1": {"1B1": 1.0}})
MINUTE_MS = 60_000


def between(number: int, key: bytes) -> list[Record]:
    """Telemetry of others, of the system itself, and what nobody can fold."""
    time = np.array([NEAR_A_CLOCK_CHANGE_MS + number * 7 * MINUTE_MS], dtype=np.int64)
    load = SystemSamples(time, {"soc_ratio": np.array([0.5 + number / 100])})
    stranger = CellSamples("no such pack", time, np.ones((1, 5)))
    return [
        (key, encode_battery(load)),
        (b"station/1PCS1", encode(PowerSamples(time, {"1": np.array([1000.0 * number])}))),
        (METER.key.encode(), encode_battery(MeterSamples(time, {"power_w": np.ones(1)}))),
        (key, encode_battery(stranger)),
        (key, b"no JSON"),
    ]


@st.composite
def telemetry(draw: st.DrawFn) -> list[Record]:
    """A history of a battery with records of others in between."""
    messages = draw(histories())
    assert isinstance(messages[0], Battery)
    key = messages[0].key.encode()
    records: list[Record] = [
        (b"station/1PCS1", encode(Configure(BLOCK))),
        (METER.key.encode(), encode_battery(METER)),
    ]
    for number, message in enumerate(messages):
        packed = isinstance(message, CellSamples) and number % 2 == 0
        records.append((key, encode_battery(message, packed=packed)))
        if draw(st.integers(0, 2)) == 0:
            records.append(draw(st.sampled_from(between(number, key))))
    return records


@dataclass
class Worker:
    """Folds chunks into a table of its own, with kept states or without."""

    table: Table = field(default_factory=dict)
    kept: KeptStates | None = None

    def fold(self, chunk: Sequence[Record]) -> Folded:
        return fold_chunk(decode(chunk), self.table, chunk, self.kept)

    def suffer(self, accident: Accident, chunk: Sequence[Record], backup: Table) -> None:
        """What may happen before a chunk is folded."""
        if accident == "not committed":
            committed = dict(self.table)
            self.fold(chunk)
            self.table = committed
        elif accident == "taken over":
            self.table = {key: bytes(bytearray(value)) for key, value in self.table.items()}
        elif accident == "another worker":
            Worker(self.table).fold(chunk)
        elif accident == "put back":
            self.table = dict(backup)
        elif accident == "forgotten" and self.kept is not None:
            self.kept.forget(key.decode() for key, _ in chunk if key)


def cut(records: list[Record], sizes: Sequence[int]) -> list[list[Record]]:
    edges = np.minimum(np.cumsum([0, *sizes, len(records)]), len(records)).tolist()
    return [records[a:b] for a, b in pairwise(edges) if a < b]


def told(folded: Folded) -> tuple[object, ...]:
    return folded.records, folded.refused, folded.samples, folded.late


@settings(max_examples=60)
@given(
    records=telemetry(),
    sizes=st.lists(st.integers(1, 12), max_size=12),
    happens=st.lists(accidents, min_size=24, max_size=24),
    most_bytes=st.sampled_from((1 << 28, 9_000, 0)),
    most_output=st.sampled_from((1 << 24, 2_500)),
)
def test_kept_states_change_no_result_and_no_state(
    records: list[Record],
    sizes: list[int],
    happens: list[Accident],
    most_bytes: int,
    most_output: int,
) -> None:
    keeps, reads = Worker(kept=KeptStates(most_bytes)), Worker()
    backup: Table = {}
    with pytest.MonkeyPatch.context() as patch:
        # Outputs above it have their records folded one by one.
        patch.setattr(agents, "LARGEST_OUTPUT", most_output)
        for number, (chunk, accident) in enumerate(zip(cut(records, sizes), happens, strict=False)):
            for each in (keeps, reads):
                each.suffer(accident, chunk, backup)

            assert told(keeps.fold(chunk)) == told(reads.fold(chunk))

            assert keeps.table == reads.table
            if number % 3 == 0:
                backup = dict(reads.table)


@settings(max_examples=60)
@given(records=telemetry(), sizes=st.lists(st.integers(1, 12), max_size=12))
def test_the_table_holds_every_part_as_it_is_after_each_chunk(
    records: list[Record], sizes: list[int]
) -> None:
    """Only parts that a fold touched are saved: what it does not name must not have changed."""
    worker, states = Worker(kept=KeptStates()), {}
    for chunk in cut(records, sizes):
        worker.fold(chunk)
        for key, inbox in decode(chunk).inboxes.items():
            family = family_of(key)
            state = states.setdefault(key, family.load(lambda _: None))
            refused = family.fold(state, inbox.messages).refusals
            if len({each.index for each in refused}) < len(inbox.messages):
                whole = family.save(state, None)
                expected = {key.encode() + part(*name): each for name, each in whole.items()}
                start = {place: worker.table[place] for place in expected}
                assert start == expected


def test_a_kept_state_is_had_once_and_only_while_the_table_holds_its_parts() -> None:
    hot, cold = b"hot" * 100, b"cold" * 100
    table, kept = {b"a": hot, b"b": cold}, KeptStates()
    state = Kept("state", {b"a": hot, b"b": cold})

    kept.keep("key", state)
    assert kept.take("key", table) is state
    assert kept.take("key", table) is None

    kept.keep("key", state)
    table[b"b"] = bytes(bytearray(cold))
    assert kept.take("key", table) is None


def test_states_longest_unused_go_where_there_are_too_many() -> None:
    values = {name: name.encode() * 100 for name in "abc"}
    table, kept = {name.encode(): value for name, value in values.items()}, KeptStates(200)

    for name, value in values.items():
        kept.keep(name, Kept(name, {name.encode(): value}))

    assert [kept.take(name, table) is None for name in "abc"] == [True, False, False]


def test_an_alarm_within_a_window_is_in_the_table_of_critical_cells_at_once() -> None:
    """Ten seconds of overvoltage close no window, yet they make a cell critical."""
    battery = Battery("station", "b1", "Europe/Berlin", {"1": 5})
    key, worker = battery.key.encode(), Worker(kept=KeptStates())
    worker.fold([(key, encode_battery(battery))])
    for second in range(10):
        time = np.array([NEAR_A_CLOCK_CHANGE_MS + 1000 * second], dtype=np.int64)
        worker.fold([(key, encode_battery(CellSamples("1", time, np.full((1, 5), 3.7))))])

    concerns = load(BATTERY, worker.table, battery.key).cells.packs["1"].cold.critical.concerns

    assert len(concerns) == 5
