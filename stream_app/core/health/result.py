"""The health of a battery system on a local day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stream_app.core.battery import Battery
from stream_app.core.health.soc import SocChange
from stream_app.core.messages import Refusal
from stream_app.core.rows import LateRow

Why = Literal[
    "missing_signal",
    "missing_rating",
    "missing_date",
    "sample_rate",
    "gap",
    "no_rest",
    "no_anchor",
    "too_short",
    "too_little",
    "other_chemistry",
]
"""Why an indicator cannot be told: a signal never came; the battery's record lacks a rating or a
date; samples are too far apart; time is unknown; the battery did not rest; it was at no anchor; too
few days; too little charge or energy moved; no model of this chemistry."""


@dataclass(frozen=True)
class HealthDay:
    """Indicators of a battery system at the end of a local day.

    Attributes
    ----------
    date
        Local date, ISO.
    start, end
        Of the day [ms UTC].
    rows
        Rows of telemetry in it.
    values
        Indicator -> value; the name ends in its unit.
    missing
        Indicator -> why it cannot be told. Every indicator is here or in ``values``.
    cycles
        Lowest and highest SOC of each full cycle that closed in the day, in ppm.
    dwell
        Signal -> time in each bin [ms]; see ``columns.DWELLS`` for the edges.
    revision, final
        Counts publications with other content; False where an end of data gave the day as it stood.
    """

    date: str
    start: int
    end: int
    rows: int
    values: Mapping[str, float]
    missing: Mapping[str, Why]
    cycles: tuple[tuple[int, int], ...]
    dwell: Mapping[str, tuple[int, ...]]
    revision: int = 1
    final: bool = True


@dataclass(frozen=True)
class SystemOutputs:
    """What a fold gave; ``refusals`` are places in its batch."""

    battery: Battery | None
    days: tuple[HealthDay, ...] = ()
    changes: tuple[SocChange, ...] = ()
    late: tuple[LateRow, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    rows: int = 0
