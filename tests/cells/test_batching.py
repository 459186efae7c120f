"""How rows of cells are cut into records and batches is nobody's business."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.battery import Battery, CellSamples
from stream_app.core.cells.messages import CellsMessage
from tests.cells.generator import START_MS, Faults, battery, trace
from tests.cells.strategies import batchings, histories, run, tables, unpacked

FEW = settings(max_examples=6)
MANY = settings(max_examples=100)


@MANY
@given(data=st.data(), messages=histories())
def test_results_and_state_do_not_depend_on_batching(
    data: st.DataObject, messages: list[CellsMessage]
) -> None:
    one_by_one, state = run([[message] for message in messages])

    batched, batched_state = run(data.draw(batchings(messages)))

    assert unpacked(batched) == unpacked(one_by_one)
    assert batched.findings == one_by_one.findings
    assert tables(batched) == tables(one_by_one)
    assert batched.rows == one_by_one.rows
    assert batched_state == state


@FEW
@given(data=st.data(), seed=st.integers(0, 9), interval_s=st.sampled_from((60.0, 900.0)))
def test_what_is_found_in_days_of_a_pack_does_not_depend_on_batching(
    data: st.DataObject, seed: int, interval_s: float
) -> None:
    days = trace(seed, 2.2, Faults(3, 17, 30, 44, since_h=8.0), interval_s)
    rows = [days.samples(at, at + 1) for at in range(days.times.size)]
    whole, state = run([[battery(interval_s)], [days.samples(0, days.times.size)]])

    cut, cut_state = run([[battery(interval_s)], *data.draw(batchings(rows))])

    assert cut.findings == whole.findings
    assert tables(cut) == tables(whole)
    assert cut_state == state
    assert {"CELL_VOLTAGE_STUCK", "HOT_CELL", "WEAK_CELL"} <= {each.rule for each in cut.findings}


@settings(max_examples=60)
@given(data=st.data())
def test_a_thermal_runaway_does_not_depend_on_batching(data: st.DataObject) -> None:
    size = data.draw(st.integers(8, 30))
    steps = st.sampled_from((1000,) * 12 + (300, 500, 2000, 300_000))
    times = START_MS + np.cumsum(data.draw(st.lists(steps, min_size=size, max_size=size)))
    rises = st.sampled_from((0.0, 2.0, 3.0, 3.0, 9.0, np.nan))
    warmth = 30 + np.nancumsum(data.draw(st.lists(rises, min_size=size, max_size=size)))
    nulls = st.sampled_from((False, False, False, True))
    warmth[data.draw(st.lists(nulls, min_size=size, max_size=size))] = np.nan
    volts = data.draw(st.lists(st.sampled_from((3.3, 2.0, 2.0, np.nan)), min_size=size))
    columns = np.array(volts[:size])[:, None] + [0.0, 0.1], warmth[:, None] + [0.0, np.nan]
    pack = Battery("station", "b1", "UTC", {"1": 2})
    rows: list[CellsMessage] = [
        CellSamples("1", times[at : at + 1], *(each[at : at + 1] for each in columns))
        for at in range(size)
    ]

    whole, state = run([[pack], [CellSamples("1", times, *columns)]])
    cut, cut_state = run([[pack], *data.draw(batchings(rows))], restored=True)

    assert cut.findings == whole.findings
    assert cut_state == state


@MANY
@given(data=st.data(), messages=histories())
def test_snapshot_and_restore_in_the_middle_change_nothing(
    data: st.DataObject, messages: list[CellsMessage]
) -> None:
    batches = data.draw(batchings(messages))

    restored, restored_state = run(batches, restored=True)

    straight, state = run(batches)
    assert unpacked(restored) == unpacked(straight)
    assert restored_state == state
