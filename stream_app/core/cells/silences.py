"""STALE_DATA of packs, as findings."""

from stream_app.core.battery import BatteryRules
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.pack import PackState
from stream_app.core.energy import Ints
from stream_app.core.stale import Silence


def silences(
    state: PackState, pack: str, rules: BatteryRules, before: int | None, times: Ints
) -> list[tuple[int, CellFinding]]:
    """What rows (n,) after the one at ``before`` have shown, each with its row."""
    found = state.hot.stale.rows(before, times, rules.stale_cells_ms)
    return [(row, _finding(pack, each)) for row, each in found]


def heard(state: PackState, pack: str, rules: BatteryRules, time: int) -> list[CellFinding]:
    """It is ``time``, and no row is newer than the clock of the pack says."""
    found = state.hot.stale.heard(state.hot.clock.clock, time, rules.stale_cells_ms)
    return [_finding(pack, each) for each in found]


def end_silence(state: PackState, pack: str, rules: BatteryRules) -> list[CellFinding]:
    """The pack has left its battery."""
    return [_finding(pack, each) for each in state.hot.stale.end(rules.stale_cells_ms)]


def _finding(pack: str, each: Silence) -> CellFinding:
    return CellFinding(
        pack,
        None,
        each.rule,
        each.raised,
        each.time,
        each.since,
        each.value,
        each.limit,
        "s",
        each.judged,
        worst=each.worst,
    )
