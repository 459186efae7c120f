"""Conditions of a pack that stand, and their end where they are judged no more."""

from collections.abc import Iterator, Mapping

from stream_app.core.cells.critical import concern_of, note
from stream_app.core.cells.findings import CellFinding, CellRule, Unit
from stream_app.core.cells.limits import CellLimits
from stream_app.core.cells.pack import PackState
from stream_app.core.cells.quantities import UV_PER_V
from stream_app.core.cells.watch import Watch

Standing = tuple[CellRule, int | None, int]
"""Rule, cell from 1, and since when [ms UTC]."""


def close(state: PackState, pack: str, limits: CellLimits) -> list[CellFinding]:
    """End what stands, at the newest row; under other limits it begins anew if it still holds."""
    time = state.hot.clock.clock.now
    found = [] if time is None else list(_endings(state, pack, limits, time))
    for finding in found:
        note(state.cold.critical, finding)
    state.hot.alarms.watches, state.hot.alarms.thermal.rising = {}, {}
    state.cold.anomalies.watches = {}
    return found


def _endings(state: PackState, pack: str, limits: CellLimits, time: int) -> Iterator[CellFinding]:
    for rule, cell, since in standing_of_cells(state):
        known = None if cell is None else concern_of(state.cold.critical, rule, cell)
        spread = limits.spread_uv["rest"] / UV_PER_V
        value, limit = (spread, spread) if known is None else (known.worst, known.limit)
        unit: Unit = "V" if known is None else known.unit
        yield CellFinding(pack, cell, rule, False, time, since, value, limit, unit, judged=False)


def standing_of_cells(state: PackState) -> Iterator[Standing]:
    """Conditions of the cells and of the pack that stand; not whether its rows are missing."""
    yield from _watched(state.hot.alarms.watches)
    for cell, rising in state.hot.alarms.thermal.rising.items():
        if rising.raised:
            yield "THERMAL_RUNAWAY", cell + 1, rising.since
    yield from _watched(state.cold.anomalies.watches)


def _watched(watches: Mapping[CellRule, Watch]) -> Iterator[Standing]:
    for rule, watch in watches.items():
        for cell, since in watch.active.items():
            yield rule, None if rule == "VOLTAGE_IMBALANCE_WARNING" else cell + 1, since
