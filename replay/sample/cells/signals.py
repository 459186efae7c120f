"""What is measured of a system beside its cells, and of a meter: name in the export -> values."""

from collections.abc import Mapping

import numpy as np

from replay.sample.cells.faults import Fault, smoke
from replay.sample.cells.model import System
from replay.sample.cells.spec import CellSpec
from stream_app.core.energy import Floats, Ints

AC_EFFICIENCY = 0.97
BOXES = 5
FLAGS = ("Co", "Voc", "SmokeFlag", "ErrCode", "T1", "T2", "Level")
SYSTEM_SIGNALS = (
    *("bms1_soc", "bms1_soh", "bms1_v", "bms1_c", "pcs1_ap", "pcs1_dcv", "pcs1_dcc"),
    *("bms1_cell_ave_v", "bms1_cell_max_v", "bms1_cell_min_v", "bms1_cell_v_diff"),
    *("bms1_cell_ave_t", "bms1_cell_max_t", "bms1_cell_min_t", "bms1_cell_t_diff"),
)
METER_SIGNALS = ("com_ap", "pos_ae", "neg_ae", "com_ae", "pf")
_SOH_PERCENT = 97.4
_CONVERTER_DROP_V = 0.3

Signals = Mapping[str, Floats | Ints]


class Extremes:
    """Sum, maximum and minimum over the cells of a system, each (n,): of V and of degC."""

    def __init__(self, rows: int) -> None:
        self.sum_v, self.sum_c = np.zeros(rows), np.zeros(rows)
        self.max_v, self.max_c = np.full(rows, -np.inf), np.full(rows, -np.inf)
        self.min_v, self.min_c = np.full(rows, np.inf), np.full(rows, np.inf)
        self.cells = 0

    def add(self, volts: Floats, warmth: Floats) -> None:
        """Take in a pack: (n, cells) each."""
        self.cells += volts.shape[1]
        self.sum_v += volts.sum(axis=1)
        self.sum_c += warmth.sum(axis=1)
        self.max_v = np.maximum(self.max_v, volts.max(axis=1))
        self.min_v = np.minimum(self.min_v, volts.min(axis=1))
        self.max_c = np.maximum(self.max_c, warmth.max(axis=1))
        self.min_c = np.minimum(self.min_c, warmth.min(axis=1))


def ac_power_kw(of: System, cells: Extremes) -> Floats:
    """Power at the AC side [kW], + = discharge: less out than at the DC side, and more in."""
    power = of.current_a * cells.sum_v / 1000
    return np.where(power > 0, power * AC_EFFICIENCY, power / AC_EFFICIENCY)


def of_system(of: System, cells: Extremes, rng: np.random.Generator) -> Signals:
    """Signals of the battery management and of the converter."""
    measured = np.round(of.current_a + rng.normal(0, 0.05, of.current_a.size), 1)
    current = np.where(of.current_a == 0, 0.0, measured)
    values = (
        *(np.round(100 * of.soc, 1), np.full(of.soc.size, _SOH_PERCENT)),
        *(np.round(cells.sum_v, 1), current, np.round(ac_power_kw(of, cells), 1)),
        *(np.round(cells.sum_v - _CONVERTER_DROP_V, 1), current),
        *(np.round(cells.sum_v / cells.cells, 3), cells.max_v, cells.min_v),
        *(np.round(cells.max_v - cells.min_v, 3), np.round(cells.sum_c / cells.cells, 1)),
        *(cells.max_c, cells.min_c, np.round(cells.max_c - cells.min_c, 1)),
    )
    return dict(zip(SYSTEM_SIGNALS, values, strict=True))


def flags(spec: CellSpec, of: System, fault: Fault | None, rng: np.random.Generator) -> Signals:
    """Signals of the fire alarm boxes; ``fault`` is the smoke in the first one."""
    nothing = np.zeros(spec.times.size, dtype=np.int64)
    found: dict[str, Floats | Ints] = {}
    for box in range(1, BOXES + 1):
        flag = smoke(fault, spec.times) if fault and box == 1 else nothing
        warm = np.round(of.ambient_c + 2 + rng.normal(0, 0.05, (2, spec.times.size)), 1)
        gases = rng.integers(0, 3, (2, spec.times.size))
        values = (*gases, flag, nothing, *warm, flag)
        found |= {f"fa{box}_{name}": each for name, each in zip(FLAGS, values, strict=True)}
    return found


def of_meter(spec: CellSpec, number: int, site_kw: Floats) -> Signals:
    """Signals of a meter, + = import: the first is the whole site's, the others are loads."""
    rng = np.random.default_rng([spec.seed, 7, number])
    hours = (spec.times - spec.span[0]) / 3_600_000
    load = 20 * number + 5 * np.sin(2 * np.pi * (hours - 6) / 24) + rng.normal(0, 0.3, hours.size)
    power = np.round(load - site_kw if number == 1 else load, 2)
    step_h = spec.interval_s / 3600
    taken = np.round(1000 * number + np.cumsum(np.maximum(power, 0)) * step_h, 2)
    given = np.round(500 * number + np.cumsum(np.maximum(-power, 0)) * step_h, 2)
    factor = np.round(0.97 + rng.normal(0, 0.003, hours.size), 3)
    values = (power, taken, given, np.round(taken + given, 2), factor)
    return dict(zip(METER_SIGNALS, values, strict=True))
