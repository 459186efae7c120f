"""The table daily_energy_by_enclosure.csv."""

import csv
import io
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.results import DailyRecord
from stream_app.core.order import natural_key
from stream_app.reports.daily import COLUMNS, daily_csv, kwh_text, newest
from tests.reports.days import make_day

GOLDEN = Path(__file__).parent / "golden"
KWH = 3_600_000_000


@pytest.mark.parametrize(
    ("w_ms", "text"),
    [
        (0, "0.000000"),
        (KWH, "1.000000"),
        (-KWH, "-1.000000"),
        (1800, "0.000000"),
        (1801, "0.000001"),
        (3600 + 1800, "0.000002"),
        (-1800, "0.000000"),
        (-1801, "-0.000001"),
        (KWH - 1, "1.000000"),
        (10**18 * 3600, "1000000000000.000000"),
        (2**53 + 1, "2501999.792984"),
    ],
)
def test_energy_is_printed_from_whole_watt_milliseconds(w_ms: int, text: str) -> None:
    assert kwh_text(w_ms) == text


@given(st.integers(-(2**62), 2**62))
def test_printed_energy_is_the_nearest_to_the_integer(w_ms: int) -> None:
    assert abs(Decimal(kwh_text(w_ms)) * KWH - w_ms) <= 1800


def test_names_are_sorted_as_people_count() -> None:
    names = ["1A10BAT1", "1A2BAT10", "1A2BAT9", "1A2BAT09", "", "7", "é1", "1²"]

    ordered = sorted(names, key=natural_key)

    assert ordered == ["", "1A2BAT09", "1A2BAT9", "1A2BAT10", "1A10BAT1", "1²", "7", "é1"]


@pytest.mark.parametrize(
    "name", ["revisions", "unicode", "one_enclosure", "missing_days", "nothing"]
)
def test_the_table_is_as_it_was(name: str) -> None:
    assert daily_csv(newest(CASES[name])).encode() == (GOLDEN / f"daily_{name}.csv").read_bytes()


CASES = {
    "revisions": [
        make_day(charged_w_ms=7 * KWH, revision=2, final=True),
        make_day(charged_w_ms=5 * KWH, revision=1, final=False),
        make_day("1A1BAT2", charged_w_ms=5 * KWH, revision=1, final=False),
        make_day("1A1BAT2", charged_w_ms=6 * KWH, revision=1, final=True),
    ],
    "unicode": [
        make_day("Gehäuse 10", charged_w_ms=1),
        make_day("Gehäuse 9", discharged_w_ms=KWH // 3, error_bound_w_ms=5000),
        make_day('電池,"2"', charged_w_ms=2 * KWH),
    ],
    "one_enclosure": [make_day(charged_w_ms=3 * KWH, discharged_w_ms=2 * KWH, coverage=0.75)],
    "missing_days": [
        make_day("1A1BAT2", "2025-04-03", discharged_w_ms=KWH),
        make_day("1A1BAT1", "2025-04-03", coverage=0.0, samples=0),
        make_day("1A1BAT1", "2025-04-01", charged_w_ms=KWH),
    ],
    "nothing": [],
}

energies = st.integers(0, 2**50)
records = st.builds(
    make_day,
    st.sampled_from(["A1", "A2", "A10"]),
    st.sampled_from(["2025-04-01", "2025-04-02"]),
    charged_w_ms=energies,
    discharged_w_ms=energies,
    revision=st.integers(1, 3),
)


@given(st.lists(records))
def test_columns_add_up_to_the_integer_sums(days: list[DailyRecord]) -> None:
    kept = newest(days)
    rows = list(csv.DictReader(io.StringIO(daily_csv(kept))))

    for column in ("charged", "discharged", "net"):
        exact = sum(getattr(day, f"{column}_w_ms") for day in kept)
        printed = sum(Decimal(row[f"{column}_kwh"]) for row in rows) * KWH
        assert abs(printed - exact) <= 1800 * len(rows)


@given(
    st.lists(records, unique_by=lambda day: (day.enclosure, day.date, day.revision)),
    st.randoms(use_true_random=False),
)
def test_the_table_does_not_depend_on_the_order_of_records(
    days: list[DailyRecord], chance: random.Random
) -> None:
    shuffled = list(days)
    chance.shuffle(shuffled)

    assert daily_csv(newest(shuffled)) == daily_csv(newest(days))


def test_the_first_columns_are_those_of_the_contract() -> None:
    contract = ("date", "enclosure_id", "charged_kwh", "discharged_kwh", "coverage")

    assert COLUMNS[:5] == contract
