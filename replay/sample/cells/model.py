"""A made-up LFP battery: a cycle a day, cells that differ a little, warmth of load and weather.

Once a week it is charged to near its top, as operators of LFP do to balance the cells: only there
and near empty does a voltage tell the charge.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from replay.sample.cells.faults import Fault, plant
from replay.sample.cells.spec import CellSpec
from stream_app.core.energy import Floats

CAPACITY_AH = 280.0
"""Rated."""
_TOP = 0.98
_WEEK, _TOP_DAY = 7, 2
_OCV_SOC = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9, 0.95, 0.98, 0.99, 1)
_OCV_V = (
    *(2.5, 2.82, 2.94, 3.11, 3.2, 3.223, 3.247, 3.277, 3.29),
    *(3.297, 3.327, 3.335, 3.34, 3.37, 3.41, 3.5),
)
"""Open-circuit voltage of an LFP cell at rest, rounded from what data sheets and papers show."""
_RESISTANCE_OHM, _SLOW_OHM, _SLOW_S = 0.0004, 0.0002, 900.0
_HEAT_C_PER_A2, _HEAT_S = 6.0 / 100.0**2, 7200.0
_BALANCED_AT = 0.9
"""SOC at which the cells have been made alike; one with less capacity falls behind below it."""


@dataclass(frozen=True, eq=False)
class System:
    """A system over the rows of the export: all (n,).

    Attributes
    ----------
    current_a
        + = discharge.
    slow_a, heat_a2
        Current and its square, delayed.
    soc
        0 to 1.
    ambient_c
        Temperature of the air.
    """

    current_a: Floats
    slow_a: Floats
    heat_a2: Floats
    soc: Floats
    ambient_c: Floats


def system(spec: CellSpec, number: int) -> System:
    """Currents, SOC and weather of a system."""
    rng = np.random.default_rng([spec.seed, 2, number])
    hours = (spec.times - spec.span[0]) / 3_600_000
    low = 0.1 + 0.03 * float(rng.random())
    current = np.zeros(spec.times.size)
    capacity_ah = CAPACITY_AH * spec.capacity_ratio
    for at, (first, last) in enumerate(pairwise(spec.midnights.tolist())):
        inside = (spec.times >= first) & (spec.times < last)
        of_day = (spec.times[inside] - first) / 3_600_000
        depth = float(rng.uniform(0.65, 0.82))
        depth = _TOP - low if at % _WEEK == _TOP_DAY else depth
        current[inside] = _day(of_day, depth * capacity_ah, rng)
    steps = np.diff(spec.times, prepend=spec.times[0]) / 3_600_000
    before = np.roll(current, 1)
    before[0] = current[0]
    charge_ah = np.cumsum((current + before) / 2 * steps)
    soc = low - charge_ah / capacity_ah
    day = 2 * np.pi * (hours - 9) / 24
    ambient = 21 + 2.5 * np.sin(day) + np.cumsum(rng.normal(0, 0.002, hours.size))
    slow = _lagged(current, spec.interval_s, _SLOW_S)
    return System(current, slow, _lagged(current**2, spec.interval_s, _HEAT_S), soc, ambient)


def pack(
    spec: CellSpec, of: System, number: tuple[int, int], faults: list[Fault]
) -> tuple[Floats, Floats]:
    """Voltages [V] and temperatures [degC], (n, cells), of a pack; ``faults`` are its own."""
    rng = np.random.default_rng([spec.seed, 3, *number])
    capacity = rng.normal(1, 0.003, spec.cells)
    offset = rng.normal(0, 0.0015, spec.cells)
    for fault in faults:
        if fault.kind == "weak":
            capacity[fault.cell - 1], offset[fault.cell - 1] = fault.size, 0.0
    volts = _voltage(of, capacity, offset, rng.normal(1, 0.03, spec.cells))
    volts += 0.0004 * rng.standard_normal(volts.shape)
    warmth = _warmth(spec, of, rng)
    for fault in faults:
        plant(fault, spec.times, volts, warmth)
    return np.round(volts, 3), np.round(warmth, 1)


def _voltage(of: System, capacity: Floats, offset: Floats, resistance: Floats) -> Floats:
    """(n, cells): rest voltage at the SOC of each cell, less what the current takes."""
    behind = (_BALANCED_AT - of.soc)[:, np.newaxis] / capacity
    drop = _RESISTANCE_OHM * of.current_a + _SLOW_OHM * of.slow_a
    volts = np.interp(_BALANCED_AT - behind + offset, _OCV_SOC, _OCV_V)
    return volts - drop[:, np.newaxis] * resistance


def _warmth(spec: CellSpec, of: System, rng: np.random.Generator) -> Floats:
    """(n, cells): air, load, and the middle of the line warmer than its ends."""
    line = np.linspace(-1, 1, spec.cells)
    own = 1.2 * (1 - line**2) + rng.normal(0, 0.25, spec.cells)
    shared = of.ambient_c + 3 + _HEAT_C_PER_A2 * of.heat_a2
    noise = 0.05 * rng.standard_normal((spec.times.size, spec.cells))
    return shared[:, np.newaxis] + own + noise


def _day(hours: Floats, charge_ah: float, rng: np.random.Generator) -> Floats:
    """(n,) current [A] of a day: in around noon, out in the evening, as much as came in."""
    begins = (float(rng.uniform(9.5, 10.5)), float(rng.uniform(16.5, 17.5)))
    lasts = (float(rng.uniform(3.5, 4.5)), float(rng.uniform(2.8, 3.6)))
    into = _plateau(hours - begins[0], lasts[0])
    out = _plateau(hours - begins[1], lasts[1])
    return out * _scale(out, hours, charge_ah) - into * _scale(into, hours, charge_ah)


def _plateau(hours: Floats, lasts: float) -> Floats:
    """1 for so long, with edges of a tenth of an hour."""
    return np.clip(np.minimum(hours, lasts - hours) / 0.1, 0, 1)


def _scale(shape: Floats, hours: Floats, charge_ah: float) -> float:
    """Size at which the trapezoids of the shape sum up to a charge, so that every day closes."""
    step = float(hours[1] - hours[0]) if hours.size > 1 else 1.0
    total = float(shape.sum()) * step
    return charge_ah / total if total else 0.0


def _lagged(values: Floats, interval_s: float, constant_s: float) -> Floats:
    """First-order lag."""
    part = 1 - np.exp(-interval_s / constant_s)
    out, last = [], float(values[0])
    for value in values.tolist():
        last += part * (value - last)
        out.append(last)
    return np.array(out)
