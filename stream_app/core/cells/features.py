"""Features of cells for a score that is learned: what each cell did in a window beside its pack."""

from typing import NamedTuple

import numpy as np

from stream_app.core.cells.quantities import MDEG_PER_DEG, UV_PER_V
from stream_app.core.cells.statistics import robust_z
from stream_app.core.cells.sums import NO_HIGH, NO_LOW, Cell, Sums, value_of
from stream_app.core.energy import Floats, Ints

FEATURES = (
    "voltage_z",
    "voltage_min_z",
    "voltage_max_z",
    "voltage_range_z",
    "temperature_z",
    "temperature_max_z",
    "temperature_rise_z",
)
"""Columns: robust z among the cells of the pack in the same window, so that load, charge and
season are not seen; of means that of the deviations at the same time."""
STEP_C, STEP_C_PER_S = 0.1, 0.001
"""Of the sensor, and of a rise; see ``robust_z``."""
DECIMALS_V, DECIMALS_C = 6, 3
"""Of the values that features come from: as published."""


class CellColumns(NamedTuple):
    """What features come from: matrices (n, cells), NaN where a cell has no value."""

    voltage_deviation_v: Floats
    voltage_min_v: Floats
    voltage_max_v: Floats
    temperature_deviation_c: Floats
    temperature_max_c: Floats
    temperature_rise_c_per_s: Floats


def columns_of(sums: Sums) -> CellColumns:
    """Columns of n windows, rounded as they are published."""
    cells = sums.cells
    return CellColumns(
        _mean(cells[Cell.V_OFF], cells[Cell.V_COUNT], UV_PER_V).round(DECIMALS_V),
        _value(cells[Cell.V_LOW], UV_PER_V).round(DECIMALS_V),
        _value(cells[Cell.V_HIGH], UV_PER_V).round(DECIMALS_V),
        _mean(cells[Cell.T_OFF], cells[Cell.T_COUNT], MDEG_PER_DEG).round(DECIMALS_C),
        _value(cells[Cell.T_HIGH], MDEG_PER_DEG).round(DECIMALS_C),
        _value(cells[Cell.T_RISE], MDEG_PER_DEG).round(DECIMALS_C),
    )


def features(columns: CellColumns) -> Floats:
    """Features of n windows: (n, cells, k); NaN where a cell has no value."""
    low, high = columns.voltage_min_v, columns.voltage_max_v
    found = (
        robust_z(columns.voltage_deviation_v),
        robust_z(low),
        robust_z(high),
        robust_z(high - low),
        robust_z(columns.temperature_deviation_c, STEP_C),
        robust_z(columns.temperature_max_c, STEP_C),
        robust_z(columns.temperature_rise_c_per_s, STEP_C_PER_S),
    )
    return np.stack(found, axis=-1)


def _mean(total: Ints, counts: Ints, per_unit: int) -> Floats:
    found: Floats = np.full(counts.shape, np.nan)
    np.divide(total / per_unit, counts, out=found, where=counts > 0)
    return found


def _value(keys: Ints, per_unit: int) -> Floats:
    none = (keys == NO_LOW) | (keys == NO_HIGH)
    return np.where(none, np.nan, value_of(keys) / per_unit)
