"""What the table of critical cells says, and how conditions end that are judged no more."""

from dataclasses import replace

import numpy as np
import pytest

from stream_app.core.battery import Battery, CellSamples
from stream_app.core.cells.critical import Concern
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.fold import CellsState, fold_cells
from stream_app.core.cells.messages import CellOutputs
from stream_app.core.energy import Floats
from tests.cells.strategies import DAY, MINUTE

START = 1_743_811_200_000
"""Midnight in UTC."""
PACK = Battery("station", "b1", "UTC", {"1": 6})
DAYS = 1441


def rows(volts: Floats, celsius: Floats, first: int = 0) -> CellSamples:
    times = START + MINUTE * (first + np.arange(volts.shape[0], dtype=np.int64))
    return CellSamples("1", times, volts, celsius)


def usual(count: int) -> tuple[Floats, Floats]:
    return np.full((count, 6), 3.3), np.full((count, 6), 25.0)


def table(outputs: CellOutputs, day: int = -1) -> dict[tuple[str, int], Concern]:
    found = (each.concern for each in outputs.critical[day].cells)
    return {(each.rule, each.cell): each for each in found}


def test_the_worst_of_a_limit_is_that_of_the_whole_time_it_was_beyond_it() -> None:
    volts, warm = usual(DAYS)
    volts[5:60, 3], volts[20:30, 3] = 3.66, 4.3
    volts[700, 3] = 4.9
    warm[100:160, 1], warm[120:125, 1] = 61, 85

    found = table(fold_cells(CellsState(), [PACK, rows(volts, warm)]))

    assert found["OVER_VOLT_ALARM", 4].worst == 4.3, "one row at 4.9 V is no alarm"
    assert found["OVER_TEMP_ALARM", 2].worst == 85


@pytest.mark.parametrize("chunk", [1, 7, DAYS])
def test_the_worst_does_not_depend_on_batching(chunk: int) -> None:
    volts, warm = usual(DAYS)
    volts[5:60, 3], volts[20:30, 3] = 3.66, 4.3
    state, outputs = CellsState(), CellOutputs()
    fold_cells(state, [PACK])

    for at in range(0, DAYS, chunk):
        part = slice(at, at + chunk)
        outputs.extend(fold_cells(state, [rows(volts[part], warm[part], at)]))

    assert table(outputs)["OVER_VOLT_WARNING", 4].worst == 4.3


def test_a_day_without_a_value_of_the_cell_does_not_count() -> None:
    volts, warm = usual(6 * 1440 + 1)
    warm[200:260, 4] += 6
    warm[260:, 4] = np.nan

    outputs = fold_cells(CellsState(), [PACK, rows(volts, warm)])

    told = [table(outputs, day)["HOT_CELL", 5] for day in range(6)]
    assert {each.days for each in told} == {1}
    assert [each.until for each in told] == [None] * 3 + [START + DAY] * 3


def standing() -> tuple[CellsState, list[CellFinding]]:
    """A cell at 3.75 V: alarms, a deviation and a spread stand."""
    volts, warm = usual(60)
    volts[10:, 3] = 3.75
    state = CellsState()
    return state, fold_cells(state, [PACK, rows(volts, warm)]).findings


@pytest.mark.parametrize(
    "after",
    [replace(PACK, limits="none"), replace(PACK, packs={"2": 6})],
    ids=["other limits", "no such pack"],
)
def test_what_is_judged_no_more_ends(after: Battery) -> None:
    state, before = standing()
    stood = {(each.rule, each.cell, each.since) for each in before if each.raised}

    outputs = fold_cells(state, [after])

    ended = outputs.findings
    assert {(each.rule, each.cell, each.since) for each in ended} == stood
    assert {each.rule for each in ended} >= {"OVER_VOLT_ALARM", "VOLTAGE_IMBALANCE_WARNING"}
    assert {(each.raised, each.judged, each.time) for each in ended} == {
        (False, False, START + 59 * MINUTE)
    }
    concerns = state.packs["1"].cold.critical.concerns.values()
    assert {each.until for each in concerns} == {START + 59 * MINUTE}


def test_the_same_limits_again_end_nothing() -> None:
    state, _ = standing()

    assert fold_cells(state, [replace(PACK, capacity_ah=280.0)]).findings == []


def test_under_limits_that_come_back_a_condition_begins_anew() -> None:
    state, _ = standing()
    volts, warm = usual(5)
    volts[:, 3] = 3.75

    outputs = fold_cells(state, [replace(PACK, limits="none"), PACK, rows(volts, warm, first=60)])

    begun = {each.rule for each in outputs.findings if each.raised}
    assert begun == {"OVER_VOLT_ALARM", "OVER_VOLT_WARNING"}
