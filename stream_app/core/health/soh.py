"""State of health, four numbers that are not mixed, and what is expected of it with age.

What the BMS says, an estimate from age, cycles and imbalance, the capacity found by the charge
ledger, and the imbalance itself, which is no loss of capacity.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream_app.core.energy import Floats

Band = Literal[
    "excellent", "optimal", "nominal", "degraded", "compromised", "critical", "end_of_life"
]
BANDS: tuple[tuple[float, Band], ...] = (
    (99.0, "excellent"),
    (98.0, "optimal"),
    (95.0, "nominal"),
    (90.0, "degraded"),
    (85.0, "compromised"),
    (80.0, "critical"),
)
"""Least state of health [%] of each band; below the last one is the end of life."""
LOWEST_ESTIMATE = 20.0
CALENDAR_PERCENT_A_YEAR, CALENDAR_MOST = 2.5, 15.0
PERCENT_A_CYCLE, CYCLES_MOST = 0.035, 20.0
IMBALANCE_STEPS = ((100.0, 10.0, 0.0), (50.0, 5.0, 0.1), (20.0, 2.0, 0.1), (0.0, 0.0, 0.1))
"""From a spread [mV] on: loss there [%], and loss for each further mV [%]."""
A_PERCENT = 0.01
DAYS_A_YEAR = 365.25
DAYS_A_MONTH = DAYS_A_YEAR / 12
NORMAL_95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def band(soh_percent: float) -> Band:
    """The band of a state of health [%]."""
    return next((name for least, name in BANDS if soh_percent >= least), "end_of_life")


@dataclass(frozen=True)
class Estimate:
    """State of health [%] by rule of thumb, and what each part takes from 100 [%]."""

    percent: float
    calendar: float
    cycles: float
    imbalance: float

    @property
    def band(self) -> Band:
        return band(self.percent)


def estimate(years: float, cycles: float, imbalance_mv: float) -> Estimate:
    """State of health from age, equivalent full cycles and the spread of cell voltages [mV]."""
    calendar = min(years * CALENDAR_PERCENT_A_YEAR, CALENDAR_MOST)
    cyclic = min(cycles * PERCENT_A_CYCLE, CYCLES_MOST)
    least, base, slope = next(step for step in IMBALANCE_STEPS if imbalance_mv >= step[0])
    spread = base + (imbalance_mv - least) * slope
    return Estimate(
        max(100.0 - calendar - cyclic - spread, LOWEST_ESTIMATE), calendar, cyclic, spread
    )


@dataclass(frozen=True)
class Trend:
    """Change a month, and the interval that holds it with 95 % confidence; same unit as given."""

    a_month: float
    low: float
    high: float


def trend(days: Floats, values: Floats, resolution: float = 0.0) -> Trend:
    """Slope by Theil and Sen: the median over all pairs, with Sen's rank interval.

    A few wrong days do not move it. Days that hang together make the interval too narrow.

    Parameters
    ----------
    days, values
        (n,), n >= 2; days strictly rising.
    resolution
        Step in which the values are told: what it hides over all the days widens the interval.

    References
    ----------
    P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, 1968.
    """
    first, second = np.triu_indices(days.size, k=1)
    slopes = np.sort((values[second] - values[first]) / (days[second] - days[first]))
    slopes *= DAYS_A_MONTH
    reach = NORMAL_95 * math.sqrt(_kendall_variance(values))
    low = math.floor((slopes.size - reach) / 2)
    high = math.ceil((slopes.size + reach) / 2) - 1
    hidden = resolution / (days[-1] - days[0]) * DAYS_A_MONTH
    return Trend(
        float(np.median(slopes)),
        float(slopes[max(low, 0)] - hidden),
        float(slopes[min(high, slopes.size - 1)] + hidden),
    )


def resolution(values: Floats) -> float:
    """The step in which a SOH (n,) is told: its smallest change; a percent, if that is less."""
    steps = np.diff(np.unique(values))
    return min(float(steps.min(initial=A_PERCENT)), A_PERCENT)


def _kendall_variance(values: Floats) -> float:
    def part(n: int) -> int:
        return n * (n - 1) * (2 * n + 5)

    ties = np.unique(values, return_counts=True)[1].tolist()
    return (part(values.size) - sum(part(each) for each in ties)) / 18


@dataclass(frozen=True)
class Use:
    """How a battery was used: mean temperature [K], SOC, depth of cycles (0..1), C-rate [1/h]."""

    temperature_k: float
    soc: float
    depth: float
    c_rate: float


def expected_lfp(days: float, cycles: float, use: Use) -> float:
    """Relative capacity that an LFP cell of 250 Ah should have left (0..1).

    Notes
    -----
    ``q = 1 - kcal t^0.526 - kcyc EFC^0.828`` with rates of Arrhenius form.

    References
    ----------
    NREL BLAST-Lite, model of a 250 Ah prismatic LFP cell with graphite anode.
    """
    kelvin = use.temperature_k
    calendar = 8.37e4 * math.exp(-5210 / kelvin) * math.exp(-3560 * anode_v(use.soc) / kelvin)
    stress = 4.38e-8 + 1.55e-8 * use.depth + 1.68e-7 * use.c_rate
    cyclic = stress * (math.exp(2190 / kelvin) + math.exp(-1.55e5 / kelvin))
    return float(1 - calendar * days**0.526 - cyclic * cycles**0.828)


def anode_v(soc: float) -> float:
    """Open-circuit potential of the graphite anode against lithium [V].

    References
    ----------
    M. Safari, C. Delacourt, J. Electrochem. Soc. 158 (2011) A562.
    """
    x = 0.0085 + soc * (0.78 - 0.0085)
    return (
        0.6379
        + 0.5416 * math.exp(-305.5309 * x)
        + 0.044 * math.tanh(-(x - 0.1958) / 0.1088)
        - 0.1978 * math.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * math.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * math.tanh((x - 0.5692) / 0.0875)
    )
