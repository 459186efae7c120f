"""A pack of LFP cells in daily use, with faults put in; the same seed gives the same data."""

from dataclasses import dataclass

import numpy as np

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.energy import Floats, Ints

START_MS = 1_742_943_600_000
"""2025-03-25 23:00 UTC: midnight in Berlin, four days before its clocks change."""
HOUR_MS = 3_600_000
CAPACITY_AH = 280.0
OCV = (
    (-0.05, 0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.9, 0.95, 0.98, 1.0, 1.05),
    (2.3, 2.8, 2.95, 3.1, 3.2, 3.245, 3.275, 3.295, 3.305, 3.325, 3.332, 3.34, 3.38, 3.5, 3.8),
)
"""A simple open-circuit curve: charge, V."""


@dataclass(frozen=True)
class Faults:
    """Which cell (from 1) has which fault, all from ``since_h`` on but the weak one."""

    weak: int | None = None
    drifting: int | None = None
    hot: int | None = None
    stuck: int | None = None
    since_h: float = 30.0


@dataclass(frozen=True)
class Trace:
    """What the pack does: times (n,) [ms UTC], matrices (n, cells), current [A], charge."""

    times: Ints
    voltage_v: Floats
    temperature_c: Floats
    current_a: Floats
    soc_ratio: Floats

    def samples(
        self, first: int, last: int, *, pack: str = "1", string: bool = True
    ) -> CellSamples:
        part = slice(first, last)
        return CellSamples(
            pack,
            self.times[part],
            self.voltage_v[part],
            self.temperature_c[part],
            self.current_a[part] if string else None,
            self.soc_ratio[part] if string else None,
        )


def battery(interval_s: float = 60.0, packs: int = 1) -> Battery:
    rules = BatteryRules(
        interval_ms=round(interval_s * 1000), max_gap_ms=round(max(180.0, 3 * interval_s) * 1000)
    )
    return Battery(
        "station", "b1", "Europe/Berlin", {str(n + 1): 52 for n in range(packs)}, rules=rules
    )


def current(hours: Floats) -> Floats:
    """A day: rest, charge at C/5 before noon, rest, discharge at C/4 in the evening, rest [A]."""
    of_day = hours % 24
    charge = (of_day >= 9) & (of_day < 13.25)
    discharge = (of_day >= 17) & (of_day < 20.5)
    return np.where(charge, -56.0, np.where(discharge, 68.0, 0.0))


def trace(
    seed: int, days: float, faults: Faults, interval_s: float = 60.0, cells: int = 52
) -> Trace:
    rng = np.random.default_rng(seed)
    hours = np.arange(round(days * 86_400 / interval_s)) * interval_s / 3600
    load = current(hours) + rng.normal(0, 0.2, hours.size)
    capacity = CAPACITY_AH * (1 + rng.normal(0, 0.004, cells))
    if faults.weak is not None:
        capacity[faults.weak - 1] *= 0.93
    resistance = 0.00025 * (1 + rng.normal(0, 0.05, cells))
    taken = np.cumsum(load) * interval_s / 3600
    soc = 0.08 + rng.normal(0, 0.003, cells) - taken[:, None] / capacity
    voltage = np.interp(soc, *OCV) - load[:, None] * resistance
    ambient = 22 + 3 * np.sin((hours - 9) / 24 * 2 * np.pi)
    warmth = ambient[:, None] + 3e-4 * load[:, None] ** 2 + rng.normal(0, 0.3, cells)
    late = hours >= faults.since_h
    if faults.drifting is not None:
        voltage[:, faults.drifting - 1] -= 0.001 * np.maximum(hours - faults.since_h, 0)
    if faults.hot is not None:
        warmth[late, faults.hot - 1] += 4
    voltage += rng.normal(0, 0.001, voltage.shape)
    warmth += rng.normal(0, 0.05, warmth.shape)
    if faults.stuck is not None:
        column = voltage[:, faults.stuck - 1]
        column[late] = column[late][0]
    times = START_MS + np.rint(hours * HOUR_MS).astype(np.int64)
    return Trace(times, voltage.round(3), warmth.round(1), load.round(1), soc.mean(axis=1))
