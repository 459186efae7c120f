"""What the data of a window can say about its cells, and why not where it cannot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from stream_app.core.calendar import SLOT_MS
from stream_app.core.cells.anomalies import FEWEST_CELLS
from stream_app.core.cells.drift import FEWEST_TO_DRIFT, FEWEST_WINDOWS
from stream_app.core.cells.limits import PLATEAU, REGIMES, REST, STEEP, STEEP_REST
from stream_app.core.cells.sums import Cell, Pack, Sums
from stream_app.core.cells.thermal import FAST_STEP_MS
from stream_app.core.energy import Bools, Ints

Indicator = Literal[
    "voltage_limits",
    "temperature_limits",
    "voltage_spread",
    "voltage_deviation",
    "voltage_drift",
    "voltage_stuck",
    "weak_cell",
    "temperature_deviation",
    "temperature_stuck",
    "temperature_rise",
    "thermal_runaway",
    "learned_anomaly",
    "rest",
    "cell_degradation",
]
Reason = Literal[
    "evaluable",
    "missing_signal",
    "sample_rate",
    "regime",
    "too_few_cells",
    "no_past",
    "no_limits",
    "no_model",
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
    cells
        With values of how many cells it can begin; None: of one, as there is none to compare with.
    past, limited, learned
        Whether it compares cells with their past, goes by a preset of limits, and by a model.
    regimes
        Regimes that it can be judged in; None: all.
    held
        Whether values must hold for a time, so that they must not be further apart than a gap.
    step_ms
        Longest time between rows; None: any, 0: a single row will do.
    """

    signals: tuple[Pack, ...]
    cells: int = 1
    past: bool = False
    limited: bool = True
    learned: bool = False
    regimes: tuple[int, ...] | None = None
    held: bool = False
    step_ms: int | None = 0


NEEDS: dict[Indicator, Needs] = {
    "voltage_limits": Needs((Pack.V_ROWS,), held=True),
    "temperature_limits": Needs((Pack.T_ROWS,), held=True),
    "voltage_spread": Needs((Pack.V_ROWS,), cells=2),
    "voltage_deviation": Needs(
        (Pack.V_ROWS,), cells=FEWEST_CELLS, regimes=(REST, PLATEAU, STEEP_REST)
    ),
    "voltage_drift": Needs(
        (Pack.V_ROWS,), cells=FEWEST_TO_DRIFT, past=True, regimes=(REST, PLATEAU)
    ),
    "voltage_stuck": Needs((Pack.V_ROWS,)),
    "weak_cell": Needs((Pack.V_ROWS,), cells=FEWEST_CELLS, regimes=(STEEP,)),
    "temperature_deviation": Needs((Pack.T_ROWS,), cells=FEWEST_CELLS),
    "temperature_stuck": Needs((Pack.T_ROWS,)),
    "temperature_rise": Needs((Pack.T_ROWS,), limited=False, step_ms=None),
    "thermal_runaway": Needs((Pack.V_ROWS, Pack.T_ROWS), step_ms=FAST_STEP_MS),
    "learned_anomaly": Needs((Pack.V_ROWS,), cells=FEWEST_CELLS, learned=True),
    "rest": Needs((Pack.V_ROWS, Pack.CURRENT_ROWS)),
}
_REASONS: tuple[Reason, ...] = (
    "evaluable",
    "no_past",
    "regime",
    "sample_rate",
    "too_few_cells",
    "missing_signal",
)
"""Of windows that are judged by limits."""
_NO_PAST, _REGIME, _SAMPLE_RATE, _TOO_FEW_CELLS, _MISSING_SIGNAL = range(1, 6)
_TELLS = {
    each.regimes: np.isin(np.arange(len(REGIMES)), each.regimes)
    for each in NEEDS.values()
    if each.regimes is not None
}
"""Which regimes, by place, an indicator can be judged in."""
COUNTS = {Pack.V_ROWS: Cell.V_COUNT, Pack.T_ROWS: Cell.T_COUNT}
"""Values of each cell, by what counts the rows that have one."""


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
            # Windows come in time order, so that those of a day are neighbours.
            first, last = np.searchsorted(days, (day, day + 1))
            kept = self.days.setdefault(day, {})
            for name, reasons in found.items():
                total = dict(kept.get(name, {}))
                for reason, count in Counter(reasons[first:last]).items():
                    total[reason] = total.get(reason, 0) + count
                kept[name] = dict(sorted(total.items()))
        every = zip(*found.values(), strict=True)
        return [{name: {each: 1} for name, each in zip(found, row, strict=True)} for row in every]

    def close(self, starts: Ints) -> Evaluable:
        """Give the counts of local days that are over (n,), and forget them."""
        return [self.days.pop(start, {}) for start in starts.tolist()]

    def standing(self, start: int) -> Evaluable:
        """Counts of a local day so far."""
        return [{name: dict(each) for name, each in self.days.get(start, {}).items()}]


def evaluability(
    sums: Sums,
    max_gap_ms: int,
    regimes: Ints | None,
    past: Ints | None = None,
    *,
    has_model: bool = False,
) -> Reasons:
    """For each indicator whether n closed five-minute windows can support it, or why not.

    Parameters
    ----------
    regimes
        (n,) places in ``limits.REGIMES``; None: the battery names no limits that are known.
    past
        (n,) windows that cells could be compared with when each was judged.
    has_model
        Whether a model that was learned knows the pack.

    Returns
    -------
    n reasons each. ``missing_signal``: fewer than half of the cells have a value, or the string's
    current is not there; ``sample_rate``: values too far apart; ``regime``: a part of the curve in
    which it tells nothing; ``too_few_cells``: no pack to compare a cell with; ``no_past``: less
    than a day to compare with; ``no_limits``: nothing to judge against; ``no_model``: none was
    learned; ``not_measured``: voltages and temperatures do not tell the capacity of a single cell.
    """
    cells = {name: np.count_nonzero(sums.cells[each], axis=1) for name, each in COUNTS.items()}
    seen = _Seen(sums, cells, max_gap_ms, regimes, past, has_model)
    found = {name: _reasons(seen, needs) for name, needs in NEEDS.items()}
    return {**found, "cell_degradation": ["not_measured"] * sums.pack.shape[1]}


class _Seen(NamedTuple):
    """What the windows hold; ``cells`` (n,) are those with a value of each signal."""

    sums: Sums
    cells: dict[Pack, Ints]
    max_gap_ms: int
    regimes: Ints | None
    past: Ints | None
    has_model: bool


def _reasons(seen: _Seen, needs: Needs) -> list[Reason]:
    pack = seen.sums.pack
    if needs.limited and seen.regimes is None:
        return ["no_limits"] * pack.shape[1]
    if needs.learned and not seen.has_model:
        return ["no_model"] * pack.shape[1]
    found = np.zeros(pack.shape[1], dtype=np.int64)
    # What is said last holds: the gravest comes last.
    if needs.past and seen.past is not None:
        found[seen.past < FEWEST_WINDOWS] = _NO_PAST
    if needs.regimes is not None and seen.regimes is not None:
        found[~_TELLS[needs.regimes][seen.regimes]] = _REGIME
    if needs.held or needs.step_ms != 0:
        found[_too_far_apart(seen, needs)] = _SAMPLE_RATE
    for signal in needs.signals:
        if signal in COUNTS:
            cells = seen.cells[signal]
            found[cells < needs.cells] = _TOO_FEW_CELLS
            found[2 * cells < seen.sums.cells.shape[2]] = _MISSING_SIGNAL
        found[pack[signal] == 0] = _MISSING_SIGNAL
    return [_REASONS[each] for each in found.tolist()]


def _too_far_apart(seen: _Seen, needs: Needs) -> Bools:
    """Windows whose values are too far apart for what they must show; (n,)."""
    pack = seen.sums.pack
    found = np.zeros(pack.shape[1], dtype=np.bool_)
    for signal in needs.signals if needs.held else ():
        found |= pack[signal] * seen.max_gap_ms < SLOT_MS
    if needs.step_ms != 0:
        steps = pack[Pack.STEP]
        found |= steps == 0
    if needs.step_ms:
        # Rows may come that often without a value in each.
        found |= steps > needs.step_ms
        found |= (2 * pack[list(needs.signals)] < pack[Pack.ROWS]).any(axis=0)
    return found
