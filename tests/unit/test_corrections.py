"""Corrections: long closed days that are brought in again."""

from dataclasses import replace

import pytest

from stream_app.codec.results import days
from stream_app.codec.state import restore, snapshot
from stream_app.core.corrections import REVISIONS
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Outputs,
    PowerSamples,
)
from stream_app.core.topology import Rules
from tests.unit.blocks import MINUTE, START, Plant, block, power

DAY = 24 * 60 * MINUTE
QUARTERS = range(0, 5 * 24 * 60, 15)
RULES = Rules(resolutions=("1h",), correction_ms=2 * DAY)
BEGIN = CorrectionBegin("better", START + DAY, START + 2 * DAY)
END = CorrectionEnd("better")


def counted() -> Plant:
    """Five days of 8 kW on input 1 and 4 kW on input 2; the fifth is open."""
    plant = Plant(block(RULES))
    plant.feed(power([*QUARTERS], i1=[8] * len(QUARTERS), i2=[4] * len(QUARTERS)))
    return plant


def corrected(minutes: range, level: float = 16, name: str = "better") -> PowerSamples:
    return replace(power([*minutes], i1=[level] * len(minutes)), correction=name)


def daily(outputs: Outputs) -> list[tuple[str, str, int, str | None, float]]:
    """Date, enclosure, revision, reason and discharged kWh of each day."""
    found = [day for each in outputs.rollups if each.resolution == "1d" for day in days(each)]
    return [
        (day.date, day.enclosure, day.revision, day.reason, day.discharged_kwh) for day in found
    ]


def hours(outputs: Outputs) -> list[tuple[int, float]]:
    """Hour since START and coverage of the windows of an hour."""
    return [
        ((start - START) // (60 * MINUTE), known / (60 * MINUTE))
        for each in outputs.rollups
        if each.resolution == "1h"
        for start, known in zip(each.run.starts.tolist(), each.run.sums[5].tolist(), strict=True)
    ]


def test_the_days_of_a_correction_come_again_above_all_revisions() -> None:
    plant = counted()

    outputs = plant.feed(BEGIN, corrected(QUARTERS), END)

    expected = [("2025-04-02", name, REVISIONS, "correction", 192.0) for name in ("A1", "A2")]
    assert daily(outputs) == expected
    assert hours(outputs) == [(hour, 1.0) for hour in range(24, 48)]
    assert outputs.refusals == outputs.findings == outputs.too_late == []


def test_what_the_correction_does_not_name_stays_and_what_it_lacks_is_unknown() -> None:
    """Input 2 is not in the better export; input 1 has a sample before noon and none after."""
    outputs = counted().feed(BEGIN, corrected(range(24 * 60, 36 * 60 + 1, 15)), END)

    assert {name for _, name, *_ in daily(outputs)} == {"A1", "A2"}
    assert hours(outputs) == [(hour, float(hour < 36)) for hour in range(24, 48)]


def test_a_named_input_without_a_value_comes_out_as_unknown() -> None:
    outputs = counted().feed(BEGIN, corrected(QUARTERS, float("nan")), END)

    assert [kwh for *_, kwh in daily(outputs)] == [0, 0]
    assert hours(outputs) == [(hour, 0.0) for hour in range(24, 48)]


def test_counting_goes_on_beside_a_correction() -> None:
    plain, beside = counted(), counted()
    more = power([*range(5 * 24 * 60, 6 * 24 * 60, 15)], i1=[8] * 96, i2=[4] * 96)

    expected = plain.feed(more)
    beside.feed(BEGIN, corrected(QUARTERS[:150]))
    outputs = beside.feed(more)
    beside.feed(corrected(QUARTERS[150:]), END)

    assert daily(outputs) == daily(expected)
    assert beside.state.inputs == plain.state.inputs
    assert beside.state.correction is None


def test_begun_again_it_starts_anew_and_a_second_one_stands_above_the_first() -> None:
    plant = counted()

    plant.feed(BEGIN, corrected(QUARTERS[:150], 99))
    again = plant.feed(BEGIN, corrected(QUARTERS), END)
    second = plant.feed(replace(BEGIN, id="best"), corrected(QUARTERS, 4, "best"))

    assert [row[2:] for row in daily(again)] == [(2 * REVISIONS, "correction", 192.0)] * 2
    assert [row[2:] for row in daily(second)] == [(3 * REVISIONS, "correction", 48.0)] * 2


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (CorrectionBegin("x", START + 1, START + DAY), "first instant of a local day"),
        (CorrectionBegin("x", START + DAY, START + DAY), "first instant of a local day"),
        (CorrectionBegin("x", START, START + 5 * DAY), "before the open day, 2025-04-05"),
        (CorrectionBegin("x", START - 400 * DAY, START), "at most 366 days"),
    ],
    ids=["not at a day", "no day", "the open day", "too long"],
)
def test_a_correction_that_cannot_be_is_refused(begin: CorrectionBegin, reason: str) -> None:
    (refusal,) = counted().feed(begin).refusals

    assert reason in refusal.reason


def test_one_correction_at_a_time() -> None:
    (refusal,) = counted().feed(BEGIN, replace(BEGIN, id="other")).refusals

    assert refusal.index == 1
    assert "correction better is under way, from 2025-04-02 to before 2025-04-03" in refusal.reason


def test_where_nothing_is_counted_there_is_nothing_to_correct() -> None:
    (refusal,) = Plant(block(RULES)).feed(BEGIN).refusals

    assert "replay without --correct" in refusal.reason


@pytest.mark.parametrize("message", [corrected(QUARTERS), END], ids=["samples", "end"])
def test_what_belongs_to_no_correction_is_refused(message: PowerSamples | CorrectionEnd) -> None:
    plant = counted()
    plant.feed(replace(BEGIN, id="other"))

    (refusal,) = plant.feed(message).refusals

    assert "no correction better is under way" in refusal.reason


def test_a_new_topology_gives_up_the_correction_under_way() -> None:
    plant = counted()
    plant.feed(BEGIN)

    plant.feed(Configure(plant.topology))
    kept = plant.state.correction
    plant.feed(Configure(block(replace(RULES, frozen_ms=DAY))))

    assert kept is not None
    assert plant.state.correction is None


def test_late_samples_of_corrected_days_are_too_late() -> None:
    """They would be added to sums that do not hold any more."""
    plant = Plant(block(RULES))
    missing = range(3 * 24 * 60, 3 * 24 * 60 + 120)
    minutes = [minute for minute in QUARTERS if minute not in missing]
    plant.feed(power(minutes, i1=[8] * len(minutes)))
    day = CorrectionBegin("better", START + 3 * DAY, START + 4 * DAY)
    before = plant.feed(power([3 * 24 * 60 + 15], i1=[8]), day)

    (late,) = plant.feed(power([3 * 24 * 60 + 30], i1=[8])).too_late

    touched = {(row[0], row[3]) for row in daily(before)}
    assert touched == {("2025-04-03", "late_data"), ("2025-04-04", "late_data")}
    assert late.reason == "no_gap"


def test_samples_of_a_correction_that_step_back_are_told() -> None:
    outputs = counted().feed(BEGIN, corrected(QUARTERS), corrected(range(0, 15, 15)))

    assert [(late.reason, late.times.tolist()) for late in outputs.too_late] == [
        ("beyond_horizon", [START])
    ]


def test_a_correction_under_way_is_part_of_the_state() -> None:
    plant = counted()
    plant.feed(BEGIN, corrected(QUARTERS[:150]))

    assert restore(snapshot(plant.state)) == plant.state


def test_an_end_of_data_does_not_end_a_correction() -> None:
    plant = counted()
    plant.feed(BEGIN, EndOfData(START + 5 * DAY))

    assert daily(plant.feed(corrected(QUARTERS), END))


def test_a_silence_of_days_in_the_correction_is_told_window_by_window() -> None:
    """Also there where counting would leave windows out: earlier ones must not stand."""
    plant = counted()
    begin = replace(BEGIN, until=START + 4 * DAY)
    minutes = [*range(24 * 60, 25 * 60, 15), *range(95 * 60, 96 * 60 + 60, 15)]
    samples = replace(power(minutes, i1=[8] * len(minutes)), correction="better")

    outputs = plant.feed(begin, samples, END)

    assert [hour for hour, _ in hours(outputs)] == [*range(24, 96)]


def test_days_before_the_enclosures_changed_are_not_corrected() -> None:
    plant = counted()
    changed = {"1": {"A1": 0.5, "A9": 0.5}, "2": {"A3": 0.5, "A4": 0.5}}
    plant.feed(Configure(block(RULES, inputs=changed)))
    plant.feed(power([*range(5 * 24 * 60, 7 * 24 * 60, 15)], i1=[8] * 192, i2=[4] * 192))

    (refusal,) = plant.feed(BEGIN).refusals
    after = plant.feed(CorrectionBegin("x", START + 5 * DAY, START + 6 * DAY))

    assert "changed on 2025-04-05" in refusal.reason
    assert after.refusals == []
