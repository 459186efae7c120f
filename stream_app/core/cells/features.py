"""Features of cells for a score that is learned: what each cell did in a window beside its pack."""

import numpy as np

from stream_app.core.cells.messages import CellWindows
from stream_app.core.cells.statistics import robust_z
from stream_app.core.energy import Floats

FEATURES = (
    "voltage_deviation_v",
    "voltage_z",
    "voltage_min_off_v",
    "voltage_max_off_v",
    "voltage_range_off_v",
    "temperature_deviation_c",
    "temperature_max_off_c",
    "temperature_rise_off_c_per_s",
)
"""Columns; ``off`` is less the median of the pack's cells in the same window."""


def features(windows: CellWindows) -> Floats:
    """Features of n windows, hours as a rule: (n, cells, k); NaN where a cell has no value.

    All are differences to the pack, so that they say nothing about its load or the season.
    """
    low, high = windows.voltage_min_v, windows.voltage_max_v
    columns = (
        windows.voltage_deviation_v,
        robust_z(windows.voltage_deviation_v),
        _off(low),
        _off(high),
        _off(high - low),
        windows.temperature_deviation_c,
        _off(windows.temperature_max_c),
        _off(windows.temperature_rise_c_per_s),
    )
    return np.stack(columns, axis=-1)


def _off(values: Floats) -> Floats:
    """Less the median of the row; (n, cells)."""
    known = np.isfinite(values).any(axis=1)
    median = np.full((values.shape[0], 1), np.nan)
    median[known] = np.nanmedian(values[known], axis=1, keepdims=True)
    found: Floats = values - median
    return found
