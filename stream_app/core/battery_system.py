"""A battery system as a whole: its cells and its health, from one order of messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import get_args

from stream_app.core.battery import Battery, CellSamples, SystemSamples
from stream_app.core.calendar import DAY_MS
from stream_app.core.cells.fold import CellsState, fold_cells, objection
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.messages import CellOutputs, Temper
from stream_app.core.clock import HEARTBEAT_LIMIT_MS
from stream_app.core.health.result import Change, HealthDay, SystemOutputs
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import fold_system, refusal
from stream_app.core.health.windows import SignalWindows
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import LateRow
from stream_app.core.stale import Expected

SystemMessage = Battery | AnomalyModel | CellSamples | SystemSamples | Heartbeat | EndOfData
Part = tuple[str, ...]
"""Name of a part of what is remembered."""
TOPOLOGY: Part = ()
PRESENT: Part = ("health", "present")
PAST: Part = ("health", "past")
MODEL: Part = ("model",)
"""The model that judges windows, where there is one."""
TEMPERS: tuple[Temper, ...] = get_args(Temper)


@dataclass
class BatteryState:
    """Everything remembered of one battery system."""

    cells: CellsState = field(default_factory=CellsState)
    health: SystemState = field(default_factory=SystemState)

    @property
    def parts(self) -> set[Part]:
        """Names of all parts."""
        packs = {pack_part(name, temper) for name in self.cells.packs for temper in TEMPERS}
        model = [MODEL] if self.cells.model is not None else []
        return {TOPOLOGY, PRESENT, PAST, *model, *packs}


@dataclass
class BatteryOutputs:
    """All that a fold gave; ``refusals`` are places in its batch.

    ``touched`` are the parts of the state that it may have changed: no other has changed.
    """

    cells: CellOutputs = field(default_factory=CellOutputs)
    days: list[HealthDay] = field(default_factory=list)
    windows: list[SignalWindows] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    late: list[LateRow] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows: int = 0
    touched: set[Part] = field(default_factory=set)


def pack_part(pack: str, temper: Temper) -> Part:
    """Name of a part of what is remembered of a pack."""
    return "pack", pack, temper


def fold_battery(state: BatteryState, messages: Sequence[SystemMessage]) -> BatteryOutputs:
    """Fold messages of one battery system, in order, into ``state``.

    Its record is taken by cells and health together, or by neither.
    """
    outputs = BatteryOutputs()
    numbered = list(enumerate(messages))
    for alone, group in groupby(
        numbered, key=lambda each: isinstance(each[1], Battery | Heartbeat)
    ):
        batch = list(group)
        if not alone:
            _fold(state, batch, outputs)
            continue
        for place, message in batch:
            reason = _objection(state, message)
            if reason is None:
                _fold(state, [(place, message)], outputs)
            else:
                outputs.refusals.append(Refusal(place, reason))
    return outputs


def newest_row(state: BatteryState) -> int | None:
    """Newest accepted time of any pack and of the system's signals [ms UTC]."""
    clocks = [each.hot.clock.clock for each in state.cells.packs.values()]
    times = [each.now for each in (*clocks, state.health.present.clock.clock)]
    return max((time for time in times if time is not None), default=None)


def expected(state: BatteryState) -> Expected | None:
    """The pack, or the signals of the system, that will be told silent next.

    None where nothing is to come or to tell: before the first rows, after an end of data, and
    once all are told silent.
    """
    battery, present, newest = state.cells.battery, state.health.present, newest_row(state)
    if battery is None or newest is None:
        return None
    hot = [state.cells.packs[name].hot for name in battery.packs]
    every = [
        *((each.clock.clock, each.stale, battery.rules.stale_cells_ms) for each in hot),
        (present.clock.clock, present.stale, battery.rules.stale_signals_ms),
    ]
    waits = [
        (clock.now, limit_ms)
        for clock, stale, limit_ms in every
        if clock.now is not None and stale.since is None and not clock.ended
    ]
    return Expected(newest, *min(waits, key=sum)) if waits else None


def _objection(state: BatteryState, message: SystemMessage) -> str | None:
    """Why a record or a heartbeat of the battery cannot be taken; None if it can."""
    if isinstance(message, Battery):
        return objection(state.cells, message) or refusal(state.health, message)
    newest = newest_row(state)
    if isinstance(message, Heartbeat) and newest is not None:
        ahead = message.time - newest
        if ahead > HEARTBEAT_LIMIT_MS:
            return (
                f"the heartbeat is {ahead // DAY_MS} days ahead of all that the battery has sent: "
                "check the sender's clock; after such a silence a row must come first"
            )
    return None


def _fold(
    state: BatteryState, batch: Sequence[tuple[int, SystemMessage]], outputs: BatteryOutputs
) -> None:
    places = [place for place, each in batch if not isinstance(each, SystemSamples)]
    cells = fold_cells(
        state.cells, [each for _, each in batch if not isinstance(each, SystemSamples)]
    )
    outputs.refusals += _refused(places, cells.refusals)
    outputs.rows += cells.rows
    outputs.cells.extend(cells)
    outputs.touched |= {pack_part(*each) for each in cells.touched}
    if state.cells.model is not None and any(isinstance(each, AnomalyModel) for _, each in batch):
        outputs.touched.add(MODEL)
    places = [place for place, each in batch if not isinstance(each, CellSamples | AnomalyModel)]
    if not places:
        return
    found = fold_system(
        state.health,
        [each for _, each in batch if not isinstance(each, CellSamples | AnomalyModel)],
    )
    outputs.refusals += _refused(places, found.refusals)
    _add(outputs, found)
    outputs.touched |= {PRESENT, PAST}
    if any(isinstance(each, Battery | EndOfData) for _, each in batch):
        outputs.touched |= state.parts


def _refused(places: Sequence[int], refusals: Sequence[Refusal]) -> Iterator[Refusal]:
    return (Refusal(places[each.index], each.reason) for each in refusals)


def _add(outputs: BatteryOutputs, found: SystemOutputs) -> None:
    outputs.days += found.days
    outputs.windows += found.windows
    outputs.changes += found.changes
    outputs.late += found.late
    outputs.rows += found.rows
