"""Limits of cells as presets, each with its source; voltages in uV, temperatures in m degC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Regime = Literal["unknown", "rest", "plateau", "steep_rest", "steep"]
REGIMES: tuple[Regime, ...] = ("unknown", "rest", "plateau", "steep_rest", "steep")
"""Whether a pack rests or carries load, on the flat part of its curve or at a steep end."""
UNKNOWN, REST, PLATEAU, STEEP_REST, STEEP = range(5)

ThresholdRule = Literal[
    "OVER_VOLT_ALARM",
    "OVER_VOLT_WARNING",
    "UNDER_VOLT_ALARM",
    "UNDER_VOLT_WARNING",
    "OVER_TEMP_ALARM",
    "OVER_TEMP_WARNING",
    "UNDER_TEMP_ALARM",
    "UNDER_TEMP_WARNING",
]


@dataclass(frozen=True)
class Threshold:
    """A limit of one cell: begins at ``limit`` held ``delay_ms``, ends behind ``back``.

    Of a voltage, or of a temperature [degC]; ``charging``: only while the string charges.
    """

    rule: ThresholdRule
    limit: int
    back: int
    delay_ms: int
    unit: Literal["V", "degC"] = "V"
    charging: bool = False

    @property
    def above(self) -> bool:
        """Whether it is an upper limit."""
        return self.back < self.limit


@dataclass(frozen=True)
class CellLimits:
    """How the cells of a chemistry are judged.

    Attributes
    ----------
    sources
        Where the numbers come from, by attribute.
    thresholds
        Absolute limits of a cell.
    plateau_ratio, plateau_uv
        Charge and median voltage between which the curve is flat.
    moving_uv
        A median that moves more in five minutes is at a steep end, whatever its level.
    deviation_uv
        Deviation from the pack's median by regime; a cell beyond it is critical.
    spread_uv
        Spread between two cells of a pack by regime.
    temperature_deviation_mdeg
        Deviation of a cell's temperature; a cell beyond it is critical.
    temperature_max_mdeg
        Highest that makers allow, for the thermal rule; None: it goes by the voltage alone.
    """

    sources: Mapping[str, str]
    thresholds: tuple[Threshold, ...]
    plateau_ratio: tuple[float, float]
    plateau_uv: tuple[int, int]
    moving_uv: int
    deviation_uv: Mapping[Regime, int]
    spread_uv: Mapping[Regime, int]
    temperature_deviation_mdeg: int = 3_000
    temperature_max_mdeg: int | None = None


LFP = CellLimits(
    sources={
        "thresholds": "MG Energy, LFP battery manual: values and delays of the warnings and of the "
        "critical limits; an alarm ends where its warning begins",
        "plateau_ratio": "flat part of the LFP open-circuit curve, 20-85 % of charge",
        "plateau_uv": "the same part in voltage, widened by the drop under load",
        "deviation_uv": "10 mV at rest: requirement S4.6, critical cells; "
        "under load and at the steep ends wider by what resistance and capacity spread explain",
        "spread_uv": "30 mV at rest: dbus-serialbattery issue 892 calls 10-30 mV normal",
        "temperature_deviation_mdeg": "3 degC: requirement S4.6",
    },
    thresholds=(
        Threshold("OVER_VOLT_ALARM", 3_650_000, 3_600_000, 5_000),
        Threshold("OVER_VOLT_WARNING", 3_600_000, 3_520_000, 20_000),
        Threshold("UNDER_VOLT_ALARM", 2_400_000, 2_600_000, 5_000),
        Threshold("UNDER_VOLT_WARNING", 2_600_000, 2_800_000, 20_000),
        Threshold("OVER_TEMP_ALARM", 60_000, 55_000, 5_000, "degC"),
        Threshold("OVER_TEMP_WARNING", 55_000, 50_000, 20_000, "degC"),
        Threshold("UNDER_TEMP_ALARM", -20_000, -15_000, 5_000, "degC"),
        Threshold("UNDER_TEMP_WARNING", 0, 2_000, 20_000, "degC", charging=True),
    ),
    plateau_ratio=(0.20, 0.85),
    plateau_uv=(3_200_000, 3_420_000),
    moving_uv=30_000,
    deviation_uv={"rest": 10_000, "plateau": 20_000, "steep_rest": 30_000, "steep": 60_000},
    spread_uv={"rest": 30_000, "plateau": 60_000, "steep_rest": 100_000, "steep": 300_000},
    temperature_max_mdeg=60_000,
)
PRESETS: dict[str, CellLimits | None] = {"lfp": LFP, "none": None}
"""By the name that ``Battery.limits`` gives; without limits nothing is judged, and results say so.
"""
