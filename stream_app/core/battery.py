"""What hangs together in a battery system, and what is measured of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_app.core.energy import Floats, Ints

Values = NDArray[np.float64] | NDArray[np.float32]

Chemistry = Literal["lfp", "nmc", "other"]
WindowRule = Literal["max", "extremes", "flag"]
STALE_MS = 2_700_000


@dataclass(frozen=True)
class BatteryRules:
    """How a battery's telemetry is judged. Times in milliseconds.

    Attributes
    ----------
    interval_ms
        Nominal time between samples.
    max_gap_ms
        A longer time between two samples is unknown.
    skew_ms
        A sample further ahead of the clock is set aside until the clock confirms it.
    rest_a, rest_ms
        A battery rests once its current has stayed within ``rest_a`` [A] for ``rest_ms``.
    cells_gap_ms, signal_gaps_ms
        The longest known time between rows of a pack, and between values of signals of the
        system, where it is not ``max_gap_ms``: what is sampled more often makes no gaps in others.
    stale_ms
        Silence of a pack or of the system's signals that raises STALE_DATA; no silence does that
        is not longer than what is known between its rows.
    """

    interval_ms: int = 60_000
    max_gap_ms: int = 180_000
    skew_ms: int = 3_600_000
    rest_a: float = 1.0
    rest_ms: int = 1_800_000
    cells_gap_ms: int | None = None
    signal_gaps_ms: Mapping[str, int] = field(default_factory=dict)
    stale_ms: int = STALE_MS

    @property
    def of_cells(self) -> "BatteryRules":
        """Rules of a pack: ``max_gap_ms`` is that of its rows."""
        return replace(self, max_gap_ms=self.cells_gap_ms or self.max_gap_ms)

    @property
    def longest_gap_ms(self) -> int:
        """What is known of any signal of the system is so within this time."""
        return max(self.max_gap_ms, *self.signal_gaps_ms.values(), 0)

    @property
    def stale_cells_ms(self) -> int:
        """The longest silence of a pack."""
        return max(self.stale_ms, self.of_cells.max_gap_ms)

    @property
    def stale_signals_ms(self) -> int:
        """The longest silence of the signals of the system."""
        return max(self.stale_ms, self.longest_gap_ms)


@dataclass(frozen=True)
class Battery:
    """A battery system.

    Attributes
    ----------
    site, system
        Names; ``site/battery/system`` is the key of every record of it.
    zone
        IANA zone of the site's days.
    packs
        Name -> number of cells in series, numbered from 1 along the line.
    limits, own_limits
        Name of the preset of limits, and what replaces single ones; see ``cells.limits``.
    own_rules
        What replaces single rules of health; see ``health.rules``.
    capacity_ah, energy_wh
        Ratings; None where they are not known.
    commissioned
        Local date (ISO) from which calendar ageing counts.
    signals
        Further signals and how windows keep them.
    efc_before
        Equivalent full cycles before the first row; None where they are not known.
    """

    site: str
    system: str
    zone: str
    packs: Mapping[str, int]
    rules: BatteryRules = field(default_factory=BatteryRules)
    chemistry: Chemistry = "lfp"
    limits: str = "lfp"
    capacity_ah: float | None = None
    energy_wh: float | None = None
    commissioned: str | None = None
    signals: Mapping[str, WindowRule] = field(default_factory=dict)
    own_limits: Mapping[str, float] = field(default_factory=dict)
    own_rules: Mapping[str, float] = field(default_factory=dict)
    efc_before: float | None = None

    @property
    def key(self) -> str:
        return f"{self.site}/battery/{self.system}"


@dataclass(frozen=True, eq=False)
class CellSamples:
    """Cells of one pack.

    Attributes
    ----------
    times
        (n,) ms UTC, in order of arrival.
    voltage_v, temperature_c
        (n, cells), NaN where a cell has no value; None where the record has none at all.
    current_a, soc_ratio
        (n,) of the string that the cells are in, + = discharge and 0..1, for what is judged by
        load; NaN or None where they are not known.
    """

    pack: str
    times: Ints
    voltage_v: Values | None = None
    temperature_c: Values | None = None
    current_a: Values | None = None
    soc_ratio: Values | None = None


@dataclass(frozen=True, eq=False)
class SystemSamples:
    """Signals of a battery system: ``times`` (n,) ms UTC, ``values`` name -> (n,), NaN = none.

    ``soc_ratio`` and ``soh_ratio`` in 0..1, ``voltage_v``, ``current_a``, ``dc_power_w`` and
    ``ac_power_w`` with + = discharge.
    """

    times: Ints
    values: Mapping[str, Floats]


@dataclass(frozen=True)
class MeterPoint:
    """A meter; ``site/meter/name`` is the key of every record of it. Times in milliseconds.

    Attributes
    ----------
    signal_gaps_ms
        The longest known time between values of signals where it is not ``max_gap_ms``: what is
        read more often makes no gaps in others.
    rating_w
        The most that the meter carries; None: ten times the largest power it has shown so far.
    """

    site: str
    meter: str
    zone: str
    interval_ms: int = 900_000
    max_gap_ms: int = 2_700_000
    skew_ms: int = 3_600_000
    signal_gaps_ms: Mapping[str, int] = field(default_factory=dict)
    rating_w: float | None = None

    def gap_ms(self, signal: str) -> int:
        """The longest known time between values of a signal."""
        return self.signal_gaps_ms.get(signal, self.max_gap_ms)

    @property
    def longest_gap_ms(self) -> int:
        """What is known of any signal of the meter is so within this time."""
        return max(self.max_gap_ms, *self.signal_gaps_ms.values(), 0)

    @property
    def key(self) -> str:
        return f"{self.site}/meter/{self.meter}"


@dataclass(frozen=True, eq=False)
class MeterSamples:
    """Signals of a meter: ``times`` (n,) ms UTC, ``values`` name -> (n,), NaN = none.

    ``power_w`` (+ = export), ``power_factor``, counters ``import_wh``, ``export_wh``, ``total_wh``.
    """

    times: Ints
    values: Mapping[str, Floats]
