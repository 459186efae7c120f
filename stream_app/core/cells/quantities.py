"""Cell values as whole numbers: what is added up must not depend on how it was batched.

Voltages in uV, temperatures in m degC, currents in mA, states of charge in ppm, all int32 rounded
to the nearest (half to even). The same decimal gives the same number from JSON and from float32.
"""

import numpy as np
from numpy.typing import NDArray

from stream_app.core.battery import Values
from stream_app.core.energy import Ints

Whole = NDArray[np.int32]

MISSING = -(1 << 31)
"""No value. It sorts below every value."""
UV_PER_V = 1_000_000
MDEG_PER_DEG = 1_000
MA_PER_A = 1_000
PPM = 1_000_000


def steps_of(times: Ints, before: int | None) -> Ints:
    """Time since the one before [ms], (n,); ``before`` the first, 0 where there is none."""
    steps = np.empty_like(times)
    np.subtract(times[1:], times[:-1], out=steps[1:])
    steps[0] = 0 if before is None else times[0] - before
    return steps


def whole(values: Values, per_unit: int) -> Whole:
    """Whole numbers of a small unit; NaN becomes MISSING.

    Parameters
    ----------
    values
        Any shape, each NaN or within +-2e9 / ``per_unit``.
    per_unit
        How many of the small unit make the unit of ``values``.
    """
    scaled = np.multiply(values, per_unit, dtype=np.float64)
    np.rint(scaled, out=scaled)
    if np.isnan(scaled.sum()):
        scaled[np.isnan(scaled)] = MISSING
    return scaled.astype(np.int32)
