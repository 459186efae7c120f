"""A report in a few figures."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.results import DailyRecord
from stream_app.core.order import natural_key
from stream_app.reports.totals import EnclosureTotal, totals

_TOLD = ("late_data", "correction")
"""Reasons of revisions that a report tells; a day that an end of data showed early is none."""


@dataclass(frozen=True)
class Summary:
    """Figures of one site.

    Attributes
    ----------
    first_day, last_day
        Local dates, ISO 8601.
    charged_w_ms, discharged_w_ms
        Energy of all enclosures [W ms].
    coverage
        Mean coverage of the enclosures over all days.
    provisional_days
        Local days on which at least one enclosure is not final.
    revised_days
        Local days on which late samples or a correction have changed at least one enclosure.
    """

    site: str
    first_day: str
    last_day: str
    enclosures: list[EnclosureTotal]
    charged_w_ms: int
    discharged_w_ms: int
    coverage: float
    provisional_days: int
    revised_days: Mapping[str, int]


def summarise(days: Sequence[DailyRecord]) -> Summary:
    """Sum up the newest revisions of one site.

    Raises
    ------
    ValueError
        There is no record.
    """
    if not days:
        raise ValueError("no daily energy to sum up")
    each = totals(days)
    dates = [day.date for day in days]
    return Summary(
        site=days[0].site,
        first_day=min(dates),
        last_day=max(dates),
        enclosures=each,
        charged_w_ms=sum(one.charged_w_ms for one in each),
        discharged_w_ms=sum(one.discharged_w_ms for one in each),
        coverage=sum(one.coverage for one in each) / len(each),
        provisional_days=len({day.date for day in days if not day.final}),
        revised_days=_revised(days),
    )


def _revised(days: Iterable[DailyRecord]) -> Counter[str]:
    reasons = {(day.date, day.reason) for day in days}
    return Counter(reason for _, reason in sorted(reasons, key=str) if reason in _TOLD)


def without_energy(expected: Iterable[str], days: Iterable[DailyRecord]) -> list[str]:
    """Enclosures of the topology that have no daily record, in natural order."""
    return sorted(set(expected) - {day.enclosure for day in days}, key=natural_key)
