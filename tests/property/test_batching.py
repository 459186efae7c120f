"""How messages are cut into batches is nobody's business."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.messages import Message
from tests.property.strategies import batchings, histories, run

MANY = settings(max_examples=200)


@MANY
@given(data=st.data(), messages=histories())
def test_results_and_state_do_not_depend_on_batching(
    data: st.DataObject, messages: list[Message]
) -> None:
    one_by_one = run([[message] for message in messages])

    batched = run(data.draw(batchings(messages)))

    assert batched.results == one_by_one.results
    assert batched.state == one_by_one.state


@MANY
@given(data=st.data(), messages=histories())
def test_snapshot_and_restore_in_the_middle_change_nothing(
    data: st.DataObject, messages: list[Message]
) -> None:
    batches = data.draw(batchings(messages))

    restored = run(batches, restored=True)

    straight = run(batches)
    assert restored.results == straight.results
    assert restored.state == straight.state


@MANY
@given(data=st.data(), messages=histories())
def test_alarms_come_in_the_same_order(data: st.DataObject, messages: list[Message]) -> None:
    one_by_one = run([[message] for message in messages])

    batched = run(data.draw(batchings(messages)))

    assert batched.outputs.findings == one_by_one.outputs.findings
