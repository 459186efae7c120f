"""A battery that charges and discharges as it is told, and what its BMS and meters would show."""

from dataclasses import dataclass, field, replace

import numpy as np

from stream_app.core.battery import Battery, BatteryRules, SystemSamples
from stream_app.core.charge.ocv import LFP, Curve
from stream_app.core.energy import Floats, Ints
from stream_app.core.health.result import HealthDay
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import SystemMessage, SystemOutputs, fold_system
from stream_app.core.messages import EndOfData

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_743_458_400_000
"""2025-04-01 in Berlin."""
BATTERY = Battery(
    "site",
    "b1",
    "Europe/Berlin",
    {"1": 52},
    rules=BatteryRules(),
    capacity_ah=280.0,
    energy_wh=46_592.0,
    commissioned="2024-04-01",
    efc_before=20.0,
)
VOLTAGE = 166.4
DAILY = ((0, 0.0), (6, -57.5), (8, 0.0), (10, -57.5), (12, 0.0), (16, 57.5), (20, 0.0))
"""From hour -> current [A]: four hours of charge and of discharge, 230 Ah; rests at the bottom at
night, on the plateau in the morning and near the top at noon."""
RESISTANCE_OHM = 0.0004
SPREAD_V = 0.012


@dataclass
class Pack:
    """A battery of ``capacity_ah`` whose current follows ``plan``, hour of the day -> A."""

    capacity_ah: float = 280.0
    start: float = 0.12
    plan: tuple[tuple[float, float], ...] = DAILY
    step_ms: int = MINUTE
    signals: tuple[str, ...] = ("soc_ratio", "current_a", "cell_max_v", "cell_min_v")
    curve: Curve = LFP

    def samples(self, days: float, midnight: int = MIDNIGHT) -> SystemSamples:
        """Telemetry of so many times 24 h; charge by trapezoid, as the current between samples."""
        times = midnight + np.arange(0, round(days * DAY) + 1, self.step_ms, dtype=np.int64)
        hours = (times - midnight) / HOUR % 24
        begins, levels = np.array(self.plan).T
        current = levels[np.searchsorted(begins, hours, side="right") - 1]
        charge = np.cumsum((current[1:] + current[:-1]) / 2 * np.diff(times)) / HOUR
        soc = self.start - np.append(0.0, charge) / self.capacity_ah
        every = {
            "soc_ratio": soc,
            "soh_ratio": np.full(times.size, 0.97),
            "voltage_v": np.full(times.size, VOLTAGE),
            "current_a": current,
            "dc_power_w": current * VOLTAGE,
            "cell_spread_v": np.full(times.size, SPREAD_V),
            "cell_max_v": self.volts(soc, current) + SPREAD_V / 2,
            "cell_min_v": self.volts(soc, current) - SPREAD_V / 2,
            "cell_max_c": np.full(times.size, 31.0),
            "cell_mean_c": np.full(times.size, 25.0),
        }
        return SystemSamples(times, {name: every[name] for name in self.signals})

    def volts(self, soc: Floats, current: Floats) -> Floats:
        """Voltage of the middle cell."""
        rest = np.interp(100 * soc, self.curve.percent[1:-1], self.curve.mv[1:-1]) / 1000
        return np.asarray(rest - current * RESISTANCE_OHM)


ALL = (
    "soc_ratio",
    "soh_ratio",
    "voltage_v",
    "current_a",
    "dc_power_w",
    "cell_spread_v",
    "cell_max_c",
    "cell_mean_c",
    "cell_max_v",
    "cell_min_v",
)


@dataclass
class Watched:
    """A system's state and all that it gave."""

    battery: Battery = BATTERY
    state: SystemState = field(default_factory=SystemState)
    days: list[HealthDay] = field(default_factory=list)
    outputs: list[SystemOutputs] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feed(self.battery)

    def feed(self, *messages: SystemMessage) -> "Watched":
        found = fold_system(self.state, messages)
        self.outputs.append(found)
        self.days += found.days
        return self

    def ended(self) -> "Watched":
        """After an end of data at the newest row."""
        now = self.state.present.clock.clock.now
        assert now is not None
        return self.feed(EndOfData(now + 1))

    @property
    def rules(self) -> list[tuple[str, bool]]:
        """Findings in order: rule, and whether it began."""
        return [(each.rule, each.raised) for out in self.outputs for each in out.changes]


def watch(samples: SystemSamples, battery: Battery = BATTERY) -> Watched:
    return Watched(battery).feed(samples)


def changed(samples: SystemSamples, **signals: Floats | None) -> SystemSamples:
    """The same rows with other signals; None leaves one out."""
    values = {**samples.values, **{k: v for k, v in signals.items() if v is not None}}
    gone = {name for name, each in signals.items() if each is None}
    return replace(samples, values={k: v for k, v in values.items() if k not in gone})


def kept(samples: SystemSamples, mask: "Ints | np.ndarray") -> SystemSamples:
    """Some of the rows."""
    return SystemSamples(samples.times[mask], {k: v[mask] for k, v in samples.values.items()})
