"""What is found of cells: conditions that began or ended, each with its pack and cell."""

from dataclasses import dataclass
from typing import Literal, get_args

from stream_app.core.cells.limits import ThresholdRule
from stream_app.core.watch import Worst

CellRule = Literal[
    ThresholdRule,
    "THERMAL_RUNAWAY",
    "CELL_VOLTAGE_DEVIATION",
    "WEAK_CELL",
    "CELL_VOLTAGE_DRIFT",
    "CELL_VOLTAGE_STUCK",
    "CELL_TEMPERATURE_STUCK",
    "HOT_CELL",
    "VOLTAGE_IMBALANCE_WARNING",
    "LEARNED_ANOMALY",
    "STALE_DATA",
]
RULES: tuple[CellRule, ...] = get_args(CellRule)
Unit = Literal["V", "degC", "degC/s", "score", "s"]


@dataclass(frozen=True)
class CellFinding:
    """A condition that began or ended.

    Attributes
    ----------
    pack, cell
        Whose it is; cells are numbered from 1 along the line, None is the pack as a whole.
    rule, raised
        Which condition; True when it began.
    time
        Event time of the row or the end of the window that showed it [ms UTC].
    since
        When the condition was first seen [ms UTC].
    value, limit, unit
        What was judged at ``time``, and against what; of what is judged no more, what was worst.
    judged
        False where it ended because it is judged no more: its limits or its pack went.
    model
        Version of the model that judged, if it was one.
    worst
        Of what ended: the value that lay furthest beyond its limit since it began, and that limit.
    """

    pack: str
    cell: int | None
    rule: CellRule
    raised: bool
    time: int
    since: int
    value: float
    limit: float
    unit: Unit
    judged: bool = True
    model: str | None = None
    worst: Worst | None = None
