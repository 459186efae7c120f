"""What the data of a window can say about its cells, and why not where it cannot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stream_app.core.cells.anomalies import FEWEST_CELLS
from stream_app.core.cells.limits import PLATEAU, REST, STEEP, STEEP_REST
from stream_app.core.cells.sums import Pack, Sums
from stream_app.core.cells.thermal import FAST_STEP_MS
from stream_app.core.energy import Ints

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
Reasons = dict[Indicator, list[Reason]]
Counts = dict[Indicator, dict[str, int]]
"""Five-minute windows by indicator and reason."""
Evaluable = Sequence[Counts]


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


@dataclass
class EvaluableState:
    """What closed five-minute windows of a pack could support.

    Attributes
    ----------
    newest
        Reason of the newest window by indicator.
    days
        Windows by indicator and reason, by start of the local day that is open [ms UTC].
    """

    newest: dict[Indicator, Reason] = field(default_factory=dict)
    days: dict[int, Counts] = field(default_factory=dict)

    def take(self, found: Reasons, days: Ints) -> Evaluable:
        """Count n windows of local ``days`` (n,); gives the counts of each window alone."""
        self.newest = {name: reasons[-1] for name, reasons in found.items()}
        for day in np.unique(days).tolist():
            places = np.flatnonzero(days == day).tolist()
            kept = self.days.setdefault(day, {})
            for name, reasons in found.items():
                total = Counter(kept.get(name, {})) + Counter(reasons[at] for at in places)
                kept[name] = dict(sorted(total.items()))
        size = range(days.size)
        return [{name: {reasons[at]: 1} for name, reasons in found.items()} for at in size]

    def close(self, starts: Ints) -> Evaluable:
        """Give the counts of local days that are over (n,), and forget them."""
        return [self.days.pop(start, {}) for start in starts.tolist()]

    def standing(self, start: int) -> Evaluable:
        """Counts of a local day so far."""
        return [{name: dict(each) for name, each in self.days.get(start, {}).items()}]


def evaluability(sums: Sums, regimes: Ints | None, *, limited: bool = True) -> Reasons:
    """For each indicator whether n closed five-minute windows can support it, or why not.

    Parameters
    ----------
    regimes
        (n,) places in ``limits.REGIMES``; None: not judged.
    limited
        Whether the battery names a preset of limits that is known.

    Returns
    -------
    n reasons each. ``missing_signal``: no cell has a value, or the string's current is not there;
    ``sample_rate``: rows too far apart; ``regime``: a part of the curve in which it tells nothing;
    ``too_few_cells``: no pack to compare a cell with; ``no_limits``: nothing to judge against;
    ``not_measured``: voltages and temperatures do not tell the capacity of a single cell.
    """
    found = {name: _reasons(sums, regimes, needs, limited) for name, needs in NEEDS.items()}
    return {**found, "cell_degradation": ["not_measured"] * sums.pack.shape[1]}


def _reasons(sums: Sums, regimes: Ints | None, needs: Needs, limited: bool) -> list[Reason]:
    pack = sums.pack
    found = np.full(pack.shape[1], "evaluable", dtype=object)
    # What is said last holds: the gravest comes last.
    if needs.regimes is not None and regimes is not None:
        found[~np.isin(regimes, needs.regimes)] = "regime"
    if needs.step_ms != 0:
        steps = pack[Pack.STEP]
        too_far = needs.step_ms is not None and (steps > needs.step_ms)
        found[(steps == 0) | too_far] = "sample_rate"
    if needs.compares and sums.cells.shape[2] < FEWEST_CELLS:
        found[:] = "too_few_cells"
    for signal in needs.signals:
        found[pack[signal] == 0] = "missing_signal"
    if needs.limited and not limited:
        found[:] = "no_limits"
    reasons: list[Reason] = found.tolist()
    return reasons
