"""What a correction has changed, as a person reads it."""

from io import StringIO

import pytest
from rich.console import Console

from stream_app.core.energy import W_MS_PER_KWH
from stream_app.reports.corrected import changes, table
from stream_app.reports.remarks import too_late
from stream_app.reports.summary import summarise
from tests.reports.days import make_day


def test_only_days_whose_energy_a_correction_has_changed_since_are_told() -> None:
    corrected = make_day(date="2025-04-01", revision=1_000_000, reason="correction")
    before = [
        corrected,
        make_day(date="2025-04-02"),
        make_day(date="2025-04-04"),
        make_day(date="2025-04-06"),
    ]
    after = [
        corrected,
        make_day(date="2025-04-02", charged_w_ms=1, revision=1_000_000, reason="correction"),
        make_day(date="2025-04-03", revision=1_000_000, reason="correction"),
        make_day(date="2025-04-04", revision=2, reason="late_data"),
        make_day(date="2025-04-05"),
        make_day(date="2025-04-06", revision=1_000_000, reason="correction"),
    ]

    found = changes(before, after)

    assert [(each.before, each.after) for each in found] == [
        (before[1], after[1]),
        (None, after[2]),
    ]


def test_the_table_fits_a_terminal_and_tells_old_new_and_difference() -> None:
    old = make_day(charged_w_ms=1_234 * W_MS_PER_KWH, discharged_w_ms=0)
    new = make_day(
        charged_w_ms=2_000 * W_MS_PER_KWH, discharged_w_ms=0, revision=2, reason="correction"
    )
    text = StringIO()

    Console(file=text, width=80).print(table(changes([old], [new])))

    row = text.getvalue().splitlines()[-1].split()
    assert row == [new.date, new.enclosure, "1,234.0", "2,000.0", "+766.0", "0.0", "0.0", "+0.0"]


def test_a_summary_counts_days_that_late_data_or_corrections_changed() -> None:
    days = [
        make_day(date="2025-04-01", enclosure="A1", reason="late_data"),
        make_day(date="2025-04-01", enclosure="A2", reason="late_data"),
        make_day(date="2025-04-02", enclosure="A1", reason="correction"),
        make_day(date="2025-04-03", enclosure="A1", reason="end_of_data"),
    ]

    assert summarise(days).revised_days == {"late_data": 1, "correction": 1}


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ({}, []),
        ({"no_gap": 1_200, "ahead": 1}, ["1,201 samples came too late (1 ahead, 1,200 no_gap)"]),
    ],
)
def test_a_report_tells_how_many_samples_came_too_late_and_why(
    reasons: dict[str, int], told: list[str]
) -> None:
    assert [line.partition(":")[0] for line in too_late(reasons)] == told
