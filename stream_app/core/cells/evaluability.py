"""What the data of a window can say about its cells, and why not where it cannot."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream_app.core.cells.alarms import FAST_STEP_MS
from stream_app.core.cells.anomalies import FEWEST_CELLS
from stream_app.core.cells.limits import PLATEAU, REST, STEEP, STEEP_REST
from stream_app.core.cells.messages import CellWindows
from stream_app.core.cells.sums import Pack

Indicator = Literal[
    "voltage_limits",
    "voltage_deviation",
    "voltage_drift",
    "weak_cell",
    "temperature_deviation",
    "temperature_rise",
    "thermal_runaway",
    "rest",
    "cell_degradation",
]
Reason = Literal[
    "evaluable",
    "missing_signal",
    "sample_rate",
    "regime",
    "too_few_cells",
    "no_limits",
    "not_measured",
]


@dataclass(frozen=True)
class Needs:
    """What an indicator cannot do without.

    Attributes
    ----------
    signals
        Rows of ``Sums.pack`` that count the rows with a value of each.
    compares, limited
        Whether it compares cells with their pack, and goes by a preset of limits.
    regimes
        Regimes that it can be judged in; None: all.
    step_ms
        Longest time between rows; None: any, 0: a single row will do.
    """

    signals: tuple[Pack, ...]
    compares: bool = False
    limited: bool = True
    regimes: tuple[int, ...] | None = None
    step_ms: int | None = 0


NEEDS: dict[Indicator, Needs] = {
    "voltage_limits": Needs((Pack.V_ROWS,)),
    "voltage_deviation": Needs((Pack.V_ROWS,), compares=True, regimes=(REST, PLATEAU, STEEP_REST)),
    "voltage_drift": Needs((Pack.V_ROWS,), compares=True, regimes=(REST, PLATEAU)),
    "weak_cell": Needs((Pack.V_ROWS,), compares=True, regimes=(STEEP,)),
    "temperature_deviation": Needs((Pack.T_ROWS,), compares=True),
    "temperature_rise": Needs((Pack.T_ROWS,), limited=False, step_ms=None),
    "thermal_runaway": Needs((Pack.V_ROWS, Pack.T_ROWS), step_ms=FAST_STEP_MS),
    "rest": Needs((Pack.V_ROWS, Pack.CURRENT_ROWS)),
}


def evaluability(windows: CellWindows, *, limited: bool = True) -> dict[Indicator, list[Reason]]:
    """For each indicator whether n closed five-minute windows can support it, or why not.

    Parameters
    ----------
    limited
        Whether the battery names a preset of limits that is known.

    Returns
    -------
    n reasons each. ``missing_signal``: no cell has a value, or the string's current is not there;
    ``sample_rate``: rows too far apart; ``regime``: a part of the curve in which it tells nothing;
    ``too_few_cells``: no pack to compare a cell with; ``no_limits``: nothing to judge against;
    ``not_measured``: voltages and temperatures do not tell the capacity of a single cell.
    """
    found = {name: _reasons(windows, needs, limited) for name, needs in NEEDS.items()}
    return {**found, "cell_degradation": ["not_measured"] * windows.size}


def _reasons(windows: CellWindows, needs: Needs, limited: bool) -> list[Reason]:
    pack = windows.sums.pack
    found = np.full(windows.size, "evaluable", dtype=object)
    # What is said last holds: the gravest comes last.
    if needs.regimes is not None and windows.regimes is not None:
        found[~np.isin(windows.regimes, needs.regimes)] = "regime"
    if needs.step_ms != 0:
        steps = pack[Pack.STEP]
        too_far = needs.step_ms is not None and (steps > needs.step_ms)
        found[(steps == 0) | too_far] = "sample_rate"
    if needs.compares and windows.sums.cells.shape[2] < FEWEST_CELLS:
        found[:] = "too_few_cells"
    for signal in needs.signals:
        found[pack[signal] == 0] = "missing_signal"
    if needs.limited and not limited:
        found[:] = "no_limits"
    reasons: list[Reason] = found.tolist()
    return reasons
