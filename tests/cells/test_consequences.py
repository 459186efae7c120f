"""A stuck sensor is one alarm: what it would say of its cell and its pack is suppressed."""

from collections.abc import Callable

import pytest

from stream_app.core.cells.findings import CellFinding
from stream_app.core.energy import Floats
from tests.cells.generator import HOUR_MS, START_MS, Faults, Trace, battery, trace
from tests.cells.strategies import run, tables

AN_HOUR = 12
"""Rows of 300 s."""
STUCK, OF_PACK = "CELL_VOLTAGE_STUCK", "VOLTAGE_IMBALANCE_WARNING"
OF_VOLTAGE = {"CELL_VOLTAGE_DEVIATION", "WEAK_CELL", "CELL_VOLTAGE_DRIFT", OF_PACK}


def stuck_from(hours: int, until: int, days: float = 5) -> Trace:
    """Cell 44 keeps one value for some hours."""
    data = trace(1, days, Faults(), 300.0)
    data.voltage_v[hours * AN_HOUR : until * AN_HOUR, 43] = data.voltage_v[hours * AN_HOUR, 43]
    return data


def found(data: Trace) -> list[CellFinding]:
    outputs, _ = run([[battery(300.0), data.samples(0, data.times.size)]])
    return outputs.findings


def at(hours: float) -> int:
    return round(START_MS + hours * HOUR_MS)


def test_a_stuck_cell_is_one_alarm_and_no_others_of_its_cell_or_pack() -> None:
    assert [(each.rule, each.cell, each.raised) for each in found(stuck_from(30, 120))] == [
        (STUCK, 44, True)
    ]


def high(data: Trace) -> None:
    data.voltage_v[4 * AN_HOUR : 30 * AN_HOUR, 43] += 0.2


def test_what_stood_of_the_cell_and_its_pack_ends_unjudged_when_it_is_stuck() -> None:
    data = stuck_from(30, 120)
    high(data)
    every = found(data)

    (stuck,) = (each for each in every if each.rule == STUCK)
    before = [each for each in every if each.raised and each.rule != STUCK]
    ended = [each for each in every if not each.raised]
    assert {each.rule for each in before} >= {"CELL_VOLTAGE_DEVIATION", "WEAK_CELL", OF_PACK}
    assert {(each.cell, each.rule == OF_PACK) for each in ended} == {(44, False), (None, True)}
    assert sorted(each.rule for each in ended) == sorted(each.rule for each in before)
    assert {(each.time, each.judged) for each in ended} == {(stuck.time, False)}
    assert {(each.value, each.limit) for each in ended} == {each.worst for each in ended}


def test_another_cell_is_judged_beside_a_stuck_one_and_so_is_their_pack() -> None:
    data = stuck_from(30, 120)
    data.voltage_v[60 * AN_HOUR :, 6] -= 0.2
    every = [each for each in found(data) if each.rule != STUCK]

    assert {each.cell for each in every} == {7, None}
    (wide,) = (each for each in every if each.rule == OF_PACK)
    assert (wide.since, wide.value) == (at(60), pytest.approx(0.2, abs=0.01))


def test_limits_of_a_cell_are_judged_of_a_stuck_one_too() -> None:
    data = stuck_from(30, 120)
    data.voltage_v[30 * AN_HOUR :, 43] = 3.7
    rules = {each.rule for each in found(data) if each.time > at(40)}

    assert {each.rule for each in found(data)} >= {"OVER_VOLT_ALARM", "OVER_VOLT_WARNING", STUCK}
    assert not rules & OF_VOLTAGE


def healthy(_: Floats) -> None:
    pass


def low(volts: Floats) -> None:
    volts -= 0.2


@pytest.mark.parametrize(("after", "rules"), [(healthy, set()), (low, OF_VOLTAGE)])
def test_once_it_moves_again_it_is_judged_as_if_anew(
    after: Callable[[Floats], None], rules: set[str]
) -> None:
    data = stuck_from(30, 50)
    after(data.voltage_v[50 * AN_HOUR :, 43])
    every = found(data)

    (ended,) = (each for each in every if each.rule == STUCK and not each.raised)
    assert ended.judged
    assert at(50) <= ended.time <= at(50.2)
    later = {each.rule for each in every if each.raised and each.time > ended.time}
    assert later == rules - {"CELL_VOLTAGE_DRIFT"}, "its past begins anew: it does not drift"
    assert {each.raised for each in every if each.time > ended.time} <= {True}


def test_the_table_of_critical_cells_ends_what_a_stuck_sensor_showed() -> None:
    data = stuck_from(30, 120)
    high(data)
    outputs, _ = run([[battery(300.0), data.samples(0, data.times.size)]])

    standing = [each.concern for each in outputs.critical[-1].cells if each.concern.until is None]
    assert [(each.rule, each.cell) for each in standing] == [(STUCK, 44)]


@pytest.mark.parametrize("rows", [11, 100])
def test_how_rows_are_cut_is_nobodys_business(rows: int) -> None:
    data = stuck_from(30, 50, days=3)
    high(data)
    data.voltage_v[40 * AN_HOUR : 52 * AN_HOUR, 20] = data.voltage_v[40 * AN_HOUR, 20]
    size = data.times.size
    whole, state = run([[battery(300.0)], [data.samples(0, size)]])

    parts = [[data.samples(at, at + rows)] for at in range(0, size, rows)]
    cut, cut_state = run([[battery(300.0)], *parts], restored=True)

    assert cut.findings == whole.findings
    assert tables(cut) == tables(whole)
    assert cut_state == state
    assert {each.cell for each in cut.findings if each.rule == STUCK} == {21, 44}
