"""How rows of cells are cut into records and batches is nobody's business."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.cells.messages import CellsMessage
from tests.cells.strategies import batchings, histories, run, unpacked

MANY = settings(max_examples=150, deadline=None)


@MANY
@given(data=st.data(), messages=histories())
def test_results_and_state_do_not_depend_on_batching(
    data: st.DataObject, messages: list[CellsMessage]
) -> None:
    one_by_one, state = run([[message] for message in messages])

    batched, batched_state = run(data.draw(batchings(messages)))

    assert unpacked(batched) == unpacked(one_by_one)
    assert batched.rows == one_by_one.rows
    assert batched_state == state


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
