"""The station behind a sample: dispatch of a day, power of DC inputs, readings of batteries.

All values of a time stamp follow from the seed and the time alone. Noise is drawn for fixed
stretches of a local day, so that neither files nor row groups change it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from replay.sample.spec import SampleSpec
from stream_app.core.calendar import first_instant

Floats = NDArray[np.float64]
Readings = NDArray[np.float32]
Instants = NDArray[np.int64]

INPUT_RATING_KW = 1800.0
STRETCH_ROWS = 1024
STORAGE_HOURS = 4.5
ROUND_TRIP = 0.92
WEAK_SHARE = 0.8
LARGEST_LAG_H = 60 / 3600
_MINUTES = np.arange(0.0, 27.0, 1 / 60)
_PERIODS_H = (0.62, 0.21)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Rows of one local day in time order.

    Attributes
    ----------
    times
        (n,) ms UTC.
    power_kw
        (inputs, n), + = discharge.
    readings
        (columns of the batteries, n).
    """

    times: Instants
    power_kw: Floats
    readings: Readings


class Station:
    """The made-up plant of a spec."""

    def __init__(self, spec: SampleSpec) -> None:
        self.spec = spec
        self.zone = ZoneInfo(spec.zone)
        rng = np.random.default_rng([spec.seed, 0])
        inputs = 2 * spec.inverters
        self.lag_h = rng.uniform(0.0, LARGEST_LAG_H, inputs)
        self.strength = rng.uniform(0.985, 1.0, inputs)
        self.weak_input = int(rng.integers(inputs))
        if spec.weak:
            self.strength[self.weak_input] *= WEAK_SHARE
        self.character = rng.normal(size=len(self.inverter_of_enclosure)).astype(np.float32)

    @cached_property
    def inverter_of_enclosure(self) -> NDArray[np.int64]:
        counts = [len(names) for names in self.spec.enclosure_names]
        return np.repeat(np.arange(len(counts)), counts)

    def stretches(self, day: date) -> Iterator[Stretch]:
        """Make the rows of a local day; a day that the zone skips has none."""
        start = first_instant(day, self.zone)
        end = first_instant(day + timedelta(days=1), self.zone)
        times = np.arange(start, end, self.spec.interval_ms, dtype=np.int64)
        plan = _Plan(self.spec.seed, day)
        for number, first in enumerate(range(0, times.size, STRETCH_ROWS)):
            rows = times[first : first + STRETCH_ROWS]
            rng = np.random.default_rng([self.spec.seed, 1, day.toordinal(), number])
            yield self._stretch(plan, rows, (rows - start) / 3_600_000, rng)

    def _stretch(
        self, plan: "_Plan", times: Instants, hours: Floats, rng: np.random.Generator
    ) -> Stretch:
        level = plan.power(hours - self.lag_h[:, np.newaxis]) * self.strength[:, np.newaxis]
        noise = 1.0 + 0.004 * rng.standard_normal(level.shape)
        power = np.round(INPUT_RATING_KW * level * noise, 3) + 0.0
        return Stretch(times, power, self._readings(plan, hours, level))

    def _readings(self, plan: "_Plan", hours: Floats, level: Floats) -> Readings:
        load = np.abs(level[::2] + level[1::2])[self.inverter_of_enclosure].astype(np.float32) / 2
        flow = (level[::2] + level[1::2])[self.inverter_of_enclosure].astype(np.float32) / 2
        own = self.character[:, np.newaxis]
        soc = np.clip(plan.soc_percent(hours).astype(np.float32) + 0.6 * own, 0, 100)
        warmest = 24 + 7 * load + own
        cell = 3.2 + 0.0014 * soc - 0.03 * flow
        quantities = (
            (soc, 1),
            (warmest, 1),
            (warmest - 3.5 - 0.5 * load, 1),
            (416 * cell, 1),
            (cell + 0.004 + 0.001 * np.abs(own), 3),
            (cell - 0.005 - 0.001 * np.abs(own), 3),
            (np.broadcast_to(97 + 0.4 * own, soc.shape), 1),
            (flow * np.float32(900.0), 1),
        )
        used = quantities[: self.spec.battery_columns]
        return np.concatenate([np.round(values, digits) for values, digits in used])


class _Plan:
    """Dispatch of a day as a share of the rating: out in the morning, in at noon, out at night."""

    def __init__(self, seed: int, day: date) -> None:
        rng = np.random.default_rng([seed, 2, day.toordinal()])
        season = 1 + 0.1 * np.cos(2 * np.pi * day.timetuple().tm_yday / 365)
        morning, noon = rng.uniform(0.3, 0.6), rng.uniform(0.38, 0.55) * season
        shift = rng.uniform(-0.3, 0.3, 4)
        evening = min(1.0, (6.2 * noon * ROUND_TRIP - 1.3 * morning) / 3.4)
        self.knots = [
            (0.0, 0.0),
            (6.3 + shift[0], 0.0),
            (6.6 + shift[0], morning),
            (7.6 + shift[0], morning),
            (7.9 + shift[0], 0.0),
            (9.6 + shift[1], 0.0),
            (10.2 + shift[1], -noon),
            (14.5 + shift[1], -noon),
            (16.9 + shift[2], -0.3 * noon),
            (17.3 + shift[2], evening),
            (20.3 + shift[3], evening),
            (20.8 + shift[3], 0.0),
        ]
        self.regulates_at_night = bool(rng.random() < 0.6)
        self.amplitude = rng.uniform(0.05, 0.15)
        self.phases = rng.uniform(0, 2 * np.pi, len(_PERIODS_H))

    def power(self, hours: Floats) -> Floats:
        """Share of the rating at hours since the day began, + = discharge."""
        at, level = zip(*self.knots, strict=True)
        wave = np.where(self._regulates(hours), self.amplitude * self._wave(hours), 0.0)
        return np.asarray(np.interp(hours, at, level) + wave, dtype=np.float64)

    def soc_percent(self, hours: Floats) -> Floats:
        """State of charge; a day ends about where it began."""
        flow = self.power(_MINUTES)
        stored = -np.cumsum(np.where(flow < 0, flow * ROUND_TRIP, flow)) / 60
        return 22 + 100 * np.interp(hours, _MINUTES, stored) / STORAGE_HOURS

    def _regulates(self, hours: Floats) -> NDArray[np.bool_]:
        night = (hours > 0.5) & (hours < 5.5) & self.regulates_at_night
        return night | ((hours > 8.3) & (hours < 9.2))

    def _wave(self, hours: Floats) -> Floats:
        turns = 2 * np.pi * hours
        (slow, fast), (early, late) = _PERIODS_H, self.phases
        wave: Floats = np.sin(turns / slow + early) + 0.6 * np.sin(turns / fast + late)
        return wave
