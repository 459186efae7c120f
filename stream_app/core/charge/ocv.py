"""The charge of cells at rest, from their voltage: what no counting of the BMS can be wrong about.

A curve tells the charge only where it is steep. What sensors and relaxation leave open becomes the
error of the charge; where that is too much, as on the plateau of LFP, nothing is told.
"""

from dataclasses import dataclass

import numpy as np

from stream_app.core.energy import Ints
from stream_app.core.rows import NONE

VOLTAGE_ERROR_UV = 10_000
"""Sensor, and what half an hour of rest leaves of relaxation."""
WIDEST = 40_000
"""Most that the voltages of a battery at rest may leave open either way [ppm]."""


@dataclass(frozen=True)
class Curve:
    """Open-circuit voltage of a chemistry.

    Attributes
    ----------
    percent, mv
        State of charge, and the voltage there, both rising; beyond the ends no cell can be.
    doubt
        How far cells of other makes lie from it [ppm].
    plateau
        Between these SOC [ppm] nothing is told; None: everywhere it is.
    full_uv, empty_uv
        Highest voltage that a full battery reaches at least while it charges, and lowest that an
        empty one reaches at most.
    """

    percent: tuple[int, ...]
    mv: tuple[int, ...]
    doubt: int
    plateau: tuple[int, int] | None
    full_uv: int
    empty_uv: int


# fmt: off
LFP = Curve(
    (0, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 50, 60, 65, 70, 75, 80,
     85, 90, 93, 95, 96, 97, 98, 99, 100, 100),
    (2500, 2730, 2855, 2935, 2998, 3050, 3092, 3125, 3171, 3199, 3217, 3228, 3237, 3245, 3252,
     3268, 3283, 3295, 3302, 3309, 3313, 3318, 3324, 3332, 3338, 3342, 3346, 3351, 3361, 3371,
     3386, 3412, 3454, 3520, 3650),
    doubt=20_000,
    plateau=(200_000, 850_000),
    full_uv=3_450_000,
    empty_uv=3_000_000,
)
"""LiFePO4 and graphite by the functions of M. Safari and C. Delacourt, J. Electrochem. Soc. 158
(2011) A562; lithium in the cathode 0.90 at empty, 0.03 at full."""
NMC = Curve(
    (0, 1, 2, 3, 4, 5, 7, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90,
     95, 97, 98, 99, 100, 100),
    (2498, 2695, 2837, 2940, 3016, 3073, 3155, 3258, 3325, 3396, 3449, 3494, 3548, 3597, 3634,
     3668, 3708, 3757, 3809, 3862, 3924, 3971, 4022, 4070, 4094, 4116, 4140, 4156, 4173, 4193,
     4250),
    doubt=50_000,
    plateau=None,
    full_uv=4_150_000,
    empty_uv=3_200_000,
)
"""NMC 811 and graphite with SiOx (LG M50) by C.-H. Chen et al., J. Electrochem. Soc. 167 (2020)
080534; other mixtures differ, hence the larger doubt."""
# fmt: on


def charge_at_rest(curve: Curve, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """SOC of a battery at rest and its error [ppm], NONE where the voltages do not tell it.

    Parameters
    ----------
    low, high
        (n,) lowest and highest cell voltage [uV], NONE where there is none.
    """
    volts, soc = np.array(curve.mv) * 1000.0, np.array(curve.percent) * 10_000.0
    known = np.stack([low - VOLTAGE_ERROR_UV, (low + high) // 2, high + VOLTAGE_ERROR_UV])
    least, middle, most = np.rint(np.interp(known, volts, soc)).astype(np.int64)
    width = np.maximum(middle - least, most - middle)
    told = (low >= volts[0]) & (high <= volts[-1]) & (low <= high) & (width <= WIDEST)
    if curve.plateau is not None:
        told &= (middle <= curve.plateau[0]) | (middle >= curve.plateau[1])
    return np.where(told, middle, NONE), np.where(told, width + curve.doubt, NONE)
