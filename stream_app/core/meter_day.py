"""What is told of a meter on a local day, from its sums: energies, and whether they agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream_app.core.calendar import SiteCalendar
from stream_app.core.daily import LocalDay, Reading, Why
from stream_app.core.energy import W_MS_PER_KWH
from stream_app.core.rows import Signal
from stream_app.core.slots import BOUND, IN, KNOWN, OUT

W_MS_PER_WH = 3_600_000
POWER, POWER_FACTOR = range(2)
COUNTERS = ("import", "export", "total")
SIGNALS = (
    Signal("power_w", 1e3, -1e10, 1e10),
    Signal("power_factor", 1e6, -1.0, 1.0),
    *(Signal(f"{name}_wh", W_MS_PER_WH, 0.0, 1e12) for name in COUNTERS),
)
"""mW, ppm, W ms."""

POWER_COLUMNS, FACTOR_COLUMNS = slice(0, 4), slice(4, 6)
"""Integral of the power; time and sum of power factor times time."""
ENERGY, COVERED, UNPLACED, RESETS, GLITCHES = range(5)
"""Columns of a counter: energy of the day [W ms], the time that it spans [ms], energy of which no
day can be told [W ms], resets, glitches."""
COUNTER_COLUMNS = 5
WIDTH = FACTOR_COLUMNS.stop + COUNTER_COLUMNS * len(COUNTERS)

FLOWS = {"import": IN, "export": OUT}
"""Rows of the power integral that a counter is compared with."""
METER_ERROR = 0.01
"""Error of the power integral and the counter together, as a ratio: two meters of class 0.5."""
LEAST_COVERAGE = 0.98
"""Part of the day that power and counter must both know to be compared."""

Verdict = Literal["agrees", "differs"]


@dataclass
class MeterFacts:
    """Numbers of rows and refused values of a day, and the digit of each counter by then [W ms]."""

    start: int
    end: int
    rows: int = 0
    refused: int = 0
    digits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MeterDay(LocalDay):
    """Energy of a meter on a local day; ``verdicts``: whether power and counter agree."""

    verdicts: Mapping[str, Verdict]


def result_of(zone: SiteCalendar, day: MeterFacts, sums: list[int]) -> MeterDay:
    values: dict[str, float] = {}
    missing: dict[str, Why] = {}
    for names, told in _readings(day, sums):
        if isinstance(told, str):
            missing.update(dict.fromkeys(names, told))
        else:
            values.update(zip(names, told, strict=True))
    return MeterDay(
        date=zone.local_date(day.start).isoformat(),
        start=day.start,
        end=day.end,
        rows=day.rows,
        values=values,
        missing=missing,
        verdicts={name: _verdict(values, name) for name in _compared(values)},
    )


_OF_COUNTER = ("counter_kwh", "counter_coverage_ratio", "unplaced_kwh", "resets", "glitches")
_OF_DIFFERENCE = ("difference_kwh", "difference_bound_kwh")
READINGS = (
    "power_coverage_ratio",
    "refused_values",
    *("import_kwh", "export_kwh", "bound_kwh"),
    "power_factor_mean",
    *(f"{name}_{each}" for name in COUNTERS for each in _OF_COUNTER),
    *(f"{name}_{each}" for name in FLOWS for each in _OF_DIFFERENCE),
)
"""Names of all that is told of a day; the unit is at the end, or it is a number."""


def _readings(day: MeterFacts, sums: list[int]) -> Iterator[tuple[tuple[str, ...], Reading]]:
    length, power = day.end - day.start, sums[POWER_COLUMNS]
    yield ("power_coverage_ratio",), (power[KNOWN] / length,)
    yield ("refused_values",), (float(day.refused),)
    yield ("import_kwh", "export_kwh", "bound_kwh"), _integrated(power)
    yield ("power_factor_mean",), _power_factor(sums[FACTOR_COLUMNS])
    for place, name in enumerate(COUNTERS):
        first = FACTOR_COLUMNS.stop + place * COUNTER_COLUMNS
        counter = sums[first : first + COUNTER_COLUMNS]
        yield tuple(f"{name}_{each}" for each in _OF_COUNTER), _counter(counter, length)
        if name in FLOWS:
            integrated, digit = power[FLOWS[name]], day.digits.get(name, 0)
            told = _reconciled(integrated, power, counter, digit, length)
            yield tuple(f"{name}_{each}" for each in _OF_DIFFERENCE), told


def _compared(values: Mapping[str, float]) -> list[str]:
    return [name for name in FLOWS if f"{name}_difference_kwh" in values]


def _verdict(values: Mapping[str, float], name: str) -> Verdict:
    difference = abs(values[f"{name}_difference_kwh"])
    return "agrees" if difference <= values[f"{name}_difference_bound_kwh"] else "differs"


def _integrated(power: list[int]) -> Reading:
    if not power[KNOWN]:
        return "missing_signal"
    return power[IN] / W_MS_PER_KWH, power[OUT] / W_MS_PER_KWH, power[BOUND] / W_MS_PER_KWH


def _power_factor(sums: list[int]) -> Reading:
    known, total = sums
    return (total / known / 1e6,) if known else "missing_signal"


def _counter(sums: list[int], length: int) -> Reading:
    energy, covered, unplaced, resets, glitches = sums
    if not any(sums):
        return "missing_signal"
    coverage = covered / length
    kwh = energy / W_MS_PER_KWH, coverage, unplaced / W_MS_PER_KWH
    return *kwh, float(resets), float(glitches)


def _reconciled(
    integrated: int, power: list[int], counter: list[int], digit: int, length: int
) -> Reading:
    """Integral less counter [kWh], and how much both may differ.

    That is the error of sampling and of both meters, a digit of the counter at both ends
    of the day, and the part of the day that either does not know.
    """
    if not power[KNOWN] or not counter[COVERED]:
        return "missing_signal"
    if min(power[KNOWN], counter[COVERED]) < LEAST_COVERAGE * length:
        return "gap"
    unknown = 2 - (power[KNOWN] + counter[COVERED]) / length
    larger = max(integrated, counter[ENERGY])
    bound = power[BOUND] + (METER_ERROR + unknown) * larger + 2 * digit
    return (integrated - counter[ENERGY]) / W_MS_PER_KWH, bound / W_MS_PER_KWH
