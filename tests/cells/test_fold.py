"""What is refused, what is late, and what waits to be confirmed."""

from dataclasses import replace

import numpy as np
import pytest

from stream_app.codec.cells_state import restore_cells, snapshot_cells
from stream_app.core.battery import Battery, CellSamples
from stream_app.core.cells.fold import CellsState, fold_cells
from stream_app.core.cells.messages import CellOutputs, CellsMessage
from stream_app.core.cells.pack import HotPack
from stream_app.core.messages import EndOfData
from tests.cells.generator import Faults, battery, trace
from tests.cells.strategies import DAY, HOUR, MINUTE, run

START = 1_743_861_000_000
PLAIN = Battery("station", "b1", "Europe/Berlin", {"1": 2, "2": 2})


def at(*times: int, pack: str = "1", cells: int = 2) -> CellSamples:
    return CellSamples(
        pack, START + np.array(times, dtype=np.int64), np.full((len(times), cells), 3.3)
    )


def late(outputs: CellOutputs) -> list[tuple[str, int, str]]:
    return [
        (each.pack, time - START, each.reason)
        for each in outputs.late
        for time in each.times.tolist()
    ]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([at(0)], "no battery is known under this key: publish it before its telemetry"),
        ([PLAIN, at(0, pack="3")], "the battery has no pack 3; it has 1, 2"),
        ([PLAIN, at(0, cells=3)], "pack 1 has 2 cells, not 3 voltages a row"),
        (
            [PLAIN, replace(PLAIN, zone="UTC")],
            (
                "the battery changes the zone Europe/Berlin, in whose days its cells are counted: "
                "use another system name"
            ),
        ),
        (
            [PLAIN, replace(PLAIN, packs={"1": 3})],
            "pack 1 has 3 cells, but 2 are counted: use another pack name",
        ),
        (
            [PLAIN, replace(PLAIN, packs={f"new{n}": 1 for n in range(255)})],
            "the battery would have had 257 packs; at most 256 are read: use another system name",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_place_and_remedy(
    messages: list[CellsMessage], reason: str
) -> None:
    outputs = fold_cells(CellsState(), messages)

    assert [(each.index, each.reason) for each in outputs.refusals] == [(len(messages) - 1, reason)]


def test_a_row_not_after_the_newest_of_its_pack_is_late() -> None:
    outputs, _ = run([[PLAIN, at(0, 1000, 1000, 500, 2000), at(500, 700, pack="2")]])

    assert late(outputs) == [("1", 1000, "late"), ("1", 500, "late")]
    assert outputs.rows == 5


def test_a_row_far_ahead_waits_and_counts_once_a_second_agrees() -> None:
    far = 5 * DAY

    outputs, _ = run([[PLAIN, at(0, 1000, far, 2000)], [at(far + 1000)]])

    days = [one for each in outputs.windows if each.resolution == "1d" for one in each]
    assert [int(day.samples[0, 0]) for day in days] == [3]
    assert outputs.rows == 5
    assert late(outputs) == []


def test_rows_ahead_that_nothing_confirms_are_given_up() -> None:
    ahead = [(n + 2) * DAY for n in range(33)]

    outputs, _ = run([[PLAIN, at(0, 1000, *ahead, 2000)]])

    assert late(outputs) == [("1", 2 * DAY, "ahead")]


def test_two_rows_set_aside_with_one_time_count_once_at_the_end_of_data() -> None:
    outputs, _ = run([[PLAIN, at(0, 1000, 2 * HOUR, 2 * HOUR), EndOfData(START + DAY)]])

    assert outputs.rows == 3
    assert late(outputs) == [("1", 2 * HOUR, "ahead")]


def test_a_single_row_is_published_by_the_end_of_data() -> None:
    outputs, _ = run([[PLAIN, at(0), EndOfData(START + MINUTE)]])

    assert [each.resolution for each in outputs.windows] == ["5min", "15min", "1h", "1d"]
    assert {each.final for each in outputs.windows} == {False}


def test_a_pack_that_is_added_begins_and_one_that_is_taken_away_ends() -> None:
    more = replace(PLAIN, packs={"2": 2, "3": 2})

    outputs, _ = run([[PLAIN, at(0, 1000), more, at(2000), at(0, 1000, pack="3")]])

    assert [each.reason for each in outputs.refusals] == ["the battery has no pack 1; it has 2, 3"]
    assert outputs.rows == 4
    assert [(each.pack, each.resolution, each.final) for each in outputs.windows] == [
        ("1", resolution, False) for resolution in ("5min", "15min", "1h", "1d")
    ]


def test_the_same_battery_again_changes_nothing() -> None:
    once, state = run([[PLAIN, at(0, 1000, 2000)]])

    twice, again = run([[PLAIN, at(0, 1000)], [PLAIN, at(2000)]])

    assert again == state
    assert twice.windows == once.windows == []


def test_findings_of_packs_come_in_the_order_of_their_rows() -> None:
    def over(pack: str, *times: int) -> list[CellSamples]:
        return [
            CellSamples(pack, START + np.array([time]), np.array([[3.3, 3.7]])) for time in times
        ]

    first, second = over("1", 0, 10_000, 30_000), over("2", 0, 20_000, 40_000)
    mixed = [each for pair in zip(first, second, strict=True) for each in pair]

    at_once = fold_cells(CellsState(), [PLAIN, *mixed])

    assert [(each.pack, each.rule) for each in at_once.findings] == [
        ("1", "OVER_VOLT_ALARM"),
        ("2", "OVER_VOLT_ALARM"),
        ("2", "OVER_VOLT_WARNING"),
        ("1", "OVER_VOLT_WARNING"),
    ]


def test_what_changes_with_every_row_is_small() -> None:
    data = trace(1, 2, Faults(), 60.0)
    state = CellsState()

    fold_cells(state, [battery(), data.samples(0, data.times.size)])

    pack = state.packs["1"]
    assert len(snapshot_cells(pack.hot)) < 8_000
    assert len(snapshot_cells(pack.warm)) < 8_000
    assert len(snapshot_cells(pack.cold)) < 40_000
    assert snapshot_cells(restore_cells(snapshot_cells(pack.hot), HotPack)) == snapshot_cells(
        pack.hot
    )


@pytest.mark.parametrize("data", [b"", b"\xffabc"])
def test_state_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cell state of format"):
        restore_cells(data, CellsState)
