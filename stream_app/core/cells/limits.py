"""Limits of cells as presets, each with its source; voltages in uV, temperatures in m degC."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

from stream_app.core.battery import Battery, Chemistry
from stream_app.core.cells.quantities import MDEG_PER_DEG, UV_PER_V

LARGEST_LIMIT = 1_000.0
"""Of any limit, in its unit."""

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


_TEMPERATURES = (
    Threshold("OVER_TEMP_ALARM", 60_000, 55_000, 5_000, "degC"),
    Threshold("OVER_TEMP_WARNING", 55_000, 50_000, 20_000, "degC"),
    Threshold("UNDER_TEMP_ALARM", -20_000, -15_000, 5_000, "degC"),
    Threshold("UNDER_TEMP_WARNING", 0, 2_000, 20_000, "degC", charging=True),
)
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
        *_TEMPERATURES,
    ),
    plateau_ratio=(0.20, 0.85),
    plateau_uv=(3_200_000, 3_420_000),
    moving_uv=30_000,
    deviation_uv={"rest": 10_000, "plateau": 20_000, "steep_rest": 30_000, "steep": 60_000},
    spread_uv={"rest": 30_000, "plateau": 60_000, "steep_rest": 100_000, "steep": 300_000},
    temperature_max_mdeg=60_000,
)
NMC = CellLimits(
    sources={
        "thresholds": "MG Energy, manual of the RS battery MGRS12S4P176, cells of 4.2 V, strategy "
        "default: warnings and the critical over-voltage with their delays; the critical "
        "under-voltage, 2.50 V, is ours: where data sheets of such cells end a discharge; an alarm "
        "ends where its warning begins; temperatures as those of LFP",
        "plateau_ratio": "ours: where the curve of NMC is nearly straight",
        "plateau_uv": "the same part in voltage, widened by the drop under load",
        "deviation_uv": "10 mV at rest: requirement S4.6, critical cells; elsewhere ours, wider "
        "than those of LFP, for the curve rises by some 8 mV with each percent of charge",
        "spread_uv": "ours, as those of LFP and wider under load",
        "temperature_deviation_mdeg": "3 degC: requirement S4.6",
    },
    thresholds=(
        Threshold("OVER_VOLT_ALARM", 4_200_000, 4_150_000, 5_000),
        Threshold("OVER_VOLT_WARNING", 4_150_000, 4_050_000, 20_000),
        Threshold("UNDER_VOLT_ALARM", 2_500_000, 2_800_000, 5_000),
        Threshold("UNDER_VOLT_WARNING", 2_800_000, 3_000_000, 20_000),
        *_TEMPERATURES,
    ),
    plateau_ratio=(0.10, 0.95),
    plateau_uv=(3_400_000, 4_150_000),
    moving_uv=60_000,
    deviation_uv={"rest": 10_000, "plateau": 30_000, "steep_rest": 40_000, "steep": 80_000},
    spread_uv={"rest": 30_000, "plateau": 80_000, "steep_rest": 100_000, "steep": 300_000},
    temperature_max_mdeg=60_000,
)
PRESETS: dict[str, CellLimits | None] = {"lfp": LFP, "nmc": NMC, "none": None}
"""By the name that ``Battery.limits`` gives; without limits nothing is judged, and results say so.
"""
PRESET_OF: dict[Chemistry, str] = {"lfp": "lfp", "nmc": "nmc", "other": "none"}
"""Where nobody named a preset."""

LimitName = Literal[
    "over_volt_alarm_v",
    "over_volt_warning_v",
    "under_volt_warning_v",
    "under_volt_alarm_v",
    "over_temp_alarm_c",
    "over_temp_warning_c",
    "under_temp_warning_c",
    "under_temp_alarm_c",
    "deviation_rest_v",
    "deviation_plateau_v",
    "deviation_steep_rest_v",
    "deviation_steep_v",
    "spread_rest_v",
    "spread_plateau_v",
    "spread_steep_rest_v",
    "spread_steep_v",
    "temperature_deviation_c",
    "temperature_max_c",
]
_OF_UNIT: dict[Literal["V", "degC"], tuple[str, int]] = {
    "V": ("v", UV_PER_V),
    "degC": ("c", MDEG_PER_DEG),
}
_RISING = "UNDER_VOLT_ALARM", "UNDER_VOLT_WARNING", "OVER_VOLT_WARNING", "OVER_VOLT_ALARM"
LIMIT_NAMES: tuple[LimitName, ...] = get_args(LimitName)
"""Names in ``Battery.own_limits``: of thresholds, of deviations and spreads by regime."""


def limits_of(battery: Battery) -> CellLimits | None:
    """Limits of a battery: its preset with its own numbers; None where nothing is judged."""
    return _limits(battery.limits, tuple(sorted(battery.own_limits.items())))


@lru_cache(maxsize=1024)
def _limits(preset: str, own: tuple[tuple[str, float], ...]) -> CellLimits | None:
    found, given = PRESETS.get(preset), dict(own)
    if found is None or not given:
        return found
    warmer, hottest = (
        round(given[name] * MDEG_PER_DEG) if name in given else None
        for name in ("temperature_deviation_c", "temperature_max_c")
    )
    return replace(
        found,
        thresholds=tuple(_moved(each, given) for each in found.thresholds),
        deviation_uv=_of_regimes("deviation", found.deviation_uv, given),
        spread_uv=_of_regimes("spread", found.spread_uv, given),
        temperature_deviation_mdeg=warmer or found.temperature_deviation_mdeg,
        temperature_max_mdeg=hottest or found.temperature_max_mdeg,
    )


def _moved(threshold: Threshold, given: Mapping[str, float]) -> Threshold:
    """A limit of its own ends as far behind itself as the one of the preset."""
    suffix, per_unit = _OF_UNIT[threshold.unit]
    value = given.get(f"{threshold.rule.lower()}_{suffix}")
    if value is None:
        return threshold
    limit = round(value * per_unit)
    return replace(threshold, limit=limit, back=limit + threshold.back - threshold.limit)


def _of_regimes(
    what: str, preset: Mapping[Regime, int], given: Mapping[str, float]
) -> dict[Regime, int]:
    own = ((regime, given.get(f"{what}_{regime}_v")) for regime in preset)
    return {**preset, **{regime: round(each * UV_PER_V) for regime, each in own if each}}


def objection_to_limits(preset: str, own: Mapping[str, float]) -> str | None:
    """Why numbers of their own cannot stand beside a preset that is known; None if they can."""
    unknown = sorted(set(own) - set(LIMIT_NAMES))
    if unknown:
        return f"there is no limit {unknown[0]!r}; there are {', '.join(LIMIT_NAMES)}"
    for name, value in own.items():
        least = -LARGEST_LIMIT if "_temp_" in name else 0
        if not least < value < LARGEST_LIMIT:
            return f"{name} is {value:g}; it must be above {least:g} and below {LARGEST_LIMIT:g}"
    limits = _limits(preset, tuple(sorted(own.items())))
    if limits is None:
        told = "the preset none judges nothing: name another beside limits of its own"
        return told if own else None
    found = (_disorder(limits.thresholds, unit) for unit in _OF_UNIT)
    return next((each for each in found if each is not None), None)


def _disorder(thresholds: tuple[Threshold, ...], unit: Literal["V", "degC"]) -> str | None:
    """How limits of one unit contradict one another."""
    every = {
        each.rule.replace("_TEMP_", "_VOLT_"): each for each in thresholds if each.unit == unit
    }
    rising = [every[name] for name in _RISING]
    order, ends = [each.limit for each in rising], [each.back for each in rising[1:3]]
    if order == sorted(order) and ends[0] < ends[1]:
        return None
    shown = ", ".join(f"{each / _OF_UNIT[unit][1]:g}" for each in order)
    return (
        f"limits from the lowest alarm to the highest are {shown} {unit}: they must rise, and "
        "the warnings must end before they meet"
    )
