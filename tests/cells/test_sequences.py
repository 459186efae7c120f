"""What a battery publishes under one key comes in one order, however its rows were framed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.results import Output
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery import CellSamples, SystemSamples
from stream_app.core.battery_system import BatteryState, SystemMessage, fold_battery
from tests.cells.generator import Faults, Trace, battery, trace
from tests.cells.strategies import batchings, histories
from tests.kafka.battery_results import Results, of_outputs


def published(batches: Iterable[Sequence[SystemMessage]]) -> Results:
    """Topic and key -> what came under them, in order: windows and late rows one by one."""
    state = BatteryState()
    found: list[Output] = []
    for batch in batches:
        outputs = fold_battery(state, batch)
        assert state.cells.battery is not None
        found += encode_battery_outputs(state.cells.battery, outputs)
    return of_outputs(found)


def subject(message: SystemMessage) -> str:
    """Whose rows it has; everything else concerns them all."""
    if isinstance(message, CellSamples):
        return f"pack {message.pack}"
    return "system" if isinstance(message, SystemSamples) else ""


def in_other_frames(messages: Sequence[SystemMessage]) -> list[SystemMessage]:
    """Rows of each pack and of the system on end, as a replay in large blocks sends them."""
    found: list[SystemMessage] = []
    for _, group in groupby(messages, key=lambda each: bool(subject(each))):
        found += sorted(group, key=subject)
    return found


@settings(max_examples=60)
@given(data=st.data(), cells=histories())
def test_neither_batches_nor_what_lies_beside_a_row_decide_an_order(
    data: st.DataObject, cells: list[SystemMessage]
) -> None:
    messages = [each for row in cells for each in with_system(data, row)]
    one_by_one = published([[message] for message in messages])

    assert published(data.draw(batchings(messages))) == one_by_one
    assert published(data.draw(batchings(in_other_frames(messages)))) == one_by_one


def with_system(data: st.DataObject, row: SystemMessage) -> list[SystemMessage]:
    """A row of a pack, with or without one of the system at its time."""
    if not isinstance(row, CellSamples) or data.draw(st.booleans()):
        return [row]
    values = {"soc_ratio": data.draw(st.sampled_from((0.0, 0.3, 0.5, 1.0)))}
    values["current_a"] = data.draw(st.sampled_from((-200.0, 0.0, 300.0)))
    system = SystemSamples(row.times, {name: np.array([each]) for name, each in values.items()})
    return [system, row]


@settings(max_examples=2)
@given(data=st.data(), rows=st.integers(1, 400))
def test_alarms_of_a_pack_and_of_its_system_keep_their_order(
    data: st.DataObject, rows: int
) -> None:
    rated = replace(battery(300.0, packs=2), capacity_ah=280.0)
    days = [trace(seed, 2.2, Faults(3, 17, 30, 44, since_h=8.0), 300.0) for seed in (1, 2)]
    soc = np.where(np.arange(days[0].times.size) < 200, days[0].soc_ratio, 0.4)
    whole = SystemSamples(days[0].times, {"soc_ratio": soc, "current_a": days[0].current_a})
    first = published([[rated], framed(whole, days, whole.times.size)])

    messages = framed(whole, days, rows)

    assert published([[rated], *data.draw(batchings(messages))]) == first
    keys = {key.decode() for topic, key in first if topic == "alarm.events.v1"}
    assert keys == {rated.key, f"{rated.key}/1", f"{rated.key}/2"}


def framed(system: SystemSamples, packs: Sequence[Trace], rows: int) -> list[SystemMessage]:
    """So many rows of the system, then of each pack, then the next, as a replay sends them."""
    found: list[SystemMessage] = []
    for at in range(0, system.times.size, rows):
        part = slice(at, at + rows)
        values = {name: each[part] for name, each in system.values.items()}
        found.append(SystemSamples(system.times[part], values))
        found += [each.samples(at, at + rows, pack=str(n + 1)) for n, each in enumerate(packs)]
    return found
