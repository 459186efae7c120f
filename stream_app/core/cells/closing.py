"""Conditions of a pack that stand, and their end where they are judged no more."""

from collections.abc import Iterator, Mapping

import numpy as np

from stream_app.core.cells.critical import concern_of, note
from stream_app.core.cells.findings import CellFinding, CellRule, Unit
from stream_app.core.cells.pack import PackState
from stream_app.core.watch import Watch, Worst

Standing = tuple[CellRule, int | None, int, Worst]
"""Rule, cell from 1, since when [ms UTC], and what was worst."""


def close(state: PackState, pack: str) -> list[CellFinding]:
    """End what stands, at the newest row; under other limits it begins anew if it still holds."""
    time = state.hot.clock.clock.now
    if time is None:
        return []
    found = list(_endings(state, pack, time))
    for finding in found:
        note(state.cold.critical, finding)
    anomalies = state.cold.anomalies
    state.hot.alarms.watches, state.hot.alarms.thermal.rising, anomalies.watches = {}, {}, {}
    for hold in (anomalies.voltage, anomalies.temperature):
        hold.since = np.maximum(hold.since, time)
    return found


def _endings(state: PackState, pack: str, time: int) -> Iterator[CellFinding]:
    for rule, cell, since, worst in standing_of_cells(state):
        known = None if cell is None else concern_of(state.cold.critical, rule, cell)
        unit: Unit = "V" if known is None else known.unit
        told = False, time, since, *worst, unit
        yield CellFinding(pack, cell, rule, *told, judged=False, worst=worst)


def standing_of_cells(state: PackState) -> Iterator[Standing]:
    """Conditions of the cells and of the pack that stand; not whether its rows are missing."""
    yield from _watched(state.hot.alarms.watches)
    for cell, rising in state.hot.alarms.thermal.rising.items():
        if rising.raised:
            yield "THERMAL_RUNAWAY", cell + 1, rising.since, rising.worst
    yield from _watched(state.cold.anomalies.watches)


def _watched(watches: Mapping[CellRule, Watch]) -> Iterator[Standing]:
    for rule, watch in watches.items():
        for cell, since in watch.active.items():
            named = None if rule == "VOLTAGE_IMBALANCE_WARNING" else cell + 1
            yield rule, named, since, watch.worst[cell]
