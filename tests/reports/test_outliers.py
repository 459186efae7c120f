"""The table outliers_bottom5.csv, and the totals behind it."""

import csv
import io
from fractions import Fraction
from pathlib import Path

import pytest

from schemas.results import DailyRecord
from stream_app.reports.daily import newest
from stream_app.reports.totals import Metric, median_w_ms, outliers_csv, ranked, totals
from tests.reports.days import make_day

GOLDEN = Path(__file__).parent / "golden"
KWH = 3_600_000_000


def station(charged: dict[str, int], discharged: dict[str, int] | None = None) -> list[DailyRecord]:
    out = discharged or charged
    return [
        make_day(name, charged_w_ms=charged[name] * KWH, discharged_w_ms=out[name] * KWH)
        for name in charged
    ]


CASES = {
    "ties": station({f"B{n}": 10 if n > 3 else 20 for n in (12, 11, 10, 9, 2, 1, 8, 7)}),
    "one_enclosure": station({"A": 3}),
    "idle": station(dict.fromkeys("ABCDEF", 0)),
    "unlike": station(
        {"Ö1": 900, "Ö2": 1000, "Ö3": 1001, "Ö10": 1002, "Ö20": 1003, "Ö30": 1004},
        {"Ö1": 1000, "Ö2": 700, "Ö3": 1001, "Ö10": 1002, "Ö20": 1003, "Ö30": 1004},
    ),
    "missing_days": [
        make_day("A1", "2025-04-01", charged_w_ms=KWH, discharged_w_ms=KWH),
        make_day("A1", "2025-04-02", charged_w_ms=KWH, discharged_w_ms=KWH),
        make_day("A2", "2025-04-02", charged_w_ms=KWH, discharged_w_ms=KWH, coverage=0.5),
    ],
    "nothing": [],
}


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_as_it_was(name: str) -> None:
    written = outliers_csv(newest(CASES[name]))

    assert written.encode() == (GOLDEN / f"outliers_{name}.csv").read_bytes()


def test_charged_and_discharged_are_ranked_apart() -> None:
    rows = list(csv.DictReader(io.StringIO(outliers_csv(newest(CASES["unlike"])))))

    first = {row["metric"]: row["enclosure_id"] for row in rows if row["rank"] == "1"}
    assert first == {"charged": "Ö1", "discharged": "Ö2"}


def test_equal_totals_are_ranked_in_natural_order() -> None:
    order = [one.enclosure for one in ranked(totals(CASES["ties"]), "charged")]

    assert order == ["B7", "B8", "B9", "B10", "B11", "B12", "B1", "B2"]


def test_a_day_without_a_record_lowers_the_coverage_of_the_enclosure() -> None:
    coverage = {one.enclosure: one.coverage for one in totals(CASES["missing_days"])}

    assert coverage == {"A1": 1.0, "A2": 0.25}


def test_a_day_weighs_as_much_as_it_is_long() -> None:
    spring = make_day(
        "A1",
        "2025-10-05",
        start="2025-10-04T14:00:00.000Z",
        end="2025-10-05T13:00:00.000Z",
        known_s=0.0,
        coverage=0.0,
    )

    (one,) = totals([spring, make_day("A1", "2025-10-06")])

    assert one.coverage == pytest.approx(24 / 47)


@pytest.mark.parametrize(
    ("charged", "median"),
    [
        ([5], 5),
        ([1, 4], Fraction(5, 2)),
        ([9, 1, 4], 4),
        ([2**60, 2**60 + 1], 2**60 + Fraction(1, 2)),
    ],
)
@pytest.mark.parametrize("metric", ["charged", "discharged"])
def test_the_median_is_exact(charged: list[int], median: Fraction, metric: Metric) -> None:
    days = [
        make_day(f"A{n}", charged_w_ms=value, discharged_w_ms=value)
        for n, value in enumerate(charged)
    ]

    assert median_w_ms(totals(days), metric) == median
