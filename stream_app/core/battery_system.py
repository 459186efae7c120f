"""A battery system as a whole: its cells and its health, from one order of messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from stream_app.core.battery import Battery, CellSamples, SystemSamples
from stream_app.core.cells.fold import CellsState, fold_cells, objection
from stream_app.core.cells.messages import CellOutputs
from stream_app.core.health.result import HealthDay, SystemOutputs
from stream_app.core.health.soc import SocChange
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import fold_system, refusal
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import LateRow

SystemMessage = Battery | CellSamples | SystemSamples | Heartbeat | EndOfData


@dataclass
class BatteryState:
    """Everything remembered of one battery system."""

    cells: CellsState = field(default_factory=CellsState)
    health: SystemState = field(default_factory=SystemState)


@dataclass
class BatteryOutputs:
    """All that a fold gave; ``refusals`` are places in its batch."""

    cells: CellOutputs = field(default_factory=CellOutputs)
    days: list[HealthDay] = field(default_factory=list)
    changes: list[SocChange] = field(default_factory=list)
    late: list[LateRow] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows: int = 0


def fold_battery(state: BatteryState, messages: Sequence[SystemMessage]) -> BatteryOutputs:
    """Fold messages of one battery system, in order, into ``state``.

    Its record is taken by cells and health together, or by neither.
    """
    outputs = BatteryOutputs()
    numbered = list(enumerate(messages))
    for configures, group in groupby(numbered, key=lambda each: isinstance(each[1], Battery)):
        batch = list(group)
        if not configures:
            _fold(state, batch, outputs)
            continue
        for place, message in batch:
            assert isinstance(message, Battery)
            reason = objection(state.cells, message) or refusal(state.health, message)
            if reason is None:
                _fold(state, [(place, message)], outputs)
            else:
                outputs.refusals.append(Refusal(place, reason))
    return outputs


def _fold(
    state: BatteryState, batch: Sequence[tuple[int, SystemMessage]], outputs: BatteryOutputs
) -> None:
    places = [place for place, each in batch if not isinstance(each, SystemSamples | Heartbeat)]
    cells = fold_cells(
        state.cells, [each for _, each in batch if not isinstance(each, SystemSamples | Heartbeat)]
    )
    outputs.refusals += _refused(places, cells.refusals)
    outputs.rows += cells.rows
    outputs.cells.extend(cells)
    places = [place for place, each in batch if not isinstance(each, CellSamples)]
    found = fold_system(
        state.health, [each for _, each in batch if not isinstance(each, CellSamples)]
    )
    outputs.refusals += _refused(places, found.refusals)
    _add(outputs, found)


def _refused(places: Sequence[int], refusals: Sequence[Refusal]) -> Iterator[Refusal]:
    return (Refusal(places[each.index], each.reason) for each in refusals)


def _add(outputs: BatteryOutputs, found: SystemOutputs) -> None:
    outputs.days += found.days
    outputs.changes += found.changes
    outputs.late += found.late
    outputs.rows += found.rows
