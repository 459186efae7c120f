"""What stands of a battery system is what was raised and not cleared, whatever happened to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.battery import Battery
from stream_app.core.battery_system import BatteryState, SystemMessage, fold_battery
from stream_app.core.cells.messages import CellsMessage
from stream_app.core.standing import standing
from tests.cells.strategies import histories
from tests.property.test_health import batteries_with_rows


def follow(messages: Sequence[SystemMessage]) -> set[str]:
    """Fold messages one by one; gives the rules that ever stood."""
    state, open_alarms, seen = BatteryState(), Counter[str](), set[str]()
    for message in messages:
        outputs = fold_battery(state, [message])
        for each in (*outputs.cells.findings, *outputs.changes):
            open_alarms[each.rule] += 1 if each.raised else -1
        assert standing(state) == +open_alarms
        seen |= {*standing(state)}
    return seen


@settings(max_examples=25, deadline=None)
@given(histories())
def test_of_cells(messages: list[CellsMessage]) -> None:
    follow(messages)


@settings(max_examples=25, deadline=None)
@given(batteries_with_rows(), st.booleans())
def test_of_a_system_with_and_without_packs(messages: list[SystemMessage], has_packs: bool) -> None:
    if not has_packs:
        messages = [without_packs(each) for each in messages]
    follow(messages)


def without_packs(message: SystemMessage) -> SystemMessage:
    return replace(message, packs={}) if isinstance(message, Battery) else message
