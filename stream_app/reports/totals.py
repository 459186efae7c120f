"""What each enclosure did over all days of a report, and who did least."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

from schemas.results import DailyRecord
from stream_app.core.order import natural_key
from stream_app.reports.daily import kwh_text, table

Metric = Literal["charged", "discharged"]
METRICS: tuple[Metric, ...] = ("charged", "discharged")
BOTTOM = 5

OUTLIER_COLUMNS = (
    "metric",
    "rank",
    "enclosure_id",
    "total_kwh",
    "median_kwh",
    "deviation_percent",
    "coverage",
)


@dataclass(frozen=True)
class EnclosureTotal:
    """Energy of an enclosure over all days of the report [W ms].

    Attributes
    ----------
    coverage
        Known seconds / seconds of all days in the report, also those that lack this enclosure.
    """

    enclosure: str
    charged_w_ms: int
    discharged_w_ms: int
    coverage: float

    def energy_w_ms(self, metric: Metric) -> int:
        return self.charged_w_ms if metric == "charged" else self.discharged_w_ms


def totals(days: Iterable[DailyRecord]) -> list[EnclosureTotal]:
    """Totals of each enclosure in natural order, from the newest revisions."""
    seconds: dict[str, float] = {}
    each: defaultdict[str, list[DailyRecord]] = defaultdict(list)
    for day in days:
        if day.date not in seconds:
            seconds[day.date] = day_seconds(day)
        each[day.enclosure].append(day)
    span_s = sum(seconds.values())
    return [_total(name, each[name], span_s) for name in sorted(each, key=natural_key)]


def day_seconds(day: DailyRecord) -> float:
    """Length of a local day [s]."""
    return (datetime.fromisoformat(day.end) - datetime.fromisoformat(day.start)).total_seconds()


def ranked(each: Sequence[EnclosureTotal], metric: Metric) -> list[EnclosureTotal]:
    """Enclosures from the lowest total to the highest; equal totals in natural order."""
    return sorted(each, key=lambda one: (one.energy_w_ms(metric), natural_key(one.enclosure)))


def median_w_ms(each: Sequence[EnclosureTotal], metric: Metric) -> Fraction:
    """Median total [W ms], exact.

    Raises
    ------
    ValueError
        There is no enclosure.
    """
    if not each:
        raise ValueError("no enclosure, so no median")
    values = sorted(one.energy_w_ms(metric) for one in each)
    middle = len(values) // 2
    return Fraction(values[middle] + values[-middle - 1], 2)


def deviation_percent(energy_w_ms: int, median: Fraction) -> float | None:
    """Deviation from the median [%]; None where the median is zero."""
    return float(100 * (energy_w_ms - median) / median) if median else None


def outliers_csv(days: Iterable[DailyRecord]) -> str:
    """Write the table ``outliers_bottom5.csv``: the five lowest totals charged and discharged.

    An enclosure whose data are missing looks weak without being so: read its coverage first.
    """
    each = totals(days)
    return table(OUTLIER_COLUMNS, [row for metric in METRICS for row in _bottom(each, metric)])


def _total(enclosure: str, days: Sequence[DailyRecord], span_s: float) -> EnclosureTotal:
    return EnclosureTotal(
        enclosure,
        sum(day.charged_w_ms for day in days),
        sum(day.discharged_w_ms for day in days),
        sum(day.known_s for day in days) / span_s,
    )


def _bottom(each: Sequence[EnclosureTotal], metric: Metric) -> list[tuple[object, ...]]:
    if not each:
        return []
    median = median_w_ms(each, metric)
    rows: list[tuple[object, ...]] = []
    for rank, one in enumerate(ranked(each, metric)[:BOTTOM], start=1):
        energy = one.energy_w_ms(metric)
        deviation = deviation_percent(energy, median)
        rows.append(
            (
                metric,
                rank,
                one.enclosure,
                kwh_text(energy),
                kwh_text(round(median)),
                "" if deviation is None else f"{deviation:.3f}",
                f"{one.coverage:.6f}",
            )
        )
    return rows
