"""What is summed of a battery's signals in each slot and day, all as whole numbers.

An integral has four columns (known time [ms], out, in, bound); a dwell has the time [ms] in each
of its bins, and the sum of value times time for the mean.
"""

from dataclasses import dataclass

import numpy as np

from stream_app.core.energy import Ints
from stream_app.core.rows import Signal

SOC, SOH, VOLTAGE, CURRENT, DC, AC, SPREAD, WARMEST, TEMPERATURE = range(9)
SIGNALS = (
    Signal("soc_ratio", 1e6, 0.0, 1.1),
    Signal("soh_ratio", 1e6, 0.0, 1.5),
    Signal("voltage_v", 1e6, -1e5, 1e5),
    Signal("current_a", 1e3, -1e6, 1e6),
    Signal("dc_power_w", 1e3, -1e9, 1e9),
    Signal("ac_power_w", 1e3, -1e9, 1e9),
    Signal("cell_voltage_spread_v", 1e6, 0.0, 10.0),
    Signal("cell_temperature_max_c", 1e3, -100.0, 1000.0),
    Signal("cell_temperature_mean_c", 1e3, -100.0, 1000.0),
)
"""The signals that health is told from: ppm, uV, mA, mW, millidegrees Celsius."""
REST_SPREAD = len(SIGNALS)
"""Place of the spread of a battery at rest, after the signals themselves."""

CHARGE_COLUMNS, DC_COLUMNS, AC_COLUMNS = slice(0, 4), slice(4, 8), slice(8, 12)
"""Integrals of the current [mA ms] and of both powers [W ms]."""
ACTIVE_MS = 12
"""Time in which the current is beyond that of a rest."""


@dataclass(frozen=True)
class Dwell:
    """Bins of equal width, the outer ones open; ``first``: its first column.

    ``low`` is the lower edge of the second bin, ``step`` the width, in the unit of the signal.
    """

    signal: int
    first: int
    low: int
    step: int
    bins: int

    @property
    def columns(self) -> slice:
        """Bins, then the sum of value times time."""
        return slice(self.first, self.first + self.bins + 1)

    def rows(self, lengths: Ints, values: Ints) -> Ints:
        """Columns of each piece: (bins + 1, m)."""
        place = np.clip((values - self.low) // self.step + 1, 0, self.bins - 1)
        found = np.zeros((self.bins + 1, values.size), dtype=np.int64)
        found[place, np.arange(values.size)] = lengths
        found[self.bins] = lengths * values
        return found

    def edges(self, scale: float) -> list[float]:
        """Inner edges in the unit of the signal divided by ``scale``, one less than the bins."""
        return [(self.low + place * self.step) / scale for place in range(self.bins - 1)]


SOC_DWELL = Dwell(SOC, 13, 50_000, 50_000, 20)
WARMEST_DWELL = Dwell(WARMEST, 34, -20_000, 5_000, 18)
TEMPERATURE_DWELL = Dwell(TEMPERATURE, 53, -20_000, 5_000, 18)
SPREAD_DWELL = Dwell(REST_SPREAD, 72, 10_000, 10_000, 12)
DWELLS = (SOC_DWELL, WARMEST_DWELL, TEMPERATURE_DWELL, SPREAD_DWELL)
WIDTH = 85
"""Number of columns."""
