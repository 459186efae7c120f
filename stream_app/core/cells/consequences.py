"""What a stuck sensor would say of its cell and its pack, which is no measurement: suppressed.

While ``CELL_VOLTAGE_STUCK`` stands of a cell, no rule that compares its voltage is judged by it.
"""

from collections.abc import Iterator

import numpy as np

from stream_app.core.cells.findings import CellFinding, CellRule, Unit
from stream_app.core.energy import Bools
from stream_app.core.watch import Watch

OF_CELL: tuple[tuple[CellRule, Unit], ...] = (
    ("CELL_VOLTAGE_DEVIATION", "V"),
    ("WEAK_CELL", "V"),
    ("CELL_VOLTAGE_DRIFT", "V"),
    ("LEARNED_ANOMALY", "score"),
)
"""Rules of a cell that hang on its voltage beside others; absolute limits are judged all along."""
OF_PACK: tuple[CellRule, Unit] = ("VOLTAGE_IMBALANCE_WARNING", "V")


def suppress(
    watches: dict[CellRule, Watch], pack: str, stuck: Bools, time: int, *, newly: bool
) -> Iterator[CellFinding]:
    """End unjudged what stands or is about to of stuck cells (cells,).

    ``newly``: one of them is so since this window; then what their pack has of them ends, too.
    """
    for rule, unit in OF_CELL:
        for cell in np.flatnonzero(stuck).tolist():
            yield from _end(watches, rule, unit, time, pack, cell)
    if newly:
        yield from _end(watches, *OF_PACK, time, pack, None)


def _end(
    watches: dict[CellRule, Watch],
    rule: CellRule,
    unit: Unit,
    time: int,
    pack: str,
    cell: int | None,
) -> Iterator[CellFinding]:
    watch, column = watches.get(rule), cell or 0
    if watch is None:
        return
    watch.pending.pop(column, None)
    since, worst = watch.active.pop(column, None), watch.worst.pop(column, None)
    if not watch:
        del watches[rule]
    if since is not None and worst is not None:
        named = None if cell is None else cell + 1
        told = False, time, since, *worst, unit
        yield CellFinding(pack, named, rule, *told, judged=False, worst=worst)
