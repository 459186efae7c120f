"""What the cells of a pack say about one another, row by row; numpy over whole blocks.

Matrices have a row for each time and a column for each cell, numbered along the line.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_app.core.cells.quantities import MISSING, Whole
from stream_app.core.energy import Floats, Ints

SENSOR_STEP_V = 0.001
MAD_TO_SIGMA = 0.6745
"""The median absolute deviation of a normal distribution in standard deviations."""


@dataclass(frozen=True, eq=False)
class RowStatistics:
    """Of each row (n,): cells with a value, lowest, median and highest; MISSING where none has one.

    The median of an even count is the mean of the middle two, rounded down to whole units.
    """

    count: Ints
    low: Whole
    median: Whole
    high: Whole

    @property
    def spread(self) -> Whole:
        """Highest less lowest; 0 where no cell has a value."""
        return self.high - self.low


def row_statistics(matrix: Whole) -> RowStatistics:
    """Statistics of each row of whole numbers (n, cells), MISSING left out."""
    ranked = np.sort(matrix, axis=1)
    cells = matrix.shape[1]
    if not matrix.shape[0] or ranked[:, 0].min() != MISSING:
        count = np.full(matrix.shape[0], cells, dtype=np.int64)
        low, below, above = ranked[:, 0], ranked[:, (cells - 1) // 2], ranked[:, cells // 2]
    else:
        count = np.count_nonzero(matrix != MISSING, axis=1).astype(np.int64)
        rows, first = np.arange(matrix.shape[0]), cells - count
        low = ranked[rows, np.minimum(first, cells - 1)]
        lower, upper = first + (np.maximum(count, 1) - 1) // 2, first + count // 2
        below, above = (ranked[rows, np.minimum(at, cells - 1)] for at in (lower, upper))
    # The half of the difference: a sum of two could leave int32.
    return RowStatistics(count, low, below + ((above - below) >> 1), ranked[:, -1])


def deviations(matrix: Whole, medians: Whole) -> Whole:
    """Each cell less its row's median; 0 where it has no value."""
    found: Whole = matrix - medians[:, None]
    if matrix.min(initial=0) == MISSING:
        found[matrix == MISSING] = 0
    return found


def robust_z(values: Floats, step: float | Floats = SENSOR_STEP_V) -> Floats:
    """Modified z-score of each value within its row.

    Parameters
    ----------
    values
        (..., cells); NaN where a cell has no value.
    step
        Smallest difference that the sensor can show, in the unit of ``values``, of each row
        (..., 1) or of all: the floor of the
        median absolute deviation, so that quiet neighbours make no giants.

    Notes
    -----
    ``0.6745 (x - median) / max(MAD, step)``, after B. Iglewicz and D. C. Hoaglin, How to Detect
    and Handle Outliers, ASQC 1993.
    """
    off = values - _median(values)
    scale = np.maximum(_median(np.abs(off)), step)
    found: Floats = MAD_TO_SIGMA * off / scale
    return found


def _median(values: Floats) -> Floats:
    """Median along the last axis without NaN, kept as an axis; NaN where there is no value."""
    known: NDArray[np.int64] = np.isfinite(values).sum(axis=-1, keepdims=True)
    ranked = np.sort(values, axis=-1)
    below = np.take_along_axis(ranked, np.maximum(known - 1, 0) // 2, axis=-1)
    above = np.take_along_axis(ranked, np.minimum(known // 2, values.shape[-1] - 1), axis=-1)
    middle: Floats = (below + above) / 2
    return middle
