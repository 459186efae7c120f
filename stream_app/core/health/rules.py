"""How the health of a battery is judged."""

from dataclasses import dataclass, replace

from stream_app.core.battery import Battery

LFP_PLATEAU = 200_000, 850_000
"""SOC [ppm] between which the voltage of LFP at rest says nothing of its charge."""
EVERYWHERE = 0, 1_000_000


@dataclass(frozen=True)
class HealthRules:
    """Limits and errors; SOC and relative errors in ppm.

    Attributes
    ----------
    plateau
        A rest between these SOC is no anchor; None: a rest always is one.
    full, empty
        SOC at which the battery is at an anchor without a rest.
    current_error, offset_ma
        Error of the current sensor: part of the current, and [mA] always.
    capacity_error
        Error of the capacity by which charge becomes SOC.
    soc_error
        Error of the BMS's SOC at an anchor, and of what it shows.
    jump
        Change of SOC between two samples, beyond what the charge explains, that is SOC_JUMP.
    frozen
        Charge since the SOC last changed that is SOC_FROZEN.
    turning
        A SOC turns once it has come back by this much: less is no cycle.
    span
        Least change of SOC between two anchors that tell the capacity.
    resolution_ms
        Cycles and C-rates need samples at least this often.
    """

    plateau: tuple[int, int] | None = LFP_PLATEAU
    full: int = 995_000
    empty: int = 5_000
    current_error: int = 5_000
    offset_ma: int = 500
    capacity_error: int = 30_000
    soc_error: int = 10_000
    jump: int = 30_000
    frozen: int = 30_000
    turning: int = 5_000
    span: int = 400_000
    resolution_ms: int = 900_000


def rules_of(battery: Battery) -> HealthRules:
    """The rules of a battery's chemistry; of an unknown one no rest tells the charge."""
    if battery.chemistry == "lfp":
        return HealthRules()
    return replace(HealthRules(), plateau=None if battery.chemistry == "nmc" else EVERYWHERE)
