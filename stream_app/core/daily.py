"""The result of something on a local day: what can be told, why the rest cannot, which revision."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

Why = Literal[
    "missing_signal",
    "missing_rating",
    "missing_date",
    "missing_cycles",
    "out_of_range",
    "sample_rate",
    "gap",
    "no_rest",
    "no_flat_rest",
    "no_voltage",
    "no_anchor",
    "too_short",
    "too_little",
    "other_chemistry",
    "soc_drift",
    "soc_jump",
]
"""Why an indicator cannot be told: a signal did not come; the battery's record lacks a rating, a
date or the cycles before the data; a signal came with values that it cannot have; samples are too
far apart; time is unknown; the battery did not rest, or only where its cells cannot be compared; no
cell voltages came; it was at no anchor; too few days; too little charge or energy moved; there is
no model of this chemistry; the SOC that it hangs on was not that of the ledger, or leapt and the
leap was believed."""
Reading = tuple[float, ...] | Why


@dataclass(frozen=True, kw_only=True)
class LocalDay:
    """What can be told of a local day.

    Attributes
    ----------
    date
        Local date, ISO.
    start, end
        Of the day [ms UTC].
    rows
        Rows of telemetry in it.
    values
        Indicator -> value; the name ends in its unit, or it is a number.
    missing
        Indicator -> why it cannot be told. Every indicator is here or in ``values``.
    revision, final
        Counts publications with other content; False where an end of data gave the day as it stood.
    """

    date: str
    start: int
    end: int
    rows: int
    values: Mapping[str, float]
    missing: Mapping[str, Why]
    revision: int = 1
    final: bool = True


Day = TypeVar("Day", bound=LocalDay)


def numbered(published: Mapping[int, Day], day: Day) -> Day | None:
    """A day with its revision; None if it was published as it is.

    ``published`` has what an end of data gave, by start of the day.
    """
    before = published.get(day.start)
    if before is None:
        return day
    if replace(day, revision=before.revision, final=before.final) == before:
        return None
    return replace(day, revision=before.revision + 1)


def later(published: Mapping[int, Day], start: int) -> dict[int, Day]:
    """What was published of days after one that is complete."""
    return {each: day for each, day in published.items() if each > start}
