"""How the health of a battery is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, get_args

from stream_app.core.battery import Battery, Chemistry
from stream_app.core.charge.ocv import LFP, NMC, Curve

CURVES: dict[Chemistry, Curve] = {"lfp": LFP, "nmc": NMC}
SENSOR_OFFSET = 400
"""Part of the rated capacity that is the constant error of the current sensor, in A for Ah: full
scale is some 1 C to 2 C, and the sensor's zero is good to a quarter of a percent of it or so."""


@dataclass(frozen=True)
class HealthRules:
    """Limits and errors; SOC and relative errors in ppm.

    Attributes
    ----------
    curve
        Open-circuit voltage of the cells; None: no voltage tells the charge.
    full, empty
        SOC at which the battery is at an anchor without a rest, if the voltage says so, too.
    end_error
        Error of the SOC at such an anchor.
    current_error, offset_ma
        Error of the current sensor: part of the current, and [mA] always.
    capacity_error
        Error of the capacity by which charge becomes SOC.
    soc_error
        Error of what the BMS shows.
    jump
        Change of SOC between two samples, beyond what the charge explains, that is SOC_JUMP.
    an_hour
        Fastest change of SOC in an hour: a value that is further off is not believed.
    frozen
        Charge since the SOC last changed that is SOC_FROZEN.
    turning
        A SOC turns once it has come back by this much: less is no cycle.
    span
        Least change of SOC between two anchors that tell the capacity.
    resolution_ms
        Cycles and C-rates need samples at least this often.
    """

    curve: Curve | None = LFP
    full: int = 995_000
    empty: int = 5_000
    end_error: int = 20_000
    current_error: int = 5_000
    offset_ma: int = 500
    capacity_error: int = 30_000
    soc_error: int = 10_000
    jump: int = 30_000
    an_hour: int = 2_000_000
    frozen: int = 30_000
    turning: int = 5_000
    span: int = 400_000
    resolution_ms: int = 900_000


RuleName = Literal[
    "soc_full_ratio",
    "soc_empty_ratio",
    "anchor_low_ratio",
    "anchor_high_ratio",
    "anchor_span_ratio",
    "current_error_ratio",
    "current_offset_a",
    "capacity_error_ratio",
    "soc_error_ratio",
    "soc_jump_ratio",
    "soc_frozen_ratio",
    "cycle_turn_ratio",
]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)
"""Names in ``Battery.own_rules``."""
_ATTRIBUTE: dict[RuleName, str] = {
    "soc_full_ratio": "full",
    "soc_empty_ratio": "empty",
    "anchor_span_ratio": "span",
    "current_error_ratio": "current_error",
    "capacity_error_ratio": "capacity_error",
    "soc_error_ratio": "soc_error",
    "soc_jump_ratio": "jump",
    "soc_frozen_ratio": "frozen",
    "cycle_turn_ratio": "turning",
}
"""Those that are a ratio as they stand."""
LARGEST_OFFSET_A = 1_000.0
_PPM = 1_000_000


def rules_of(battery: Battery) -> HealthRules:
    """The rules of a battery's chemistry and size with its own.

    A battery that says between which charges a rest tells nothing is taken at its word; of an
    unknown chemistry no rest tells the charge.
    """
    own = tuple(sorted(battery.own_rules.items()))
    return _rules(battery.chemistry, battery.capacity_ah, own)


@lru_cache(maxsize=1024)
def _rules(
    chemistry: Chemistry, capacity_ah: float | None, own: tuple[tuple[str, float], ...]
) -> HealthRules:
    given = dict(own)
    changed: dict[str, Any] = {
        attribute: round(given[name] * _PPM)
        for name, attribute in _ATTRIBUTE.items()
        if name in given
    }
    if "current_offset_a" in given:
        changed["offset_ma"] = round(given["current_offset_a"] * 1000)
    elif capacity_ah is not None:
        changed["offset_ma"] = round(capacity_ah * 1000 / SENSOR_OFFSET)
    curve = CURVES.get(chemistry)
    if curve is not None and "anchor_low_ratio" in given:
        ends = given["anchor_low_ratio"], given["anchor_high_ratio"]
        curve = replace(curve, plateau=(round(ends[0] * _PPM), round(ends[1] * _PPM)))
    changed["curve"] = curve
    return HealthRules(**changed)


def objection_to_rules(own: Mapping[str, float]) -> str | None:
    """Why rules of their own cannot be followed; None if they can."""
    unknown = sorted(set(own) - set(RULE_NAMES))
    if unknown:
        return f"there is no rule of health {unknown[0]!r}; there are {', '.join(RULE_NAMES)}"
    for name, value in own.items():
        most = LARGEST_OFFSET_A if name == "current_offset_a" else 1.0
        if not 0 <= value <= most:
            return f"{name} is {value:g}; it must be 0 to {most:g}"
    ends = [own.get(name) for name in ("anchor_low_ratio", "anchor_high_ratio")]
    if (ends[0] is None) != (ends[1] is None):
        return "anchor_low_ratio and anchor_high_ratio belong together: give both, or neither"
    for low, high in (
        ("anchor_low_ratio", "anchor_high_ratio"),
        ("soc_empty_ratio", "soc_full_ratio"),
    ):
        if low in own and high in own and own[low] >= own[high]:
            return f"{low} is {own[low]:g}; it must be below {high}, {own[high]:g}"
    return None
